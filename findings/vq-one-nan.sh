#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# vector-quantize-pytorch 1.32.0 with PyTorch 2.13.0: one bad vector among many, and the codebook of moving averages.
# Expected, as a code's average takes what was assigned to it: one latent that is NaN spoils the one row it goes to.
# What happens: sums per code are a product with the one-hot assignments, and 0 times NaN is NaN. All 512 rows are NaN after that one
# step, also with cosine similarity; from then on every vector is code 0, and no error comes. With a codebook trained by gradients
# (ema_update off) the forward pass leaves it whole.
# For users of Tessera: a codebook to import with NaN everywhere, or a run where perplexity falls to 1 at once, may be due to one
# picture or one overflow. Tessera stops a training, and refuses weights, at the first value that is not finite.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check torch==2.13.0 vector-quantize-pytorch==1.32.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
from importlib.metadata import version
import torch
from vector_quantize_pytorch import VectorQuantize

print("vector-quantize-pytorch", version("vector-quantize-pytorch"), "PyTorch", torch.__version__)
torch.set_num_threads(1)
result = {}
for name, how in {"default": {}, "cosine": dict(use_cosine_sim=True), "gradients": dict(ema_update=False, learnable_codebook=True)}.items():
    torch.manual_seed(0)
    vq = VectorQuantize(dim=8, codebook_size=512, **how)
    z = torch.randn(4, 64, 8)
    vq(z)
    before = int(vq._codebook.embed.isnan().any(-1).sum())
    z[0, 0, 0] = float("nan")
    vq(z)
    after = int(vq._codebook.embed.isnan().any(-1).sum())
    codes = len(torch.unique(vq(torch.randn(4, 64, 8))[1]))
    result[name] = before, after, codes
    print(f"{name:9} rows that are NaN: {before} before, {after} of 512 after 1 bad vector of 256; "
          f"codes that the next good batch uses: {codes}")
same = result["default"] == result["cosine"] == (0, 512, 1) and result["gradients"][:2] == (0, 0) and result["gradients"][2] > 50
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
