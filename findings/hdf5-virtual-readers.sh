#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pyfive 1.3.0, kerchunk 0.2.10: virtual datasets.
# Expected, from h5py: a virtual dataset presents the datasets of other files as one; a reader that does not know them says so.
# What happens: pyfive gives None in place of the array, and kerchunk's references have an array of the right shape and type that is all
# zeros. Neither gives an error or a warning. (h5py itself gives zeros, silently, where a source file is missing; HDF5 documents that.)
# For users of Tessera: 0 is a code. An archive in parts has an index with names and digests in place of a virtual dataset.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check h5py==3.16.0 numpy==2.4.6 pyfive==1.3.0 kerchunk==0.2.10 zarr==3.1.6
venv/bin/python - <<'PY'
import sys
import warnings
import h5py
import kerchunk
import kerchunk.hdf
import numpy as np
import pyfive
import zarr
from fsspec.implementations.reference import ReferenceFileSystem

layout = h5py.VirtualLayout((8, 3), "u2")
for k in range(2):
    with h5py.File(f"{k}.h5", "w") as f:
        f["codes"] = np.full((4, 3), 7 + k, "u2")
    layout[4 * k : 4 * k + 4] = h5py.VirtualSource(f"{k}.h5", "codes", (4, 3))
with h5py.File("all.h5", "w", libver="latest") as f:
    f.create_virtual_dataset("codes", layout)
with h5py.File("all.h5") as f:
    right = f["codes"][:]
warned = []
warnings.showwarning = lambda message, *rest, **more: warned.append(str(message))
by_pyfive = pyfive.File("all.h5")["codes"][:]
with open("all.h5", "rb") as f:
    refs = kerchunk.hdf.SingleHdf5ToZarr(f, "all.h5").translate()
fs = ReferenceFileSystem(fo=refs, asynchronous=True, remote_protocol="file", remote_options={"asynchronous": True})
by_kerchunk = zarr.open_group(zarr.storage.FsspecStore(fs, path=""), mode="r", zarr_format=2)["codes"][:]
print("h5py", right.sum(), "pyfive", pyfive.__version__, by_pyfive, "kerchunk", kerchunk.__version__, by_kerchunk.shape, by_kerchunk.sum())
told = [w for w in warned if "virtual" in w.lower() or "layout" in w.lower()]
print(len(warned), "warnings, of virtual datasets", told)
sys.exit(not (not told and right.sum() == 180 and by_pyfive is None and by_kerchunk.shape == (8, 3) and by_kerchunk.sum() == 0))
PY
