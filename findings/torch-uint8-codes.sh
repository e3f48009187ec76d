#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# PyTorch 2.13.0 and h5py 3.16.0: looking up an archive's codes in its codebook.
# Expected, from NumPy, and since codes of up to 8 bits come from HDF5 as uint8: `codebook[codes]` gives a vector for each code.
# What happens: a uint8 tensor is a mask to PyTorch. With K = 256 and a flat 16 x 16 map the shapes fit, so the answer is the codebook
# itself without the rows where a code was 0, and a warning of deprecation. Other shapes, uint16, and `embedding` with either are errors.
# For users of Tessera: say `torch.from_numpy(f["codes"][:].astype("int64"))`. In NumPy the line in docs/formats.md is right as it is.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check torch==2.13.0 h5py==3.16.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
import warnings
import h5py
import numpy as np
import torch

print("PyTorch", torch.__version__, "h5py", h5py.__version__)
torch.set_num_threads(1)
rng = np.random.default_rng(2)
with h5py.File("codes.h5", "w") as f:
    f["codes"] = rng.integers(0, 256, (4, 16, 16)).astype("u1")
    f["codebook"] = rng.normal(size=(256, 8)).astype("f4")
with h5py.File("codes.h5") as f:
    codes, book = f["codes"][0].reshape(-1), f["codebook"][:]
want = book[codes]
table = torch.from_numpy(book)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    got = table[torch.from_numpy(codes)].numpy()
print("codes", codes.dtype, codes[:8].tolist(), "...; code 0 comes", int((codes == 0).sum()), "times")
print("NumPy", want.shape, "PyTorch", got.shape, "with", [str(w.message)[:60] for w in said])
masked = np.array_equal(got, book[codes != 0])
print("PyTorch's answer is the codebook where codes are not 0:", masked)
errors = []
for name, call in {"uint8, a map": lambda: table[torch.from_numpy(codes.reshape(16, 16))],
                   "uint16": lambda: table[torch.from_numpy(codes.astype("u2"))],
                   "embedding, uint8": lambda: torch.nn.functional.embedding(torch.from_numpy(codes), table)}.items():
    try:
        call()
    except (IndexError, RuntimeError) as e:
        errors.append(name)
        print(f"{name}: {type(e).__name__}: {str(e)[:90]}")
right = np.array_equal(table[torch.from_numpy(codes.astype("int64"))].numpy(), want)
print("int64:", "right" if right else "WRONG")
same = masked and not np.array_equal(got[:8], want[:8]) and len(errors) == 3 and right
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
