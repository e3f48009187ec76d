#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# FAISS 1.15.1 (faiss-cpu): k-means with more centroids than there are different vectors.
# Expected, from Lloyd's algorithm and from scikit-learn, which warns: each different vector is a centroid, the cost is 0, and what is left
# over is a copy, or is empty.
# What happens: an empty cluster is made of a full one by moving both by a thousandth, so no vector is exactly a centroid, and the cost
# is never 0 but goes up and down for ever. All 16 rows differ, and 10 are used. No warning.
# For users of Tessera: a codebook made this way looks full by its rows. What counts is which codes are used, a figure of
# `evaluate`; `refit` has k-means of its own.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check faiss-cpu==1.15.1 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
import faiss
import numpy as np

print("FAISS", faiss.__version__)
faiss.omp_set_num_threads(1)
distinct = np.random.default_rng(0).normal(size=(10, 8)).astype("f4")
vectors = np.repeat(distinct, 100, 0)
km = faiss.Kmeans(8, 16, niter=25, seed=1)
km.train(vectors)
rows = len(np.unique(km.centroids, axis=0))
used = len(np.unique(km.index.search(vectors, 1)[1]))
nearest = ((distinct[:, None].astype("f8") - km.centroids[None]) ** 2).sum(-1).min(1)
rises = int((np.diff(km.obj[5:]) > 0).sum())
print("10 different vectors, 16 centroids")
print("different rows", rows, "- used", used, "- vectors that are a centroid", int((nearest == 0).sum()))
print("cost of the last iterations", " ".join(f"{v:.2e}" for v in km.obj[-6:]), "- went up", rises, "times in 19")
print("splits in the last iteration", km.iteration_stats[-1]["nsplit"])
same = rows == 16 and used == 10 and (nearest > 0).all() and (km.obj > 0).all() and rises > 3
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
