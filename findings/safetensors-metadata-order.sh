#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# safetensors 0.8.0: the same tensors and notes, saved several times.
# Expected, of a header of JSON and bytes without gaps, whose tensors are sorted: the same content makes the same file.
# What happens: texts of `metadata` are written in an order that changes from one call to the next, in one process; with four of them some
# twenty different files. Without metadata, or with one text, files are equal.
# For users of Tessera: the key of a stage with a perceptual term has the digest of its file of weights. Saved again it is another file,
# and the stage trains anew; an import notes another digest. Keep the file, or save without metadata.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
venv/bin/python - <<'PY'
import hashlib
import json
import struct
import sys
import numpy as np
import safetensors
from safetensors.numpy import save

def header(data):
    return json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])

tensors = {"w": np.arange(6, dtype="f4"), "b": np.zeros(2, "f4")}
notes = {"format": "np", "step": "1000", "model": "vqgan", "by": "me"}
print("safetensors", safetensors.__version__)
several = [save(tensors, notes) for _ in range(60)]
for data in dict.fromkeys(several[:4]):
    print(hashlib.sha256(data).hexdigest()[:12], list(header(data)["__metadata__"]))
different = len(set(several))
print(different, "different files of 60, of", len({len(d) for d in several}), "length; as JSON",
      "equal" if all(header(d) == header(several[0]) for d in several) else "different")
one = len({save(tensors, {"format": "np"}) for _ in range(60)})
none = len({save(tensors) for _ in range(60)})
print("with one text", one, "- with none", none)
same = different > 4 and one == none == 1
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
