#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# netCDF4 1.7.5.1: code 65,535.
# Expected, from h5py, pyfive and h5netcdf: an HDF5 dataset of uint16 without any attribute is read as it is.
# What happens: netCDF has a default fill value for each type, also for datasets that no netCDF program wrote. For uint16 it is 65535, so that
# value is masked: maximum, mean and counts leave it out, and filling the mask with 0 makes it code 0. There is no warning.
# For users of Tessera: a codebook of 65,536 codes uses all of them. `dataset.set_auto_mask(False)` before reading, or another reader.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check h5py==3.16.0 numpy==2.4.6 netCDF4==1.7.5.1.post1
venv/bin/python - <<'PY'
import sys
import h5py
import netCDF4
import numpy as np

codes = np.array([0, 1, 65534, 65535], dtype="u2")
with h5py.File("codes.h5", "w") as f:
    f["codes"] = codes
with netCDF4.Dataset("codes.h5") as d:
    read = d["codes"][:]
    d.set_auto_mask(False)
    plain = d["codes"][:]
print("netCDF4", netCDF4.__version__, "reads", read, "maximum", read.max(), "without masks", plain)
sys.exit(not (read.max() == 65534 and np.ma.count_masked(read) == 1 and np.array_equal(plain, codes)))
PY
