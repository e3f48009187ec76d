#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hdf5-tools 1.10.8 of Debian 12: h5repack and the n-bit filter.
# Expected, from h5repack's help ("-f: filter type", with those to remove set by NONE): `h5repack -f GZIP=9` adds deflate to what an
# archive has, so the copy is smaller, or no larger.
# What happens: the filter asked for takes the place of the whole pipeline. The type keeps its precision of 10 bits, but nothing packs it
# any more: evenly used codes take some 12 bits each in place of 10, 16 with SHUF, and checksums are gone. Without -f all is kept.
# For users of Tessera: do not "compress" an archive of codes with h5repack -f; it grows by a fifth and loses fletcher32.
set -euo pipefail
version=$(dpkg-query -W -f "\${Version}" hdf5-tools)
echo "hdf5-tools $version"
case $version in 1.10.8*) ;; *) echo "this is about 1.10.8"; exit 1 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check h5py==3.16.0 numpy==2.4.6
cat > make.py <<'PY'
import h5py
import numpy as np

codes = np.random.default_rng(1).integers(0, 1024, (1600, 256)).astype("u2")
ten_bits = h5py.h5t.STD_U16LE.copy()
ten_bits.set_precision(10)
plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
plan.set_chunk((64, 256))
plan.set_filter(h5py.h5z.FILTER_NBIT, h5py.h5z.FLAG_OPTIONAL, ())
plan.set_fletcher32()
with h5py.File("packed.h5", "w", libver=("v110", "v110")) as f:
    raw = h5py.h5d.create(f.id, b"codes", ten_bits, h5py.h5s.create_simple(codes.shape), plan)
    h5py.Dataset(raw)[...] = codes
PY
cat > look.py <<'PY'
import sys
import h5py

bits, kept = {}, {}
want = h5py.File("packed.h5")["codes"][:]
for name in ("packed", "again", "gzip", "shuf"):
    with h5py.File(name + ".h5") as f:
        d = f["codes"]
        plan = d.id.get_create_plist()
        kept[name] = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
        bits[name] = 8 * d.id.get_storage_size() / d.size
        print(f"{name:7} filters {kept[name]}, precision {d.id.get_type().get_precision()}, {bits[name]:.2f} bits a code,"
              f" codes {'equal' if (d[:] == want).all() else 'DIFFERENT'}")
nbit, fletcher, deflate, shuffle = 5, 3, 1, 2
same = (kept == {"packed": [nbit, fletcher], "again": [nbit, fletcher], "gzip": [deflate], "shuf": [shuffle]}
        and bits["packed"] < 10.1 and bits["again"] == bits["packed"] and bits["gzip"] > 11.5 and bits["shuf"] > 15.9)
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
venv/bin/python make.py
h5repack packed.h5 again.h5
h5repack -f GZIP=9 packed.h5 gzip.h5
h5repack -f SHUF packed.h5 shuf.h5
venv/bin/python look.py
