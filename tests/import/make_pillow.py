#!/usr/bin/env python3
"""Write what Pillow's bilinear resize makes of the images that test_geometry.c draws, with the sizes of its table, one result after the
other: pillow-12.bin, or pillow-13.bin where the version is 13 or later. usage: make_pillow.py, in this folder, once with each; the files
there are of 12.3.0 (9.5.0 writes the same) and 13.0.0. Needs Pillow and numpy.
"""
import PIL
import numpy as np
from PIL import Image

SIZES = [(37, 53, 3, 16, 23), (64, 48, 3, 20, 20), (48, 64, 1, 20, 26), (5, 7, 3, 16, 9), (61, 64, 3, 61, 30),
         (64, 61, 1, 30, 61), (63, 2, 3, 5, 40), (64, 64, 3, 63, 63), (61, 64, 3, 30, 61), (64, 64, 3, 10, 40),
         (300, 7, 3, 100, 9), (7, 300, 3, 9, 100), (60, 60, 3, 30, 45), (60, 60, 3, 30, 46), (60, 60, 1, 30, 44)]

with open("pillow-13.bin" if int(PIL.__version__.split(".")[0]) >= 13 else "pillow-12.bin", "wb") as f:
    for ih, iw, c, h, w in SIZES:
        i = np.arange(ih * iw * c, dtype=np.uint64)
        pixels = (i * np.uint64(2654435761) >> np.uint64(11)).astype(np.uint8).reshape(ih, iw, c)
        image = Image.fromarray(pixels if c == 3 else pixels[:, :, 0])
        f.write(np.asarray(image.resize((w, h), Image.BILINEAR)).tobytes())
