#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# PyYAML 6.0.4: its own scanner and libyaml's (yaml.SafeLoader, yaml.CSafeLoader).
# Expected, from its documentation, which offers the second as the faster of the two: the same values, or errors, for the same text.
# What happens: a tab between a value and its comment, after the colon, at the end of a line or within a text is an error to the first
# and white space to the second, which is what YAML says. A question mark within a word of a flow sequence divides them too.
# For users of Tessera: it reads pipelines with libyaml. One with such tabs runs, and Python scripts that look into it with
# yaml.safe_load fail: take yaml.CSafeLoader there, or no tabs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check PyYAML==6.0.4
venv/bin/python - <<'PY'
import sys
import yaml

print("PyYAML", yaml.__version__, "libyaml", yaml._yaml.get_version_string())
texts = {"K: 256\t# codes": {"K": 256}, "K:\t256": {"K": 256}, "K: 256 \t": {"K": 256}, "name: a\tb": {"name": "a\tb"},
         "files: [a?b.png]": {"files": ["a?b.png"]}, "K: 256 # codes": {"K": 256}}
result = []
for text, want in texts.items():
    try:
        own = yaml.load(text, yaml.SafeLoader)
    except yaml.YAMLError as e:
        own = type(e)
    lib = yaml.load(text, yaml.CSafeLoader)
    print(f"{text!r:22} libyaml {lib}, own scanner {own.__name__ if isinstance(own, type) else own}")
    result.append((lib == want, own == want))
same = result == [(True, False)] * 5 + [(True, True)]
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
