#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pandas 3.1.1: numbers and names of a log in JSON lines, read by pandas.read_json(..., lines=True).
# Expected, from Python's json, from pandas.read_csv and from polars: a number that was written with all its digits comes back as it was,
# and a text between quotes is a text. (An option precise_float was known of; a rare last bit was expected without it.)
# What happens: of 2,000 random numbers below 1, 1,832 come back as another number, in their last digits, and so two runs with equal
# results need not be equal; with precise_float=True all are right. A column whose texts all look like numbers is numbers: the hexadecimal
# name 72608e596712 of a run is infinity, and "064" is 64; dtype=False keeps texts.
# For users of Tessera: docs/formats.md reads log.jsonl with Python's json, which keeps both. Of names of runs, 12 hexadecimal digits, one
# in a hundred looks like a number.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PY'
import io
import json
import random
import sys

import pandas

random.seed(1)
values = [random.random() for _ in range(2000)]
lines = "\n".join(json.dumps({"value": v}) for v in values)
assert [json.loads(line)["value"] for line in lines.split("\n")] == values


def others(frame):
    return sum(a != b for a, b in zip(values, frame.value.tolist()))


default = others(pandas.read_json(io.StringIO(lines), lines=True))
precise = others(pandas.read_json(io.StringIO(lines), lines=True, precise_float=True))
table = others(pandas.read_csv(io.StringIO("value\n" + "\n".join(map(repr, values)))))
names = '{"run": "72608e596712", "K": "064"}'
row = pandas.read_json(io.StringIO(names), lines=True).iloc[0].tolist()
kept = pandas.read_json(io.StringIO(names), lines=True, dtype=False).iloc[0].tolist()
print("pandas", pandas.__version__)
print(f"other numbers than were written, of 2000: read_json {default}, with precise_float {precise}, read_csv {table}")
print("the texts 72608e596712 and 064:", row, "; with dtype=False:", kept)
same = default == 1832 and precise == 0 and table == 0 and row == [float("inf"), 64] and kept == ["72608e596712", "064"]
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
