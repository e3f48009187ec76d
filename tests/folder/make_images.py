#!/usr/bin/env python3
"""Write the small images of test_folder.c into this folder. Needs Pillow, numpy and h5py.

Quarters of one colour survive JPEG: red, green over blue, white in colour; 0, 80 over 160, 240 in grey.
"""
import ctypes
import io
import tarfile

import h5py
import numpy as np
from PIL import Image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(a, b, c, d, side, dtype=np.uint8):
    one = [np.broadcast_to(np.array(v, dtype), (side, side, len(v))) for v in (a, b, c, d)]
    return np.concatenate([np.concatenate(one[:2], 1), np.concatenate(one[2:], 1)], 0)


colour = Image.fromarray(quarters(RED, GREEN, BLUE, WHITE, 16))
grey = Image.fromarray(quarters((0,), (80,), (160,), (240,), 16)[:, :, 0])
tall = colour.crop((0, 0, 32, 16))                                  # red and green side by side: 16 high, 32 wide
exif = Image.Exif()
exif[0x0112] = 6                                                    # to be turned by 90 degrees to the right

colour.save("colour.jpg", quality=95, subsampling=0)
tall.save("turned.jpg", quality=95, subsampling=0, exif=exif)
grey.save("grey.jpg", quality=95)
colour.convert("CMYK").save("cmyk.jpg", quality=95)
colour.save("colour.webp", lossless=True)
colour.save("colour.png")
grey.save("grey.png")
colour.quantize(4).save("palette.png")
grey.convert("1", dither=Image.NONE).save("bits.png")               # 0, 0 over 255, 255
Image.fromarray((np.asarray(grey).astype(np.uint16) * 256 + 77)).save("deep.png")
Image.fromarray(quarters(RED + (255,), GREEN + (0,), BLUE + (128,), WHITE + (255,), 16)).save("alpha.png")
Image.fromarray(quarters((0, 255), (80, 0), (160, 255), (240, 255), 16)).save("grey-alpha.png")
colour.save("colour.tif", compression="tiff_lzw")
Image.fromarray(np.zeros((4, 4), np.float32)).save("real.tif")
colour.convert("P", palette=Image.ADAPTIVE).save("moving.gif", save_all=True, append_images=[grey.convert("P")], duration=40)
Image.new("1", (8192, 8200)).save("large.png", optimize=True)       # a few kilobytes of file, more than 2^26 pixels

# A picture with detail, to be damaged; its inks and what Pillow (12.3.0; 9.5.0 and 13.0.0 the same) makes of them; the formats that Pillow
# has no writer for, by libvips.
y, x = np.mgrid[0:120, 0:160]
photo = np.stack([(x * 3 + y * 2) % 256, (x * y // 7) % 256, 128 + 100 * np.sin(x / 9.0) * np.cos(y / 7.0)], 2).astype(np.uint8)
Image.fromarray(photo).save("photo.jpg", quality=90)
Image.fromarray(photo).save("photo.webp", quality=90)
Image.fromarray(photo).save("progressive.jpg", quality=80, progressive=True)
inks = Image.fromarray(np.concatenate([photo[:40, :48], photo[40:80, 60:108, :1]], 2), "CMYK")
inks.save("inks.jpg", quality=90)
with open("inks.bin", "wb") as f:
    f.write(Image.open("inks.jpg").convert("RGB").tobytes())
colour.save("colour.jp2", irreversible=False)
vips = ctypes.CDLL("libvips.so.42")
vips.vips_init(b"make_images")
vips.vips_image_new_from_file.restype = ctypes.c_void_p
png = vips.vips_image_new_from_file(b"colour.png", None)
assert vips.vips_image_write_to_file(ctypes.c_void_p(png), b"colour.jxl[lossless]", None) == 0

# Images in an archive of files, with labels, and in an array.
with tarfile.open("pictures.tar", "w", format=tarfile.USTAR_FORMAT) as t:
    for name, content in (("in/1.png", "colour.png"), ("in/1.cls", b"2"), ("in/2.jpg", "photo.jpg"), ("in/3.webp", "colour.webp"), ("in/3.cls", b"0")):
        content = content if isinstance(content, bytes) else open(content, "rb").read()
        about = tarfile.TarInfo(name)
        about.size = len(content)
        t.addfile(about, io.BytesIO(content))
np.save("pictures.npy", photo[:24, :20].reshape(3, 8, 20, 3))
with h5py.File("pictures.h5", "w") as f:
    f.create_dataset("images", data=np.load("pictures.npy"), compression="gzip", chunks=(1, 8, 20, 3))
