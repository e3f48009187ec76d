#!/usr/bin/env python3
"""Write golden files of quantizers: fsq.h5, rotation.h5 and residual.h5 from vector-quantize-pytorch 1.32.0, multi_scale.h5 by its formulas.

usage: make_quantizers.py --out DIR [--seed N] [--rows 64]

fsq.h5       for each case i: attributes levels_i and symmetric_i; z_i (rows, d), codes_i, quantised_i, and grad_i: the gradient in z of the sum of
             quantised * weight_i
rotation.h5  z, code (rows, d), dy: what comes of dy in z where z is turned onto code; value: z so turned
residual.h5  codebooks (depth, K, d), z (rows, d), codes (rows, depth), quantised (rows, d), commitment (depth): mean squared distance of what is left
             and its code
multi_scale.h5  for each case i: attributes scales_i, convolutions_i, mix_i; in the group case_i z (N, C, h, w), weight of the same shape, codes
             (N, depth, h, w), quantised, loss, weights/ and grad/: gradients of the sum of quantised * weight plus the loss in z and the weights

Everything is computed in float64 and stored as float32, so inputs are rounded to float32 first. A latent so near the border of two levels that
rounding could decide is drawn again: codes are to be the same, not nearly. Needs torch, numpy, h5py and vector-quantize-pytorch.
"""
import argparse
import os

import h5py
import numpy as np
import torch
from torch.nn import functional as F
from vector_quantize_pytorch import FSQ, ResidualVQ
from vector_quantize_pytorch.vector_quantize_pytorch import rotate_to

CASES = [([8, 6, 5], False), ([8, 5, 5, 5], False), ([3, 4, 7], False), ([8, 6, 5], True), ([5, 4, 2], True)]


def draw(rng, *shape):
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32)).double()


def put(file, name, value):
    value = value.detach().cpu().numpy()
    file[name] = value.astype(np.int32 if value.dtype.kind in "iu" else np.float32)


def fsq_borders(fsq, z, levels, symmetric):
    """How far each bounded value is from the border of two levels, in levels."""
    levels = torch.tensor(levels)
    if symmetric:
        at = (levels - 1) * (torch.tanh(z) + 1) / 2 + 0.5
        return (at - at.round()).abs()
    half = (levels - 1) * (1 + 1e-3) / 2
    offset = torch.where(levels % 2 == 0, 0.5, 0.0)
    at = torch.tanh(z + torch.atanh(offset / half)) * half - offset + 0.5
    return (at - at.round()).abs()


def fsq_file(rng, path, rows):
    with h5py.File(path, "w") as file:
        file.attrs["cases"] = len(CASES)
        file.attrs["rows"] = rows
        for i, (levels, symmetric) in enumerate(CASES):
            fsq = FSQ(levels=levels, preserve_symmetry=symmetric, force_quantization_f32=False).double()
            z = 1.5 * draw(rng, 8 * rows, len(levels))
            z = z.float().double()
            z = z[(fsq_borders(fsq, z, levels, symmetric) > 1e-4).all(dim=1)][:rows]
            assert len(z) == rows
            z.requires_grad_()
            weight = draw(rng, rows, len(levels))
            quantised, codes = fsq(z[None])
            (quantised[0] * weight).sum().backward()
            file.attrs[f"levels_{i}"] = np.array(levels, dtype=np.int64)
            file.attrs[f"symmetric_{i}"] = int(symmetric)
            put(file, f"z_{i}", z)
            put(file, f"weight_{i}", weight)
            put(file, f"quantised_{i}", quantised[0])
            put(file, f"codes_{i}", codes[0].long())
            put(file, f"grad_{i}", z.grad)


def rotation_file(rng, path, rows, width=6):
    z, code, dy = draw(rng, rows, width).requires_grad_(), draw(rng, rows, width), draw(rng, rows, width)
    value = rotate_to(z, code)
    (value * dy).sum().backward()
    with h5py.File(path, "w") as file:
        file.attrs["rows"], file.attrs["width"] = rows, width
        for name, x in (("z", z), ("code", code), ("dy", dy), ("value", value), ("grad", z.grad)):
            put(file, name, x)


def residual_file(rng, path, rows, depth=3, size=12, width=4):
    vq = ResidualVQ(dim=width, num_quantizers=depth, codebook_size=size, rotation_trick=False, kmeans_init=False).double()
    codebooks = torch.stack([draw(rng, size, width) * 0.6**level for level in range(depth)])
    z = draw(rng, rows, width)
    with torch.no_grad():
        for layer, codebook in zip(vq.layers, codebooks):
            layer._codebook.embed.data.copy_(codebook[None])
    vq.train()
    quantised, codes, commitment = vq(z[None], freeze_codebook=True)
    with h5py.File(path, "w") as file:
        file.attrs["rows"], file.attrs["depth"], file.attrs["codebook_size"], file.attrs["width"] = rows, depth, size, width
        put(file, "codebooks", codebooks)
        put(file, "z", z)
        put(file, "codes", codes[0].long())
        put(file, "quantised", quantised[0])
        put(file, "commitment", commitment.reshape(-1))


MULTI_SCALE = [([1, 2, 3, 5], 4, 0.5), ([1, 2, 4, 6, 7], 3, 0.25), ([2, 3, 4], 4, 0.5), ([1, 3, 5], 0, 1.0), ([1, 4], 1, 0.0)]
BETA = 0.25


def convolution_of(level, levels, count):
    """Which of `count` convolutions a level has: the nearest of `count` places between 0 and 1; one each where count is 0."""
    if count == 0:
        return level
    end = (1 / 3 if count == 4 else 1 / 2) / count
    return int(np.argmin(np.abs(np.linspace(end, 1 - end, count) - level / (levels - 1))))


def multi_scale(z, book, phi, scales, count, mix):
    """Codes on the whole map, the sum, the loss; the least share by which a code was nearer than the next, for each of the maps."""
    side, total, codes, loss, margin = scales[-1], torch.zeros_like(z), [], 0.0, torch.full((len(z),), np.inf).double()
    for level, scale in enumerate(scales):
        left = F.interpolate((z - total).detach(), size=(scale, scale), mode="area").permute(0, 2, 3, 1)
        distance = (left[..., None, :] - book.detach()).square().sum(-1)
        two, index = distance.topk(2, largest=False)
        margin = torch.minimum(margin, ((two[..., 1] - two[..., 0]) / two[..., 1]).flatten(1).amin(1))
        code = index[..., 0]
        x = F.interpolate(book[code].permute(0, 3, 1, 2), size=(side, side), mode="bicubic")
        if mix:
            weight, bias = phi[convolution_of(level, len(scales), count)]
            x = (1 - mix) * x + mix * F.conv2d(x, weight, bias, padding=1)
        total = total + x
        loss = loss + F.mse_loss(total, z.detach()) + BETA * F.mse_loss(z, total.detach())
        codes.append(F.interpolate(code[:, None].double(), size=(side, side), mode="nearest-exact").long())
    return torch.cat(codes, dim=1), z + (total - z).detach(), loss / len(scales), margin


def multi_scale_case(rng, file, i, scales, count, mix, maps=3, size=12, width=4):
    side = scales[-1]
    book = draw(rng, size, width)
    phi = [(0.3 * draw(rng, width, width, 3, 3), 0.1 * draw(rng, width)) for _ in range(count or len(scales))]
    phi = [(w.float().double(), b.float().double()) for w, b in phi]
    z = draw(rng, 16 * maps, width, side, side)
    z = z[multi_scale(z, book, phi, scales, count, mix)[3] > 1e-4][:maps].clone()
    assert len(z) == maps
    weight = draw(rng, *z.shape)
    weights = {"codebook": book}
    for level in range(len(scales) if mix else 0):
        j = convolution_of(level, len(scales), count)
        weights[f"phi.{j}.weight"], weights[f"phi.{j}.bias"] = phi[j]
    for x in (z, *weights.values()):
        x.requires_grad_()
    codes, quantised, loss, _ = multi_scale(z, book, phi, scales, count, mix)
    ((quantised * weight).sum() + loss).backward()
    file.attrs[f"scales_{i}"] = np.array(scales, dtype=np.int64)
    file.attrs[f"convolutions_{i}"], file.attrs[f"mix_{i}"] = count, mix
    group = file.create_group(f"case_{i}")
    for name, x in (("z", z), ("weight", weight), ("codes", codes), ("quantised", quantised), ("loss", loss.reshape(1)), ("grad/z", z.grad)):
        put(group, name, x)
    for name, x in weights.items():
        put(group, f"weights/{name}", x)
        put(group, f"grad/{name}", x.grad)


def multi_scale_file(rng, path):
    with h5py.File(path, "w") as file:
        file.attrs["cases"] = len(MULTI_SCALE)
        for i, case in enumerate(MULTI_SCALE):
            multi_scale_case(rng, file, i, *case)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=64)
    a = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(a.seed)
    fsq_file(rng, os.path.join(a.out, "fsq.h5"), a.rows)
    rotation_file(rng, os.path.join(a.out, "rotation.h5"), a.rows)
    residual_file(rng, os.path.join(a.out, "residual.h5"), a.rows)
    multi_scale_file(rng, os.path.join(a.out, "multi_scale.h5"))


if __name__ == "__main__":
    main()
