#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# safetensors 0.8.0, NumPy's side: arrays that are not in C order.
# Expected, from the side for PyTorch, which refuses tensors that are not contiguous, and from 0.7.0, which copied: an error, or the values.
# What happens: shape and memory are written as they are, so a transposed weight is read back with its values shuffled, in its right shape
# and without a word. Known to its authors (issue 825); 0.7.0 is right.
# For users of Tessera: kernels and matrices are often transposed between frameworks. Whoever makes a file for `tessera import` with
# safetensors.numpy should pass np.ascontiguousarray(w). The import sees a good shape and cannot notice.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check numpy==2.4.6
venv/bin/pip install -qq --no-compile --disable-pip-version-check --target old safetensors==0.7.0
venv/bin/pip install -qq --no-compile --disable-pip-version-check --target new safetensors==0.8.0
cat > trip.py <<'PY'
import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

w = np.arange(24, dtype="f4").reshape(4, 6)
kernel = np.arange(36, dtype="f4").reshape(1, 2, 3, 6)
given = {"plain": w, "transposed": w.T, "every second": w[:, ::2], "kernel": kernel.transpose(3, 2, 0, 1)}
save_file(given, "weights.safetensors")
got = load_file("weights.safetensors")
print("safetensors", safetensors.__version__, {k: "equal" if np.array_equal(v, got[k]) else "SHUFFLED" for k, v in given.items()},
      "first row of w.T:", w.T[0].tolist(), "read:", got["transposed"][0].tolist())
PY
old=$(PYTHONPATH=old venv/bin/python trip.py)
new=$(PYTHONPATH=new venv/bin/python trip.py)
echo "$old"
echo "$new"
case $old in *SHUFFLED*) echo "NOT as stated"; exit 1 ;; esac
case $new in
*"'plain': 'equal', 'transposed': 'SHUFFLED', 'every second': 'SHUFFLED', 'kernel': 'SHUFFLED'"*) echo "as stated" ;;
*) echo "NOT as stated"; exit 1 ;;
esac
