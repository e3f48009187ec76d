#!/usr/bin/env python3
"""Write the small checkpoints of tests/checkpoints with torch.save, and what PyTorch computes with them.

usage: make_checkpoints.py old|new|causal|trainer|notes|codes|names OUTDIR

old      vqgan.th with tokenizer.h5, and odd.th: best with the oldest PyTorch at hand
new      absorbing.th with prior.h5: best with the newest
causal   autoregressive.th with autoregressive.h5
trainer  taming.ckpt with taming.h5, vq_ddm.ckpt with vq_ddm.h5: as a trainer saves them, the weights under `state_dict`
notes    odd_legacy.th, which is odd.th in the container before PyTorch 1.6; notes_2.ckpt and notes_5.ckpt, weights beside everything that
         a trainer may note, by the pickle protocols 2 and 5
codes    train_latents, codes as a tensor by itself, and turned_latents, a view of them that is not one run of numbers
names    published.txt: every name and shape of the published models

Names and shapes are those of the released checkpoints (the models are torch_models.py and torch_images.py of ../golden); sizes are small:
4 groups of normalisation where 32 are published. Needs torch, numpy and h5py.
"""
import argparse
import collections
import copy
import datetime
import decimal
import os
import pathlib
import sys
import types

import h5py
import numpy as np
import torch
import torch.nn as nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import torch_models  # noqa: E402
from torch_images import Lpips, PatchGan, Sizes, TamingAutoEncoder  # noqa: E402
from torch_models import Transformer, Unet, VQAutoEncoder  # noqa: E402

GROUPS, HEIGHT, WIDTH, CODES, STEPS = 4, 8, 12, 24, 20
PUBLISHED = Sizes(3, 128, 256, (1, 1, 2, 2, 4), 2, 256, (16,))  # of taming


class Vqgan(nn.Module):
    """The whole that the authors save: autoencoder, discriminator, perceptual loss."""

    def __init__(self, ae, disc, perceptual):
        super().__init__()
        self.ae, self.disc, self.perceptual = ae, disc, perceptual
        perceptual.lins = nn.ModuleList(getattr(perceptual, f"lin{i}") for i in range(5))  # the same storages twice


class Absorbing(nn.Module):
    def __init__(self, net, steps):
        super().__init__()
        for name in ("Lt_history", "Lt_count", "loss_history"):
            self.register_buffer(name, torch.zeros(steps + 1))
        self._denoise_fn = net


class Autoregressive(nn.Module):
    """Each layer there has its mask as a buffer."""

    def __init__(self, net):
        super().__init__()
        tokens = net.pos_emb.shape[1]
        for block in net.blocks:
            block.attn.register_buffer("mask", torch.ones(tokens, tokens).tril().view(1, 1, tokens, tokens))
        self.net = net


def jitter(module):
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn_like(p) * 0.1 * (p.std() if p.numel() > 1 and p.std() > 0 else 1.0))


def put(h5, name, value):
    h5.create_dataset(name, data=value.detach().numpy() if isinstance(value, torch.Tensor) else value)


def tokenizer(outdir):
    torch_models.GROUPS = GROUPS
    ae = VQAutoEncoder(3, 4, 6, (1, 2), 1, HEIGHT, (HEIGHT // 2,), CODES)
    jitter(ae)
    with torch.no_grad():
        ae.quantize.embedding.weight.copy_(torch.randn(CODES, 6) * 0.5)
    whole = Vqgan(ae, PatchGan(3, 2, 1), Lpips(64))
    torch.save(whole.state_dict(), f"{outdir}/vqgan.th")
    bytes_ = torch.randint(0, 256, (3, 3, HEIGHT, WIDTH))
    with torch.no_grad():
        z = ae.encoder(bytes_.float() / 255)
        codes = ae.quantize.indices(z).view(3, *z.shape[2:])
        q = ae.quantize.embedding(codes).permute(0, 3, 1, 2)
        image = ae.generator(q)
    with h5py.File(f"{outdir}/tokenizer.h5", "w") as h5:
        for n, v in dict(bytes=bytes_.int(), codes=codes.int(), image=image).items():
            put(h5, n, v)


def odd(path, **how):
    """Views, shared storages, a parameter, every type: what a reader must make of a dictionary, whatever the model."""
    row = torch.arange(24, dtype=torch.float32)
    grid = row.view(2, 3, 4)
    torch.save(collections.OrderedDict(
        whole=grid, transposed=grid.permute(2, 0, 1), window=grid[1, 1:, 1:3], again=row, scalar=torch.tensor(7.5),
        nothing=torch.zeros(0, 3), parameter=nn.Parameter(torch.tensor([1.0, -2.0])),
        half=torch.tensor([1.0, -0.5, 65504.0, 2.0 ** -24, 2.0 ** -14]).half(), bfloat16=torch.tensor([1.0, -3.0, 2.0 ** 100]).bfloat16(),
        double=torch.tensor([0.1, 1.0], dtype=torch.float64), long=torch.tensor([1, -1]), int=torch.tensor([5], dtype=torch.int32),
    ), path, **how)


class Config:
    """A class of the trainer's own, of which a reader knows nothing."""

    def __init__(self):
        self.lr, self.mask = 0.1, torch.ones(2, dtype=torch.bool)


def notes(outdir):
    odd(f"{outdir}/odd_legacy.th", _use_new_zipfile_serialization=False)
    types_beside = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.uint32, torch.uint64, torch.half, torch.bfloat16,
                    torch.float8_e4m3fn, torch.float8_e5m2, torch.complex32, torch.complex64, torch.complex128)
    weight = nn.Parameter(torch.zeros(2))
    adam = torch.optim.Adam([weight])
    weight.grad = torch.ones(2)
    adam.step()
    beside = dict(
        best=np.float64(0.5), array=np.arange(6).reshape(2, 3), texts=np.array(["a", "b"]), args=argparse.Namespace(lr=0.1), device=torch.device("cpu"),
        size=torch.Size([1, 2]), count=collections.Counter("abca"), default=collections.defaultdict(list, a=[1]), some={1, 2}, frozen=frozenset([3]),
        raw=b"\x00\xff", array_of_bytes=bytearray(b"ab"), path=pathlib.PurePosixPath("/a/b"), when=datetime.datetime(2024, 1, 2, 3),
        zone=datetime.timezone.utc, big=2 ** 200, negative=-2 ** 99, complex=1 + 2j, price=decimal.Decimal("1.5"), space=types.SimpleNamespace(a=1),
        config=Config(), cls=Config, dtype=torch.float32, random=np.random.default_rng(1), drawn=torch.empty(2).expand(2), repeated=torch.zeros(1).expand(5),
        sparse=torch.eye(2).to_sparse(), storage=torch.zeros(2).untyped_storage(), optimizer=adam.state_dict(), slice=slice(1, 2), span=range(3),
        tensors=[torch.zeros(2).to(t) for t in types_beside], again={"model": {"b": torch.zeros(3)}})
    for protocol in (2, 5):
        torch.save(dict(beside, state_dict=collections.OrderedDict(a=torch.arange(4.0), flag=torch.tensor(True))),
                   f"{outdir}/notes_{protocol}.ckpt", pickle_protocol=protocol)


def prior(outdir):
    tokens = HEIGHT // 2 * WIDTH // 2
    net = Transformer(CODES, 12, 3, 2, tokens)
    jitter(net)
    with torch.no_grad():
        net.pos_emb.normal_(0, 0.5)
    torch.save(Absorbing(net, STEPS).state_dict(), f"{outdir}/absorbing.th")
    x = torch.randint(0, CODES + 1, (2, tokens))
    with torch.no_grad():
        logits = net(x)
    with h5py.File(f"{outdir}/prior.h5", "w") as h5:
        put(h5, "tokens", x.int())
        put(h5, "logits", logits)


class Taming(TamingAutoEncoder):
    """With the loss as a module of the model, which is why it is in the file."""

    def __init__(self, disc, perceptual, sizes, emb_dim, codebook_size):
        super().__init__(sizes, emb_dim, codebook_size)
        self.loss = nn.Module()
        self.loss.perceptual_loss, self.loss.discriminator = perceptual, disc


class Denoising(nn.Module):
    def __init__(self, net, steps):
        super().__init__()
        for name in ("log_alpha", "log_1_min_alpha", "log_cumprod_alpha", "log_1_min_cumprod_alpha", "Lt_history", "Lt_count"):
            self.register_buffer(name, torch.zeros(steps))
        self._denoise_fn = net


class Ddm(nn.Module):
    def __init__(self, net, steps):
        super().__init__()
        self._nn, self._denoising = net, Denoising(net, steps)  # the same network twice


def trainer_save(model, loss, path):
    """Save the dictionary that a trainer of many years saves, with the weights among its values; return the weights."""
    package = "pytorch_lightning.callbacks.model_checkpoint"
    for i in range(1, 4):
        name = ".".join(package.split(".")[:i])
        sys.modules.setdefault(name, types.ModuleType(name))
    callback = type("ModelCheckpoint", (), {"__module__": package})
    sys.modules[package].ModelCheckpoint = callback
    state = copy.deepcopy(model.state_dict())
    adam = torch.optim.Adam([p for n, p in model.named_parameters() if "loss." not in n][:3], lr=1e-4)
    loss().backward()
    adam.step()
    torch.save({"epoch": 3, "global_step": 1234, "pytorch-lightning_version": "1.0.8",
                "callbacks": {callback: {"best_model_score": torch.tensor(0.25), "best_model_path": "last.ckpt", "monitor": None}},
                "optimizer_states": [adam.state_dict()], "lr_schedulers": [], "state_dict": state,
                "hyper_parameters": {"lr": 4.5e-6, "sizes": (1, 2), "resume": False, "best": float("inf")}}, path)
    return state


def taming(outdir):
    torch_models.GROUPS = GROUPS
    ae = Taming(PatchGan(3, 2, 1), Lpips(64), Sizes(3, 4, 6, (1, 2), 1, HEIGHT, (HEIGHT // 2,)), 5, CODES)
    jitter(ae)
    with torch.no_grad():
        ae.quantize.embedding.weight.copy_(torch.randn(CODES, 5) * 0.5)
    bytes_ = torch.randint(0, 256, (4, 3, HEIGHT, WIDTH))
    x = bytes_.float() / 255

    def loss():
        y, quantised, _ = ae(2 * x - 1)
        return (x - (y + 1) / 2).abs().mean() + quantised

    with torch.no_grad():
        y, _, codes = ae(2 * x - 1)
        values = dict(bytes=bytes_.int(), codes=codes.view(4, HEIGHT // 2, WIDTH // 2).int(), image=(y + 1) / 2, loss=loss())
    saved = trainer_save(ae, loss, f"{outdir}/taming.ckpt")
    torch.manual_seed(2)
    with torch.no_grad():
        ae.load_state_dict(saved)
        values["judged"] = ae.loss.discriminator(2 * x - 1)
    with h5py.File(f"{outdir}/taming.h5", "w") as h5:
        for n, v in values.items():
            put(h5, n, v)


def vq_ddm(outdir):
    net = Unet(CODES, 8, (1, 2))
    jitter(net)
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith(".g"):
                p.fill_(0.7)
    codes, t = torch.randint(0, CODES, (2, HEIGHT // 2, WIDTH // 2)), torch.tensor([0, 13])  # counted from 0 there
    with torch.no_grad():
        logits = net(t.float() / STEPS, codes)
    trainer_save(Ddm(net, STEPS), lambda: net(t.float() / STEPS, codes).square().mean(), f"{outdir}/vq_ddm.ckpt")
    with h5py.File(f"{outdir}/vq_ddm.h5", "w") as h5:
        put(h5, "tokens", codes.flatten(1).int())
        put(h5, "time", ((t + 1) / STEPS).float())
        put(h5, "logits", logits.flatten(2).transpose(1, 2).contiguous())


def causal_prior(outdir):
    tokens = HEIGHT // 2 * WIDTH // 2
    net = Transformer(CODES, 12, 3, 2, tokens, causal=True)
    jitter(net)
    with torch.no_grad():
        net.pos_emb.normal_(0, 0.5)
        net.start_tok.normal_(0, 0.5)
    torch.save(Autoregressive(net).state_dict(), f"{outdir}/autoregressive.th")
    x = torch.randint(0, CODES, (2, tokens))
    with torch.no_grad():
        logits = net(x[:, :-1])
    with h5py.File(f"{outdir}/autoregressive.h5", "w") as h5:
        put(h5, "tokens", x.int())
        put(h5, "logits", logits)


def names(outdir):
    whole = Vqgan(VQAutoEncoder(), PatchGan(3, 64, 3), Lpips(1))
    with open(f"{outdir}/published.txt", "w") as f:
        for title, model in (("vqgan", whole), ("absorbing", Absorbing(Transformer(), 256)),
                             ("taming", Taming(PatchGan(3, 64, 3), Lpips(1), PUBLISHED, 256, 1024)), ("vqddm", Ddm(Unet(), 4000)),
                             ("autoregressive", Autoregressive(Transformer(causal=True)))):
            f.write(f"{title}\n")
            for name, value in model.state_dict().items():
                f.write(" ".join([name, *map(str, value.shape)]) + "\n")


def codes(outdir):
    """Latents of five images as the first paper's program keeps them, a tensor by itself; and a file that is refused."""
    i, j = torch.meshgrid(torch.arange(5), torch.arange(HEIGHT // 2 * WIDTH // 2), indexing="ij")
    latents = (7 * i + 3 * j) % CODES
    torch.save(latents, f"{outdir}/train_latents")
    torch.save(latents.t().contiguous().t(), f"{outdir}/turned_latents")


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("old", "new", "causal", "trainer", "notes", "codes", "names"):
        sys.exit(__doc__)
    torch.manual_seed(1)
    np.random.seed(1)
    if sys.argv[1] == "old":
        tokenizer(sys.argv[2])
        odd(f"{sys.argv[2]}/odd.th")
    elif sys.argv[1] == "new":
        prior(sys.argv[2])
    elif sys.argv[1] == "trainer":
        taming(sys.argv[2])
        vq_ddm(sys.argv[2])
    elif sys.argv[1] == "notes":
        notes(sys.argv[2])
    elif sys.argv[1] == "codes":
        codes(sys.argv[2])
    elif sys.argv[1] == "causal":
        causal_prior(sys.argv[2])
    else:
        names(sys.argv[2])


if __name__ == "__main__":
    main()
