#!/usr/bin/env python3
"""Write likelihood.h5: a small generator with the head for the deviation of pixels, what both make of a latent, the negative logarithm of
the likelihood of an image in bits a value, and its gradients in the head's weights.

usage: make_likelihood.py OUTFILE

Needs torch and h5py, and torch_models.py of ../golden. Everything is NCHW as PyTorch has it.
"""
import math
import os
import sys

import h5py
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
from torch_models import generator

SIDE, CHANNELS, WIDTH, CODE = 8, 3, 32, 6


def main():
    torch.manual_seed(5)
    net = generator(CHANNELS, WIDTH, CODE, (1, 1), 1, SIDE, ())
    head = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(), nn.Conv2d(WIDTH, CHANNELS, 1))
    with torch.no_grad():
        for p in list(net.parameters()) + list(head.parameters()):
            p.add_(0.1 * torch.randn_like(p))
    latent = torch.randn(2, CODE, SIDE // 2, SIDE // 2)
    image = torch.rand(2, CHANNELS, SIDE, SIDE)
    with torch.no_grad():
        h = latent
        for block in net.blocks[:-1]:
            h = block(h)
        mean = net.blocks[-1](h)
    s = head(h)
    nats = 0.5 * torch.exp(2 * torch.log(torch.abs(image - mean)) - 2 * s) + s + 0.5 * math.log(2 * math.pi)
    bits = nats.sum(dim=(1, 2, 3)).mean() / (math.log(2) * CHANNELS * SIDE * SIDE)
    bits.backward()
    with h5py.File(sys.argv[1], "w") as f:
        for key, value in dict(img_size=SIDE, n_channels=CHANNELS, nf=WIDTH, emb_dim=CODE, res_blocks=1).items():
            f.attrs[key] = value
        f.attrs["ch_mult"] = [1, 1]
        for name, value in net.state_dict().items():
            if ".conv_out." not in name:
                f[f"weights/generator.{name}"] = value.numpy()
        for name, value in head.state_dict().items():
            f[f"weights/generator.logsigma.{name}"] = value.numpy()
        for name, p in head.named_parameters():
            f[f"grads/generator.logsigma.{name}"] = p.grad.numpy()
        for name, value in dict(latent=latent, image=image, mean=mean, log_sigma=s, bits=bits).items():
            f[name] = value.detach().numpy()


if __name__ == "__main__":
    main()
