#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# h5py 3.16.0 with HDF5 2.0.0: integers that do not fit.
# Expected, from NumPy's astype: a number too large for the type of a dataset wraps around, or raises, as NumPy 2 does for Python's
# integers. Either would show.
# What happens: HDF5 takes the nearest number that fits, silently, on writing as on reading. 1024 in 10 bits is 1023, -1 is 0, a 65535
# read as uint8 is 255: all of them plausible codes. `ds.astype("u1")[:]` and `ds[:].astype("u1")` differ.
# For users of Tessera: a mask token K, or an "ignore" of -1, that other programs write into an archive of codes becomes the last
# code, or the first; keep it in a dataset of its own. Narrow codes in NumPy after a check of their range, not by HDF5.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check h5py==3.16.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
import h5py
import numpy as np

print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version, "NumPy", np.__version__)
K = 1024
ten_bits = h5py.h5t.STD_U16LE.copy()
ten_bits.set_precision(10)
given = np.array([0, 1, K - 1, K, K + 1, 65535, -1], dtype=np.int32)  # K: a mask; -1: to be ignored
with h5py.File("codes.h5", "w") as f:
    raw = h5py.h5d.create(f.id, b"codes", ten_bits, h5py.h5s.create_simple(given.shape))
    h5py.Dataset(raw)[...] = given
    f["wide"] = given[:-1].astype("u2")
with h5py.File("codes.h5") as f:
    kept = f["codes"][:].astype(int).tolist()
    by_hdf5 = f["wide"].astype("u1")[:].tolist()
    by_numpy = f["wide"][:].astype("u1").tolist()
print("written into 10 bits ", given.tolist())
print("read back            ", kept)
print("modulo 1024 would be ", (given % K).tolist())
print("uint16 read as uint8, by HDF5 ", by_hdf5)
print("uint16 read as uint8, by NumPy", by_numpy)
same = kept == [0, 1, 1023, 1023, 1023, 1023, 0] and by_hdf5 == [0, 1, 255, 255, 255, 255] and by_numpy == [0, 1, 255, 0, 1, 255]
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
