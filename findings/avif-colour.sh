#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# libvips 8.18.7 (pyvips-binary, whose AVIF is libheif's) and Pillow 12.0.0 (whose AVIF is libavif's): pixels of one AVIF file.
# Expected, as AV1 says what a decoder makes to the bit, and as JPEG and WebP of the same picture are equal in both: no pixel differs by
# more than a rounding.
# What happens: what AV1 says ends before RGB. libheif repeats each value of colour, libavif interpolates, so with 4:2:0, which is Pillow's
# default, smooth colours differ by 5 levels in the mean and by some 90 at most, whatever the quality. With 4:4:4 it is 1.
# For users of Tessera: a folder of AVIF read through libvips gives other images than the same folder read by Pillow; a tokenizer
# trained on one sees the other as a small shift. JPEG, WebP and PNG are the same in both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check pyvips==3.2.0 pillow==12.0.0 numpy==2.4.6
# After pyvips, and over what it may have compiled against the libvips of the system.
venv/bin/pip install -qq --no-compile --disable-pip-version-check --force-reinstall --no-deps pyvips-binary==8.18.7
venv/bin/python - <<'PY'
import sys
import numpy as np
import PIL
import pyvips
from PIL import Image, features

vips = ".".join(str(pyvips.version(i)) for i in range(3))
print("libvips", vips, "Pillow", PIL.__version__, "libavif", features.version("avif"))
y, x = np.mgrid[:64, :96]
picture = np.stack([128 + 100 * np.sin(x / 5 + y / 9), 128 + 90 * np.cos(y / 4), (3 * x + 2 * y) % 256], -1)
image = Image.fromarray(np.clip(picture, 0, 255).astype("u1"))
cases = {"444.avif": dict(quality=90, subsampling="4:4:4"), "420.avif": dict(quality=90), "420-50.avif": dict(quality=50),
         "420.jpg": dict(quality=90, subsampling="4:2:0"), "lossy.webp": dict(quality=90)}
most, mean = {}, {}
for name, how in cases.items():
    image.save(name, **how)
    with Image.open(name) as opened:
        a = np.asarray(opened.convert("RGB")).astype(int)
    d = np.abs(a - pyvips.Image.new_from_file(name).numpy().astype(int))
    most[name], mean[name] = d.max(), d.mean()
    print(f"{name:12} differs by {d.max():3} at most, {d.mean():.2f} in the mean")
same = (vips == "8.18.7" and most["444.avif"] <= 2 and most["420.jpg"] == 0 and most["lossy.webp"] == 0
        and all(most[n] > 50 and mean[n] > 3 for n in ("420.avif", "420-50.avif")))
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
