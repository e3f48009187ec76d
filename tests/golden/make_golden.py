#!/usr/bin/env python3
"""Write golden files: inputs, weights, outputs and gradients of the models in torch_models.py and torch_images.py, as HDF5.

usage: make_golden.py --out DIR [--seed N] [--img 16] [--nf 32] [--mult 1,1] [--emb 16] [--codes 64]
                             [--width 64] [--heads 4] [--layers 2] [--tokens 16] [--classes 32] [--batch 2]
                             [--diffusion-steps 100] [--diffusion-classes 12]
                             [--unet-dim 16] [--unet-mults 1,2,2] [--unet-side 8] [--unet-width 8]
                             [--ar-width 32] [--ar-heads 2] [--ar-layers 2] [--ar-tokens 9] [--ar-classes 11] [--only NAME]
                             [--critic-channels 16] [--critic-layers 2] [--lpips-thin 16] [--lpips-side 32] [--lpips-width 32]

ae.h5           conv autoencoder + nearest quantizer: image, latent, codes, reconstruction, losses, grads
transformer.h5  bidirectional denoiser: logits, the three absorbing losses and their grads; causal logits
uniform.h5      uniform diffusion, cosine schedule without a clip, in float64 and by K x K matrices: q(z_t | z_0), posterior, KL
autoregressive.h5  the causal transformer as a prior: logits of all tokens, code length in bits a token and its grads
ema.h5          EMA quantizer: codebook and statistics before and after three updates
unet.h5         U-Net denoiser: logits of noised codes at times t, their mean cross-entropy with other codes and its grads
critic.h5       PatchGAN on a real batch and on what the autoencoder of ae.h5 makes of it: logits, the critic's loss and its grads
adversarial.h5  a generator's step with both: losses, lengths of their grads at the last kernel, the weight, a few grads of the whole
taming.h5       taming's autoencoder: image, latent, codes, reconstruction, losses, a few grads
lpips.h5        LPIPS with made-up weights of 1 / thin of the width: distances of a and b, the grad of their mean in b
diffaug.h5      augmentation by given draws: output, and the grad in the image of its sum with weights

The files in this folder have the default sizes, and were written by another program after the same formulas: so they check this one too.
The tests take all sizes from the files' attributes: to test against others, write them elsewhere and set TESSERA_GOLDEN to that folder.
Needs torch, numpy and h5py. Everything is NCHW as PyTorch has it.
"""
import argparse
import math
import os

import h5py
import numpy as np
import torch

from torch_images import Lpips, PatchGan, Sizes, TamingAutoEncoder, adaptive_weight, critic_loss, diffaug
from torch_models import Transformer, Unet, VQAutoEncoder, absorbing_loss


def put(group, name, value):
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    group.create_dataset(name, data=value)


def put_module(h5, module, prefix=""):
    for name, value in module.state_dict().items():
        put(h5, f"weights/{prefix}{name}", value)


def put_grads(h5, module, where):
    for name, p in module.named_parameters():
        if p.grad is not None:
            put(h5, f"{where}/{name}", p.grad)
    module.zero_grad(set_to_none=True)


def jitter(module, scale=0.1):
    """Move norms' weights and zero-initialised parameters off their trivial start."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn_like(p) * scale * (p.std() if p.numel() > 1 and p.std() > 0 else 1.0))


def put_all(h5, values):
    for name, value in values.items():
        put(h5, name, value)


def put_some_grads(h5, module, names):
    parameters = dict(module.named_parameters())
    for name in names:
        put(h5, f"grads/{name}", parameters[name].grad)


def levels(a):
    """Multiples of the levels, and the size of the map behind the last."""
    mult = tuple(int(m) for m in a.mult.split(","))
    return mult, a.img // 2 ** (len(mult) - 1)


def autoencoder(a):
    """The same one whenever the seed was just set, and an image batch for it."""
    mult, attn = levels(a)
    ae = VQAutoEncoder(3, a.nf, a.emb, mult, 1, a.img, (attn,), a.codes)
    jitter(ae)
    with torch.no_grad():
        ae.quantize.embedding.weight.copy_(torch.randn(a.codes, a.emb) * 0.5)
    return ae, torch.rand(a.batch, 3, a.img, a.img) * 2 - 1


def write_autoencoder(a):
    mult, attn = levels(a)
    ae, x = autoencoder(a)
    with h5py.File(f"{a.outdir}/ae.h5", "w") as h5:
        h5.attrs.update(dict(n_channels=3, nf=a.nf, emb_dim=a.emb, ch_mult=mult, res_blocks=1, img_size=a.img,
                             attn_resolutions=(attn,), codebook_size=a.codes, beta=0.25))
        put_module(h5, ae)
        z = ae.encoder(x)
        y, code_loss, idx = ae(x)
        rec = (x - y).abs().mean()
        for n, v in dict(image=x, latent=z, codes=idx.view(a.batch, attn, attn).int(), reconstruction=y, rec_loss=rec,
                         code_loss_beta_on_codebook=code_loss).items():
            put(h5, n, v)
        (rec + code_loss).backward()
        put_grads(h5, ae, "grads_beta_on_codebook")
        ae.quantize.beta_on_codebook = False
        y, code_loss, _ = ae(x)
        put(h5, "code_loss_beta_on_commitment", code_loss)
        ((x - y).abs().mean() + code_loss).backward()
        # the two variants differ only in the codebook's own gradient and in the encoder's; keep a few
        for name in ("quantize.embedding.weight", "encoder.blocks.0.weight"):
            put(h5, "grads_beta_on_commitment/" + name, dict(ae.named_parameters())[name].grad)


def write_transformer(a):
    net = Transformer(a.classes, a.width, a.heads, a.layers, a.tokens)
    causal = Transformer(a.classes, a.width, a.heads, a.layers, a.tokens, causal=True)
    jitter(net)
    jitter(causal)
    with torch.no_grad():
        net.pos_emb.normal_(0, 0.5)
        causal.pos_emb.normal_(0, 0.5)
    with h5py.File(f"{a.outdir}/transformer.h5", "w") as h5:
        h5.attrs.update(dict(codebook_size=a.classes, width=a.width, heads=a.heads, layers=a.layers, tokens=a.tokens,
                             total_steps=256, mask_id=a.classes))
        put_module(h5, net)
        put_module(h5, causal, "causal.")
        x0 = torch.randint(0, a.classes, (a.batch, a.tokens))
        t = torch.randint(1, 257, (a.batch,))
        out = torch.rand(a.batch, a.tokens) < t[:, None] / 256
        out[:, 0] = True
        x_t = x0.masked_fill(out, a.classes)
        for n, v in dict(x0=x0.int(), t=t.int(), absorbed=out.to(torch.uint8), x_t=x_t.int(), logits=net(x_t),
                         causal_logits=causal(x0[:, :-1])).items():
            put(h5, n, v)
        for kind in ("elbo", "mlm", "reweighted_elbo"):
            loss, vb = absorbing_loss(net, x0, t, out, kind=kind)
            put(h5, f"loss_{kind}", loss)
            put(h5, "elbo_bits_per_dim" if kind == "elbo" else f"vb_{kind}", vb)
            loss.backward()
            put_grads(h5, net, f"grads_{kind}")


def write_autoregressive(a):
    net = Transformer(a.ar_classes, a.ar_width, a.ar_heads, a.ar_layers, a.ar_tokens, causal=True)
    jitter(net)
    with torch.no_grad():
        net.pos_emb.normal_(0, 0.5)
        net.start_tok.normal_(0, 0.5)
    with h5py.File(f"{a.outdir}/autoregressive.h5", "w") as h5:
        h5.attrs.update(dict(codebook_size=a.ar_classes, width=a.ar_width, heads=a.ar_heads, layers=a.ar_layers, tokens=a.ar_tokens))
        put_module(h5, net)
        x = torch.randint(0, a.ar_classes, (a.batch, a.ar_tokens))
        logits = net(x[:, :-1])
        bits = torch.nn.functional.cross_entropy(logits.transpose(1, 2), x, reduction="none").sum(1) / (a.ar_tokens * math.log(2))
        for n, v in dict(x=x.int(), logits=logits, bits=bits, loss=bits.mean()).items():
            put(h5, n, v)
        bits.mean().backward()
        put_grads(h5, net, "grads")


def write_uniform(a):
    rng = np.random.default_rng(a.seed)
    steps, k, s = a.diffusion_steps, a.diffusion_classes, 0.008
    f = np.cos((np.arange(steps + 1) / steps + s) / (1 + s) * np.pi / 2) ** 2
    bar = f / f[0]
    alpha = np.concatenate([[1.0], bar[1:] / bar[:-1]])
    step = [at * np.eye(k) + (1 - at) / k for at in alpha]
    cumulative = [np.eye(k)]
    for matrix in step[1:]:
        cumulative.append(cumulative[-1] @ matrix)
    ts = np.array([1, 2, steps // 3, steps // 2, steps - 1, steps])
    guess = rng.dirichlet(np.ones(k), size=k)  # a denoiser's p(z_0 | z_t) for each z_t
    # [i, z_t, z_0, z_(t-1)] for t = ts[i]
    posterior = np.stack([step[t].T[:, None, :] * cumulative[t - 1][None, :, :] for t in ts])
    posterior /= posterior.sum(-1, keepdims=True)
    # the plug-in model: the posterior's formula with p(z_0) in the place of z_0
    model = np.stack([step[t].T * (guess @ cumulative[t - 1]) for t in ts])
    model /= model.sum(-1, keepdims=True)
    kl = (posterior * (np.log(np.maximum(posterior, 1e-300)) - np.log(model)[:, :, None, :])).sum(-1)
    with h5py.File(f"{a.outdir}/uniform.h5", "w") as h5:
        h5.attrs.update(dict(steps=steps, classes=k, s=s))
        for name, value in dict(alpha_bar=bar, t=ts, q_t_given_0=np.stack([cumulative[t] for t in ts]), posterior=posterior,
                                denoiser_p0=guess, model_step=model, kl=kl).items():
            put(h5, name, value)


def write_ema(a):
    rng = np.random.default_rng(a.seed)
    with h5py.File(f"{a.outdir}/ema.h5", "w") as h5:
        decay, eps = 0.99, 1e-5
        h5.attrs.update(dict(decay=decay, epsilon=eps, codebook_size=a.codes, emb_dim=a.emb))
        book = rng.standard_normal((a.codes, a.emb))
        count, total = np.ones(a.codes), book.copy()
        put(h5, "codebook_before", book)
        z = rng.standard_normal((3, 4 * a.codes, a.emb))
        put(h5, "latents", z)
        for i in range(3):
            d = ((z[i][:, None, :] - book[None]) ** 2).sum(-1)
            hot = np.eye(a.codes)[d.argmin(1)]
            count = decay * count + (1 - decay) * hot.sum(0)
            total = decay * total + (1 - decay) * hot.T @ z[i]
            n = count.sum()
            smooth = (count + eps) / (n + a.codes * eps) * n  # Laplace smoothing
            book = total / smooth[:, None]
            put(h5, f"codes_{i}", d.argmin(1).astype("i4"))
            put(h5, f"codebook_{i}", book)
            put(h5, f"cluster_size_{i}", count)


def write_unet(a):
    mults = tuple(int(m) for m in a.unet_mults.split(","))
    steps, map_size = a.diffusion_steps, (a.batch, a.unet_side, a.unet_width)
    net = Unet(a.classes, a.unet_dim, mults)
    jitter(net)
    for name, p in net.named_parameters():
        if name.endswith("fn.g"):  # at 0 nothing of the attention shows
            torch.nn.init.uniform_(p, 0.3, 0.7)
    with h5py.File(f"{a.outdir}/unet.h5", "w") as h5:
        h5.attrs.update(dict(codebook_size=a.classes, dim=a.unet_dim, steps=steps, mults=mults, side=a.unet_side))
        put_module(h5, net)
        codes, target = (torch.randint(a.classes, map_size) for _ in range(2))
        t = torch.randint(steps, (a.batch,)).float()
        logits = net(t / steps, codes)
        loss = torch.nn.functional.cross_entropy(logits, target)
        for name, value in dict(codes=codes.int(), target=target.int(), t=t, logits=logits, cross_entropy=loss).items():
            put(h5, name, value)
        loss.backward()
        put_grads(h5, net, "grads")


def write_adversarial(a):
    ae, x = autoencoder(a)  # that of ae.h5, since the seed is
    critic = PatchGan(3, a.critic_channels, a.critic_layers)
    jitter(critic)
    y, code_loss, _ = ae(x)
    with h5py.File(f"{a.outdir}/critic.h5", "w") as h5:
        h5.attrs.update(dict(n_channels=3, ndf=a.critic_channels, n_layers=a.critic_layers))
        put_module(h5, critic)
        made = y.detach()
        real_logits, made_logits = critic(x), critic(made)
        loss = critic_loss(real_logits, made_logits)
        put_all(h5, dict(real=x, fake=made, real_logits=real_logits, fake_logits=made_logits, hinge_loss=loss))
        loss.backward()
        put_grads(h5, critic, "grads")
    with h5py.File(f"{a.outdir}/adversarial.h5", "w") as h5:
        h5.attrs["weights"] = "those of ae.h5 and critic.h5"
        last = f"generator.blocks.{len(ae.generator.blocks) - 1}.weight"
        error, adversarial = (x - y).abs().mean(), -critic(y).mean()
        weight, of_error, of_adversarial = adaptive_weight(error, adversarial, ae.get_parameter(last))
        put_all(h5, dict(image=x, rec_loss=error, generator_loss=adversarial, rec_grad_norm=of_error,
                         generator_grad_norm=of_adversarial, adaptive_weight=weight))
        (error + weight * adversarial + code_loss).backward()
        put_some_grads(h5, ae, ("encoder.blocks.0.weight", "quantize.embedding.weight", "generator.blocks.0.weight", last))


def write_taming(a):
    mult, attn = levels(a)
    sizes = dict(n_channels=3, nf=a.nf, z_channels=a.emb, ch_mult=mult, res_blocks=1, img_size=a.img, attn_resolutions=(attn,))
    net = TamingAutoEncoder(Sizes(**sizes), a.emb // 2, a.codes)
    jitter(net)
    with torch.no_grad():
        net.quantize.embedding.weight.normal_(0, 0.5)
    x = torch.rand(a.batch, 3, a.img, a.img) * 2 - 1
    with h5py.File(f"{a.outdir}/taming.h5", "w") as h5:
        h5.attrs.update(dict(sizes, emb_dim=a.emb // 2, codebook_size=a.codes, beta=0.25))
        put_module(h5, net)
        y, code_loss, codes = net(x)
        error = (x - y).abs().mean()
        put_all(h5, dict(image=x, latent=net.encode(x), codes=codes.view(a.batch, attn, attn).int(), reconstruction=y, rec_loss=error,
                         code_loss_beta_on_codebook=code_loss))
        (error + code_loss).backward()
        put_some_grads(h5, net, ("encoder.conv_in.weight", "quant_conv.weight", "quantize.embedding.weight", "post_quant_conv.bias",
                                 "decoder.conv_in.weight", "decoder.conv_out.weight"))


def write_lpips(a):
    net = Lpips(a.lpips_thin)
    first, second = torch.rand(2, a.batch, 3, a.lpips_side, a.lpips_width)
    second.requires_grad_()
    with h5py.File(f"{a.outdir}/lpips.h5", "w") as h5:
        h5.attrs["thin"] = a.lpips_thin
        put_module(h5, net)
        distance = net(first, second)
        distance.mean().backward()
        put_all(h5, dict(a=first, b=second, distance=distance, grad_b=second.grad))


def write_diffaug(a):
    x = torch.rand(a.batch, 3, a.img, a.img) * 2 - 1
    x.requires_grad_()
    most = int(a.img / 8 + 0.5)
    draws = {name: torch.rand(a.batch) for name in ("brightness", "saturation", "contrast")}
    draws.update({name: torch.randint(-most, most + 1, (a.batch,)) for name in ("shift_y", "shift_x")})
    with h5py.File(f"{a.outdir}/diffaug.h5", "w") as h5:
        y = diffaug(x, **draws)
        weight = torch.randn_like(y)
        (y * weight).sum().backward()
        put_all(h5, dict(draws, image=x, weight=weight, output=y, grad=x.grad))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", dest="outdir", required=True)
    for name, default in dict(seed=1, img=16, nf=32, emb=16, codes=64, width=64, heads=4, layers=2, tokens=16, classes=32, batch=2,
                              diffusion_steps=100, diffusion_classes=12, unet_dim=16, unet_side=8, unet_width=8,
                              ar_width=32, ar_heads=2, ar_layers=2, ar_tokens=9, ar_classes=11, critic_channels=16,
                              critic_layers=2, lpips_thin=16, lpips_side=32, lpips_width=32).items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=default)
    p.add_argument("--mult", default="1,1")
    p.add_argument("--unet-mults", default="1,2,2")
    p.add_argument("--only", help="write this file alone: ae, transformer ...")
    a = p.parse_args()
    os.makedirs(a.outdir, exist_ok=True)
    for name, write in dict(ae=write_autoencoder, transformer=write_transformer, autoregressive=write_autoregressive,
                            uniform=write_uniform, ema=write_ema, unet=write_unet, adversarial=write_adversarial,
                            taming=write_taming, lpips=write_lpips, diffaug=write_diffaug).items():
        torch.manual_seed(a.seed)
        if a.only in (None, name):
            write(a)


if __name__ == "__main__":
    main()
