#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# prdc 0.2, the authors' own: precision, recall, density, coverage (scikit-learn 1.9.1 under it).
# Expected, from the paper ("coverage" measures diversity, the part of real images with a sample near): one image 1000 times covers
# next to nothing, and less variety covers less.
# What happens in 64 dimensions: real neighbours lie farther apart than each is from the middle, so the mean of all, 1000 times, has
# coverage 1, density 200 and precision 1: better than another draw of the real distribution. So has noise of half the
# deviation. Only recall tells. In 2 dimensions the expectation is right.
# For users of Tessera: samples of a temperature below 1, and of decoders that blur, can win by density and coverage. Look at recall,
# and at what real images score against real images.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check prdc==0.2 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
venv/bin/python - <<'PY'
import contextlib
import io
import sys
from importlib.metadata import version
import numpy as np
from prdc import compute_prdc

print("prdc", version("prdc"), "scikit-learn", version("scikit-learn"))

def score(name, real, fake):
    with contextlib.redirect_stdout(io.StringIO()):
        got = {k: float(v) for k, v in compute_prdc(real, fake, nearest_k=5).items()}
    print(f"{name:36}", *(f"{k} {v:7.3f}" for k, v in got.items()))
    return got

rng = np.random.default_rng(3)
result = {}
for d in (2, 64):
    real = rng.normal(size=(1000, d))
    result[d] = [score(f"{d:2} dimensions, another draw", real, rng.normal(size=(1000, d))),
                 score(f"{d:2} dimensions, half the deviation", real, rng.normal(size=(1000, d)) / 2),
                 score(f"{d:2} dimensions, the mean 1000 times", real, np.repeat(real.mean(0)[None], 1000, 0))]
draw, half, mean = result[64]
same = (mean["coverage"] > draw["coverage"] and mean["density"] > 100 and mean["precision"] == 1 and mean["recall"] == 0
        and half["coverage"] > draw["coverage"] and half["precision"] > draw["precision"] and half["recall"] < 0.1
        and result[2][2]["coverage"] < 0.05 and result[2][1]["coverage"] < result[2][0]["coverage"])
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
