#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# PyTorch 2.13.0 on the CPU: torch.rand in bfloat16 and float16.
# Expected, from "uniform on [0, 1)" and from the smallest positive numbers that come, below 1e-6: 0 is as rare as in float32, once
# in 16 million.
# What happens: a draw that the type rounds up to 1 becomes 0, the other end. In bfloat16 one in 512 is exactly 0, in float16 one in
# 4096; and uniform_(1e-5, 1), a usual guard of logarithms, gives 1e-5 as often.
# For users of Tessera: `rand_like(x) < t` of a half-precision x masks 0.2 % of tokens where t is 0.01 %, and -log(u) is infinite. What
# was trained or sampled like that is no reference for Tessera's noises, which draw multiples of 2^-24 in every precision.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
import torch

print("PyTorch", torch.__version__)
torch.set_num_threads(1)
n, ok = 1 << 22, True
for dtype, bits in ((torch.float32, 24), (torch.bfloat16, 9), (torch.float16, 12)):
    g = torch.Generator().manual_seed(5)
    u = torch.rand(n, dtype=dtype, generator=g)
    zeros, masked, ones = int((u == 0).sum()), float((u < 1e-4).double().mean()), int((u == 1).sum())
    v = torch.empty(n, dtype=dtype).uniform_(1e-5, 1, generator=g)
    guard = int((v == torch.tensor(1e-5, dtype=dtype)).sum())
    print(f"{str(dtype):15} zeros {zeros:5} (2^-{bits} would be {n >> bits:5}), ones {ones}, least above 0 {float(u[u > 0].min()):.1e}, "
          f"below 1e-4: {masked:.5f}, uniform_(1e-5, 1) at its lower end {guard:5}, -log infinite {int((-u.log()).isinf().sum()):5}")
    if bits == 24:
        ok &= zeros < 5 and guard < 100 and masked < 1.2e-4
    else:
        want = n / 2 ** bits
        ok &= all(abs(x - want) < 6 * want ** .5 + 200 for x in (zeros, guard)) and ones == 0 and float(u[u > 0].min()) < 1e-5
        ok &= masked > 3e-4
print("as stated" if ok else "NOT as stated")
sys.exit(not ok)
PY
