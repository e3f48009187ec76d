#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# h5py 3.16.0 with HDF5 2.0.0: where a chunk lies.
# Expected, from H5Dread_chunk, which finds a chunk through the index in the same time in a file of any size: H5Dget_chunk_info_by_coord
# looks it up as well.
# What happens: it walks over all chunks of the dataset until it meets the one asked for (so does H5Dget_chunk_info), so a table of all
# chunks takes a time that grows with the square of their number: 16,000 chunks take 16 times as long each as 1,000.
# For users of Tessera: programs that make such a table for a large archive use H5Dchunk_iter (HDF5 1.14), which walks once. Tessera has
# HDF5 read each chunk once and sees in its own file driver where.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check h5py==3.16.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
import time
import h5py
import numpy as np

print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version)


def each(call, times):
    """Processor time of a call, in microseconds: the least of five rounds."""
    rounds = []
    for _ in range(5):
        start = time.process_time()
        for i in range(times):
            call(i)
        rounds.append((time.process_time() - start) / times * 1e6)
    return min(rounds)


info, read = {}, {}
for n in (1000, 16000):
    with h5py.File(f"{n}.h5", "w") as f:
        f.create_dataset("x", data=np.zeros((n, 16), "u1"), chunks=(1, 16))
    with h5py.File(f"{n}.h5") as f:
        d = f["x"].id
        info[n] = each(lambda i: d.get_chunk_info_by_coord((n - 1 - i, 0)), 50)
        read[n] = each(lambda i: d.read_direct_chunk((n - 1 - i, 0)), 50)
        print(f"{n} chunks: get_chunk_info_by_coord {info[n]:.1f} us, read_direct_chunk {read[n]:.1f} us")
sys.exit(not (info[16000] > 6 * info[1000] and read[16000] < 3 * read[1000]))
PY
