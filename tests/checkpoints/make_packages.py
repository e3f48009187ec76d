#!/usr/bin/env python3
"""Write the small checkpoints of other architectures than the two papers', and what their own classes compute with them.

usage: make_packages.py OUTDIR LLAMAGEN

diffusers/     a folder of VQModel.save_pretrained, with diffusers.h5; diffusers_plain.safetensors, without attention in the middle
llamagen.pt    of the class VQModel in the folder LLAMAGEN, a clone of github.com/FoundationVision/LlamaGen, with llamagen.h5
rule_*.h5      codes and images of taming.ckpt by the largest cosine and the largest product
gumbel.th      the autoencoder of "Unleashing Transformers" with Gumbel's quantizer, with gumbel.h5
pooled.ckpt    that of taming with `resamp_with_conv: False`, averages of its codebook and a list of codes in use, with pooled.h5

Needs torch, h5py, numpy and the packages diffusers and safetensors (0.42.1 and 0.8.0 were used).
"""
import os
import sys
import types

import h5py
import torch
import torch.nn as nn
import torch.nn.functional as F

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "golden"))
import torch_models  # noqa: E402
from torch_images import Sizes, TamingAutoEncoder  # noqa: E402
from torch_models import VQAutoEncoder  # noqa: E402

GROUPS, HEIGHT, WIDTH, CODES = 4, 8, 12, 24


def jitter(model):
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))


def write(path, bytes_, codes, image):
    with h5py.File(path, "w") as h5:
        for name, value in (("bytes", bytes_.int()), ("codes", codes.view(4, HEIGHT // 2, WIDTH // 2).int()), ("image", image)):
            h5.create_dataset(name, data=value.detach().numpy())


def pictures():
    bytes_ = torch.randint(0, 256, (4, 3, HEIGHT, WIDTH))
    return bytes_, bytes_.float() / 255


def nearest(z, rows):
    return torch.cdist(z.double(), rows.double()).argmin(-1)


def channels_last(z):
    return z.permute(0, 2, 3, 1)


def diffusers(outdir):
    from diffusers import VQModel
    from safetensors.torch import save_file
    bytes_, x = pictures()
    for plain in (False, True):
        model = VQModel(down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D" if plain else "AttnDownEncoderBlock2D"),
                        up_block_types=("UpDecoderBlock2D" if plain else "AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
                        block_out_channels=(4, 8), latent_channels=6, sample_size=HEIGHT, num_vq_embeddings=CODES,
                        norm_num_groups=GROUPS, vq_embed_dim=5, mid_block_add_attention=not plain)
        jitter(model)
        model.eval()
        with torch.no_grad():
            model.quantize.embedding.weight.copy_(torch.randn(CODES, 5))
            z = model.encode(2 * x - 1).latents
            codes = model.quantize(z)[2][2]
            image = (model.decode(z).sample + 1) / 2
        assert torch.equal(codes.flatten(), nearest(channels_last(z).reshape(-1, 5), model.quantize.embedding.weight))
        if plain:
            save_file(model.state_dict(), f"{outdir}/diffusers_plain.safetensors")
            write(f"{outdir}/diffusers_plain.h5", bytes_, codes, image)
        else:
            model.save_pretrained(f"{outdir}/diffusers")
            write(f"{outdir}/diffusers.h5", bytes_, codes, image)


def llamagen(outdir, package):
    sys.path.insert(0, package)
    from tokenizer.tokenizer_image import vq_model
    vq_model.Normalize = lambda channels, norm_type="group": nn.GroupNorm(GROUPS, channels, eps=1e-6)
    model = vq_model.VQModel(vq_model.ModelArgs(codebook_size=CODES, codebook_embed_dim=5, z_channels=6))
    sizes = dict(ch=4, ch_mult=(1, 2), num_res_blocks=1, z_channels=6)
    model.encoder, model.decoder = vq_model.Encoder(**sizes), vq_model.Decoder(**sizes)
    jitter(model)
    model.quantize.codebook_used = model.quantize.codebook_used[:8].clone()
    model.eval()
    bytes_, x = pictures()
    with torch.no_grad():
        quantised, _, (_, _, codes) = model.encode(2 * x - 1)
        image = (model.decode_code(codes, (4, 5, HEIGHT // 2, WIDTH // 2)) + 1) / 2
        assert (image - (model.decode(quantised) + 1) / 2).abs().max() < 1e-5
    torch.save({"model": {n: torch.randn_like(v) for n, v in list(model.state_dict().items())[:3]}, "ema": model.state_dict(), "steps": 3,
                "args": {"ema": True}}, f"{outdir}/llamagen.pt")
    write(f"{outdir}/llamagen.h5", bytes_, codes, image)


def rules(outdir):
    torch_models.GROUPS = GROUPS
    package = "pytorch_lightning.callbacks.model_checkpoint"  # whose class the trainer's notes name
    for i in range(1, 4):
        name = ".".join(package.split(".")[:i])
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules[package].ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": package})
    saved = torch.load(os.path.join(here, "taming.ckpt"), map_location="cpu", weights_only=False)["state_dict"]
    ae = TamingAutoEncoder(Sizes(3, 4, 6, (1, 2), 1, HEIGHT, (HEIGHT // 2,)), 5, CODES)
    ae.load_state_dict({n: v for n, v in saved.items() if not n.startswith("loss.")})
    bytes_, x = pictures()
    with torch.no_grad():
        rows, z = ae.quantize.embedding.weight, channels_last(ae.encode(2 * x - 1)).reshape(-1, 5)
        for rule in ("cosine", "dot"):
            used = F.normalize(rows, dim=1) if rule == "cosine" else rows
            codes = (z.double() @ used.double().T).argmax(-1)
            q = used[codes].view(4, HEIGHT // 2, WIDTH // 2, 5).permute(0, 3, 1, 2)
            assert (codes != nearest(z, rows)).sum() > 5
            write(f"{outdir}/rule_{rule}.h5", bytes_, codes, (ae.decoder(ae.post_quant_conv(q)) + 1) / 2)


def gumbel(outdir):
    torch_models.GROUPS = GROUPS
    ae = VQAutoEncoder(3, 4, 5, (1, 2), 1, HEIGHT, (HEIGHT // 2,), CODES)
    ae.quantize = nn.Module()
    ae.quantize.proj, ae.quantize.embed = nn.Conv2d(5, CODES, 1), nn.Embedding(CODES, 5)
    jitter(ae)
    bytes_, x = pictures()
    with torch.no_grad():
        codes = ae.quantize.proj(ae.encoder(x)).argmax(1)
        image = ae.generator(ae.quantize.embed(codes).permute(0, 3, 1, 2))
    torch.save({f"ae.{n}": v for n, v in ae.state_dict().items()}, f"{outdir}/gumbel.th")
    write(f"{outdir}/gumbel.h5", bytes_, codes, image)


class Pool(nn.Module):
    def forward(self, x):
        return F.avg_pool2d(x, 2, 2)


class Repeat(nn.Module):
    def forward(self, x):
        return F.interpolate(x, scale_factor=2.0, mode="nearest")


def pooled(outdir):
    torch_models.GROUPS = GROUPS
    ae = TamingAutoEncoder(Sizes(3, 4, 6, (1, 2), 1, HEIGHT, ()), 5, CODES)
    ae.encoder.down[0].downsample, ae.decoder.up[1].upsample = Pool(), Repeat()
    jitter(ae)
    bytes_, x = pictures()
    with torch.no_grad():
        ae.quantize.embedding.weight.copy_(torch.randn(CODES, 5))
        z = channels_last(ae.encode(2 * x - 1)).reshape(-1, 5)
        codes = nearest(z, ae.quantize.embedding.weight)
        q = ae.quantize.embedding.weight[codes].view(4, HEIGHT // 2, WIDTH // 2, 5).permute(0, 3, 1, 2)
        image = (ae.decoder(ae.post_quant_conv(q)) + 1) / 2
    state = dict(ae.state_dict())
    state["quantize.embedding.cluster_size"], state["quantize.embedding.embed_avg"] = torch.rand(CODES), torch.randn(CODES, 5)
    state["quantize.used"], state["colorize"] = torch.arange(CODES), torch.randn(3, 4, 1, 1)
    torch.save({"state_dict": state}, f"{outdir}/pooled.ckpt")
    write(f"{outdir}/pooled.h5", bytes_, codes, image)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    torch.manual_seed(3)
    diffusers(sys.argv[1])
    llamagen(*sys.argv[1:])
    rules(sys.argv[1])
    gumbel(sys.argv[1])
    pooled(sys.argv[1])


if __name__ == "__main__":
    main()
