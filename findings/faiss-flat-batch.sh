#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# FAISS 1.15.1 (faiss-cpu): IndexFlatL2, the exact search, asked for few vectors and for many at once.
# Expected, as the index compares with all vectors and is the reference that others are measured by: the same neighbours however many
# queries a call has, and each vector of the index the nearest to itself.
# What happens: from 128,000 values a call on (queries x dimensions; 1,000 queries of 128) squared distances are ||x||^2 + ||y||^2 - 2 x y in
# f32. Where vectors lie close together and far from zero, as features do before anything centres them, nothing of the distance is left in
# the difference: 999 queries find themselves, each and all, and the same with one query more find others. No warning.
# For users of Tessera: a recall against FAISS needs centred vectors, or calls of few queries.
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

print("FAISS", faiss.__version__, "- threshold", faiss.cvar.distance_compute_blas_threshold)
faiss.omp_set_num_threads(1)
spread = 0.01 * np.random.default_rng(0).standard_normal((2000, 128))


def lost(mean, queries):
    """Number of queries, the first vectors of the index, that another vector is found for."""
    x = (mean + spread).astype("f4")
    index = faiss.IndexFlatL2(128)
    index.add(x)
    return int((index.search(x[:queries], 1)[1][:, 0] != np.arange(queries)).sum())


few = {mean: lost(mean, 999) for mean in (0, 10, 30)}
many = {mean: lost(mean, 1000) for mean in (0, 10, 30)}
for mean in few:
    print(f"values {mean} +- 0.01: {few[mean]} of 999 queries do not find themselves, {many[mean]} of 1000")
same = not any(few.values()) and many[0] == 0 and 10 < many[10] < 200 and many[30] > 900
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
