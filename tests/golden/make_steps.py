#!/usr/bin/env python3
"""Write step_unleashing.h5, step_taming.h5, step_refit.h5, step_lecam.h5 and step_vanilla.h5: whole steps of the published trainings of autoencoders.

usage: make_steps.py OUTDIR

The models are those of ../checkpoints (vqgan.th, taming.ckpt), on images of 16 x 24; the perceptual distance has the weights of lpips.h5.
Everything is computed in double, and written in single, precision.

step_unleashing.h5  two steps of "Unleashing Transformers": pixels in 0 .. 1, adaptive weight of at most 1, no augmentation; the generator's
                    term from step 0 on, the critic's first own step is the second one
step_taming.h5      a step of taming, and of VQ-DDM's first stage: pixels in -1 .. 1, 0.8 times the adaptive weight. The generator's half;
                    the critic's comes after it, on what the changed generator makes of the same images: `critic`
step_refit.h5       a step of ReFiT: pixels in -1 .. 1, the encoder as it is, weight 0.8; its pool has two latents, the first of the image that
                    `positions: all` draws first for the pipeline's seed, and they are the codebook
step_lecam.h5       three steps with the losses of Open-MAGVIT2 and IBQ from taming's file on: non-saturating for the generator, with a fixed
                    weight of 0.1, hinge for the critic with LeCam's regulariser; the critic's first own step is the second one
step_vanilla.h5     the same with cross entropies of each logit for the critic, and without the regulariser

Attributes: lr, beta1, beta2. Datasets: bytes, (N, 3, H, W); loss and adaptive_weight, one a step; critic_loss, where the critic learns;
after/NAME: weights after Adam, flat, NaN where a gradient is nothing but rounding, so that Adam's step is a matter of luck.
Needs torch, numpy and h5py.
"""
import os
import sys
import types

import h5py
import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "checkpoints"))
import torch_models  # noqa: E402
from make_checkpoints import CODES, GROUPS, Lpips, PatchGan, Sizes, Taming, VQAutoEncoder  # noqa: E402
from torch_images import critic_loss  # noqa: E402

HEIGHT, WIDTH, COUNT = 16, 24, 4
POOLED = 2  # the image that the pool is of
LUCK = 1e-5  # of the largest gradient of a tensor


def images():
    """Two dark ones and two light ones."""
    base = torch.tensor([0, 0, 176, 176]).reshape(COUNT, 1, 1, 1)
    return base + torch.randint(0, 80, (COUNT, 3, HEIGHT, WIDTH))


def perceptual():
    with h5py.File(f"{HERE}/lpips.h5") as h5:
        net = Lpips(int(h5.attrs["thin"])).double()
        stored = {name: torch.tensor(np.array(h5[f"weights/{name}"])) for name in net.state_dict()}
    net.load_state_dict(stored)
    return net.requires_grad_(False)


def gradient_norm(loss, kernel):
    return torch.autograd.grad(loss, kernel, retain_graph=True)[0].norm()


def adaptive(error, adversarial, kernel, most, factor):
    ratio = gradient_norm(error, kernel) / (gradient_norm(adversarial, kernel) + 1e-4)
    return factor * ratio.clamp(0, most).detach()


class Step:
    """Adam over some weights; which of their values luck decides."""

    def __init__(self, named, lr, betas):
        self.named = list(named)
        self.adam = torch.optim.Adam([p for _, p in self.named], lr=lr, betas=betas)
        self.luck = {name: torch.zeros(p.shape, dtype=torch.bool) for name, p in self.named}

    def make(self, loss):
        grads = torch.autograd.grad(loss, [p for _, p in self.named], allow_unused=True)
        for (name, p), g in zip(self.named, grads):
            p.grad = g
            self.luck[name] |= torch.ones_like(self.luck[name]) if g is None else g.abs() <= LUCK * g.abs().max() + 1e-12
        self.adam.step()

    def put(self, h5):
        for name, p in self.named:
            value = p.detach().clone()
            value[self.luck[name]] = float("nan")
            if not torch.isnan(value).all():
                h5.create_dataset(f"after/{name}", data=value.float().flatten().numpy())


def write(path, attrs, values, *halves):
    with h5py.File(path, "w") as h5:
        h5.attrs.update(attrs)
        h5.create_dataset("bytes", data=values.pop("bytes").int().numpy())
        for name, value in values.items():
            h5.create_dataset(name, data=np.array([float(v) for v in value]))
        for half in halves:
            half.put(h5)


def unleashing(outdir):
    ae, critic, distance = VQAutoEncoder(3, 4, 6, (1, 2), 1, HEIGHT, (HEIGHT // 2,), CODES).double(), PatchGan(3, 2, 1).double(), perceptual()
    stored = torch.load(f"{HERE}/../checkpoints/vqgan.th", map_location="cpu")
    ae.load_state_dict({n[3:]: v for n, v in stored.items() if n.startswith("ae.")}, strict=False)
    critic.load_state_dict({n[5:]: v for n, v in stored.items() if n.startswith("disc.")}, strict=False)
    attrs = dict(lr=1e-4, beta1=0.9, beta2=0.999)
    generator = Step(((f"ae.{n}", p) for n, p in ae.named_parameters()), attrs["lr"], (0.9, 0.999))
    discriminator = Step(((f"disc.{n}", p) for n, p in critic.named_parameters()), attrs["lr"], (0.9, 0.999))
    values = dict(bytes=images(), loss=[], adaptive_weight=[], critic_loss=[])
    x = values["bytes"].double() / 255
    for step in range(2):
        y, code_loss, _ = ae(x)
        error, judged = ((x - y).abs() + distance(x, y).reshape(-1, 1, 1, 1)).mean(), critic(y)
        weight = adaptive(error, -judged.mean(), ae.generator.blocks[-1].weight, 1.0, 1.0)
        loss = error - weight * judged.mean() + code_loss
        own = critic_loss(critic(x), critic(y.detach()))
        generator.make(loss)
        if step > 0:
            discriminator.make(own)
        for name, value in dict(loss=loss, adaptive_weight=weight, critic_loss=own).items():
            values[name].append(value.detach())
    write(f"{outdir}/step_unleashing.h5", attrs, values, generator, discriminator)


def trained_by_a_trainer(path):
    """The weights of a file that names a class of the trainer, which need not be installed."""
    package = "pytorch_lightning.callbacks.model_checkpoint"
    for i in range(1, 4):
        sys.modules.setdefault(".".join(package.split(".")[:i]), types.ModuleType("empty"))
    sys.modules[package].ModelCheckpoint = type("ModelCheckpoint", (), {})
    return torch.load(path, map_location="cpu", weights_only=False)["state_dict"]


def taming_model():
    sizes = Sizes(3, 4, 6, (1, 2), 1, HEIGHT, (HEIGHT // 2,))
    net = Taming(PatchGan(3, 2, 1), Lpips(64), sizes, 5, CODES)
    net.load_state_dict(trained_by_a_trainer(f"{HERE}/../checkpoints/taming.ckpt"))
    return net.double()


def critic_half(net, x, make, attrs):
    """What comes after the generator's step: the images are made again, by its new weights."""
    half = Step(((n, p) for n, p in net.named_parameters() if n.startswith("loss.discriminator.")), attrs["lr"], (attrs["beta1"], attrs["beta2"]))
    own = critic_loss(net.loss.discriminator(x), net.loss.discriminator(make().detach()))
    half.make(own)
    return half, own.detach()


def taming(outdir):
    net, distance = taming_model(), perceptual()
    attrs = dict(lr=1e-4, beta1=0.5, beta2=0.9)
    values = dict(bytes=images())
    x = values["bytes"].double() / 127.5 - 1
    half = Step(((n, p) for n, p in net.named_parameters() if not n.startswith("loss.")), attrs["lr"], (0.5, 0.9))
    y, code_loss, _ = net(x)
    error, judged = ((x - y).abs() + distance(x, y).reshape(-1, 1, 1, 1)).mean(), net.loss.discriminator(y)
    weight = adaptive(error, -judged.mean(), net.decoder.conv_out.weight, 1e4, 0.8)
    loss = error - weight * judged.mean() + code_loss
    half.make(loss)
    after, own = critic_half(net, x, lambda: net(x)[0], attrs)
    values.update(loss=[loss.detach()], adaptive_weight=[weight], critic_loss=[own])
    write(f"{outdir}/step_taming.h5", attrs, values, half, after)


def refit(outdir):
    net, distance = taming_model(), perceptual()
    attrs = dict(lr=1e-4, beta1=0.5, beta2=0.9)
    values = dict(bytes=images())
    x = values["bytes"].double() / 127.5 - 1
    latent = net.encode(x).detach()
    codebook = latent[POOLED, :, 0, :2].t().clone().requires_grad_()
    code = torch.cdist(latent.permute(0, 2, 3, 1).reshape(-1, latent.shape[1]), codebook.detach()).argmin(1).reshape(COUNT, *latent.shape[2:])
    named = [(n, p) for n, p in net.named_parameters() if n.startswith(("decoder.", "post_quant_conv."))]
    half = Step(named + [("quantize.embedding.weight", codebook)], attrs["lr"], (0.5, 0.9))

    def make():
        q = codebook[code].permute(0, 3, 1, 2)
        return net.decoder(net.post_quant_conv(latent + (q - latent).detach())), (q - latent).square().mean()

    y, code_loss = make()
    judged = net.loss.discriminator(y)
    loss = ((x - y).abs() + distance(x, y).reshape(-1, 1, 1, 1)).mean() - 0.8 * judged.mean() + code_loss
    half.make(loss)
    after, own = critic_half(net, x, lambda: make()[0], attrs)
    values.update(loss=[loss.detach()], adaptive_weight=[0.8], critic_loss=[own])
    write(f"{outdir}/step_refit.h5", attrs, values, half, after)


def image_means(logits):
    return logits.flatten(1).mean(1)


def hinge(real, made):
    return (F.relu(1 - real).mean() + F.relu(1 + made).mean()) / 2


def vanilla(real, made):
    return (F.softplus(-real).mean() + F.softplus(made).mean()) / 2


class LeCam:
    """Averages of the mean logits, moved before they are used, and the regulariser's distances to them."""

    def __init__(self):
        self.real = self.made = 0.0

    def __call__(self, real, made):
        self.real = 0.999 * self.real + 0.001 * real.mean().item()
        self.made = 0.999 * self.made + 0.001 * made.mean().item()
        return F.relu(real - self.made).square().mean() + F.relu(self.real - made).square().mean()


def entropies(path, own_loss, lecam_weight):
    net, distance, lecam = taming_model(), perceptual(), LeCam()
    attrs = dict(lr=1e-4, beta1=0.5, beta2=0.9)
    values = dict(bytes=images(), loss=[], adaptive_weight=[], critic_loss=[])
    x, critic = values["bytes"].double() / 127.5 - 1, net.loss.discriminator
    half = Step(((n, p) for n, p in net.named_parameters() if not n.startswith("loss.")), attrs["lr"], (0.5, 0.9))
    other = Step(((n, p) for n, p in net.named_parameters() if n.startswith("loss.discriminator.")), attrs["lr"], (0.5, 0.9))
    for step in range(3):
        y, code_loss, _ = net(x)
        real, made = critic(x), critic(y.detach())
        own = own_loss(real, made) + lecam_weight * lecam(real, made)
        loss = ((x - y).abs() + distance(x, y).reshape(-1, 1, 1, 1)).mean() + 0.1 * F.softplus(-image_means(critic(y))).mean() + code_loss
        half.make(loss)
        if step > 0:
            other.make(own)
        for name, value in dict(loss=loss, adaptive_weight=torch.tensor(0.1), critic_loss=own).items():
            values[name].append(value.detach())
    write(path, attrs, values, half, other)
    with h5py.File(path, "r+") as h5:
        h5.create_dataset("lecam", data=np.array([lecam.real, lecam.made]))


def lecam(outdir):
    entropies(f"{outdir}/step_lecam.h5", hinge, 0.05)


def vanilla_step(outdir):
    entropies(f"{outdir}/step_vanilla.h5", vanilla, 0.0)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch_models.GROUPS = GROUPS
    for make in (unleashing, taming, refit, lecam, vanilla_step):
        torch.manual_seed(1)
        make(sys.argv[1])


if __name__ == "__main__":
    main()
