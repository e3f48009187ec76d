#!/usr/bin/env python3
"""Write small checkpoints of classes that their authors published, and what those classes compute with them.

usage: make_published.py OUTDIR CLONES

labelled.ckpt      the U-Net of VQ-DDM that is told labels (DDM/model/edit_unet.py), with labelled.h5
plain.ckpt         its UnetX (DDM/model/unet2.py), which reads codes as numbers, with plain.h5
magvit2.ckpt       an autoencoder of Open-MAGVIT2 with the averages of its weights (src/Open_MAGVIT2 of SEED-Voken), with magvit2.h5
../golden/lfq.h5   quantised vectors, codes, losses and gradients of its quantizer in training
vqgumbel.ckpt      an autoencoder of taming with Gumbel's quantizer (taming/models/vqgan.py, GumbelVQ), with vqgumbel.h5
vqgumbel.th        the same of "Unleashing Transformers" (models/vqgan.py), with vqgumbel_th.h5
net2net.ckpt       a transformer of taming (taming/modules/transformer/mingpt.py) beside its autoencoder, with net2net.h5

CLONES is a folder with clones of github.com/anonymrelease/VQ-DDM, github.com/CompVis/taming-transformers,
github.com/samb-t/unleashing-transformers and github.com/TencentARC/SEED-Voken under their own names. Needs torch, h5py, numpy and einops.
What the classes import for training alone is replaced by empty modules.
"""
import os
import sys
import types

import h5py
import torch
import torch.nn as nn

GROUPS, HEIGHT, WIDTH, CODES, STEPS = 4, 8, 12, 24, 20
MAP = (HEIGHT // 2, WIDTH // 2)
sys.dont_write_bytecode = True


def module(name, path, change=None):
    """A published file as a module, with words of its text replaced."""
    with open(path) as f:
        text = f.read()
    for old, new in change or ():
        assert old in text, old
        text = text.replace(old, new)
    made = types.ModuleType(name)
    made.__file__, made.__package__ = path, name.rpartition(".")[0]
    sys.modules[name] = made
    exec(compile(text, path, "exec"), made.__dict__)
    return made


def empty(name, **names):
    made = types.ModuleType(name)
    made.__dict__.update(names)
    sys.modules[name] = made
    return made


def jitter(model):
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))


def write(path, **values):
    with h5py.File(path, "w") as h5:
        for name, value in values.items():
            h5.create_dataset(name, data=value.detach().numpy())


def labelled(outdir, clones):
    folder = f"{clones}/VQ-DDM/DDM/model"
    empty("ddm")
    module("ddm.utils", f"{folder}/utils.py")
    # its codes are told from numbers by a type that only GPUs have
    unet = module("ddm.edit_unet", f"{folder}/edit_unet.py", [("torch.cuda.LongTensor", "torch.LongTensor")])
    net = unet.Unet(CODES, 8, STEPS, dim_mults=(1, 2), classes=10)
    jitter(net)
    net.eval()
    codes, t, label = torch.randint(0, CODES, (2, *MAP)), torch.tensor([0, 13]), torch.tensor([3, 9])
    with torch.no_grad():
        logits = net(t, codes, y=label)
    names = {f"_denoising._denoise_fn.{n}": v for n, v in net.state_dict().items()}
    names.update({f"_denoising.{n}": torch.zeros(STEPS) for n in ("log_alpha", "Lt_history", "Lt_count")})
    torch.save({"state_dict": names}, f"{outdir}/labelled.ckpt")
    write(f"{outdir}/labelled.h5", tokens=codes.flatten(1).int(), time=((t + 1) / STEPS).float(), label=label.int(),
          logits=logits.flatten(2).transpose(1, 2).contiguous())


def plain(outdir, clones):
    net = module("ddm.unet2", f"{clones}/VQ-DDM/DDM/model/unet2.py").UnetX(CODES, 8, STEPS, dim_mults=(1, 2))
    jitter(net)
    net.eval()
    codes, t = torch.randint(0, CODES, (2, *MAP)), torch.tensor([0, 13])
    with torch.no_grad():
        logits = net(t, 2 * codes / (CODES - 1) - 1)  # as DiscreteDiffusionX.predict_start has it
    names = {f"_nn.{n}": v for n, v in net.state_dict().items()}
    names.update({f"_denoising._denoise_fn.{n}": v for n, v in net.state_dict().items()})
    names.update({f"_denoising.{n}": torch.zeros(STEPS) for n in ("log_alpha", "Lt_history", "Lt_count")})
    torch.save({"state_dict": names}, f"{outdir}/plain.ckpt")
    write(f"{outdir}/plain.h5", tokens=codes.flatten(1).int(), time=((t + 1) / STEPS).float(),
          logits=logits.flatten(2).transpose(1, 2).contiguous())


def net2net(outdir, clones):
    empty("transformers", top_k_top_p_filtering=None)
    gpt = module("mingpt", f"{clones}/taming-transformers/taming/modules/transformer/mingpt.py")
    tokens, sos = MAP[0] * MAP[1], 5
    net = gpt.GPT(CODES, tokens + 3, n_layer=2, n_head=3, n_embd=12)
    jitter(net)
    with torch.no_grad():
        net.pos_emb.normal_(0, 0.5)
        net.tok_emb.weight.normal_(0, 0.5)
    net.eval()
    codes = torch.randint(0, CODES, (2, tokens))
    with torch.no_grad():
        logits, _ = net(torch.cat((torch.full((2, 1), sos), codes), 1)[:, :-1])  # as Net2NetTransformer.forward has them
    first = torch.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pooled.ckpt"), weights_only=True)["state_dict"]
    state = {f"first_stage_model.{n}": v for n, v in first.items()}
    state.update({f"transformer.{n}": v for n, v in net.state_dict().items()})
    torch.save({"state_dict": state}, f"{outdir}/net2net.ckpt")
    write(f"{outdir}/net2net.h5", tokens=codes.int(), logits=logits)


def magvit2(outdir, clones):
    folder, bits = f"{clones}/SEED-Voken/src/Open_MAGVIT2/modules", 6
    networks = module("improved_model", f"{folder}/diffusionmodules/improved_model.py",
                      [("GroupNorm(32,", f"GroupNorm({GROUPS},"), ("num_groups=32,", f"num_groups={GROUPS},")])
    quantizer = module("lookup_free_quantize", f"{folder}/vqvae/lookup_free_quantize.py")
    averages = module("ema", f"{folder}/ema.py")
    sizes = dict(ch=4, out_ch=3, in_channels=3, num_res_blocks=1, z_channels=bits, ch_mult=(1, 2), resolution=HEIGHT)
    model = nn.Module()
    model.encoder, model.decoder = networks.Encoder(**sizes), networks.Decoder(**sizes)
    model.quantize = quantizer.LFQ(dim=bits, codebook_size=2 ** bits)
    jitter(model)
    model.model_ema = averages.LitEma(model)
    averaged = {n: v.clone() for n, v in model.state_dict().items()}
    jitter(model)
    state = model.state_dict()
    torch.save({"state_dict": state}, f"{outdir}/magvit2.ckpt")
    model.load_state_dict(averaged)  # what the program itself computes with: ema_scope
    model.eval()
    bytes_ = torch.randint(0, 256, (4, 3, HEIGHT, WIDTH))
    with torch.no_grad():
        quantised, _, codes = model.quantize(model.encoder(2 * (bytes_.float() / 255) - 1))
        image = (model.decoder(quantised) + 1) / 2
    write(f"{outdir}/magvit2.h5", bytes=bytes_.int(), codes=codes.view(4, *MAP).int(), image=image)


def lfq(outdir, clones):
    """Losses as the published settings weigh them: 0.1 for the entropies, 0.25 for the distance."""
    quantizer = module("lookup_free_quantize", f"{clones}/SEED-Voken/src/Open_MAGVIT2/modules/vqvae/lookup_free_quantize.py")
    bits, rows = 5, 64
    model = quantizer.LFQ(dim=bits, codebook_size=2 ** bits).double().train()
    z = (0.01 * torch.randn(rows, bits)).float().double().requires_grad_()
    (quantised, entropy, codes), parts = model(z.t()[None], return_loss_breakdown=True)
    loss = 0.1 * entropy + 0.25 * parts.commitment
    loss.backward()
    with h5py.File(f"{outdir}/../golden/lfq.h5", "w") as h5:
        h5.attrs["rows"], h5.attrs["bits"] = rows, bits
        for name, value in (("z", z), ("quantised", quantised[0].t()), ("loss", loss), ("grad", z.grad)):
            h5.create_dataset(name, data=value.detach().float().numpy())
        h5.create_dataset("codes", data=codes.flatten().int().numpy())


def without_draws(logits, tau=1, hard=True, dim=1):
    """Gumbel's softmax as if nothing were drawn: both programs draw in evaluation too, and what is likeliest is what a codec takes."""
    return nn.functional.one_hot(logits.argmax(dim), logits.shape[dim]).movedim(-1, dim).to(logits)


def gumbel_outputs(model, path, codes_of, shift):
    bytes_ = torch.randint(0, 256, (4, 3, HEIGHT, WIDTH))
    kept, nn.functional.gumbel_softmax = nn.functional.gumbel_softmax, without_draws
    with torch.no_grad():
        image, _, stats = model(bytes_.float() / 255 * (1 + shift) - shift)
    nn.functional.gumbel_softmax = kept
    write(path, bytes=bytes_.int(), codes=codes_of(stats).view(4, *MAP).int(), image=(image + shift) / (1 + shift))


def gumbel_taming(outdir, clones):
    folder, grouped = f"{clones}/taming-transformers/taming", [("num_groups=32", f"num_groups={GROUPS}")]
    for name in ("taming", "taming.modules", "taming.modules.diffusionmodules", "taming.modules.vqvae"):
        empty(name)
    empty("pytorch_lightning", LightningModule=nn.Module)
    empty("main", instantiate_from_config=lambda config: nn.Module())
    module("taming.modules.diffusionmodules.model", f"{folder}/modules/diffusionmodules/model.py", grouped)
    module("taming.modules.vqvae.quantize", f"{folder}/modules/vqvae/quantize.py")
    vqgan = module("taming.vqgan", f"{folder}/models/vqgan.py")
    sizes = dict(double_z=False, z_channels=5, resolution=HEIGHT, in_channels=3, out_ch=3, ch=4, ch_mult=(1, 2), num_res_blocks=1,
                 attn_resolutions=[HEIGHT // 2], dropout=0.0)
    model = vqgan.GumbelVQ(sizes, None, CODES, 5, None)
    jitter(model)
    model.eval()
    model.forward = lambda x: (lambda q, loss, info: (model.decode(q), loss, info))(*model.encode(x))
    torch.save({"state_dict": model.state_dict()}, f"{outdir}/vqgumbel.ckpt")
    gumbel_outputs(model, f"{outdir}/vqgumbel.h5", lambda info: info[2], 1)


def gumbel_unleashing(outdir, clones):
    empty("lpips")
    empty("unleashing")
    empty("unleashing.diffaug", DiffAugment=None)
    empty("utils")
    empty("utils.log_utils", log=print)
    tools = dict.fromkeys(("adopt_weight", "hinge_d_loss", "calculate_adaptive_weight"))
    empty("utils.vqgan_utils", normalize=lambda width: nn.GroupNorm(GROUPS, width, eps=1e-6), swish=nn.functional.silu, **tools)
    vqgan = module("unleashing.vqgan", f"{clones}/unleashing-transformers/models/vqgan.py", [(").cuda()", ")")])
    settings = types.SimpleNamespace(n_channels=3, nf=4, res_blocks=1, codebook_size=CODES, emb_dim=5, ch_mult=[1, 2], img_size=HEIGHT,
                                     attn_resolutions=[HEIGHT // 2], quantizer="gumbel", beta=0.25, gumbel_straight_through=False,
                                     gumbel_kl_weight=1e-8)
    model = vqgan.VQAutoEncoder(settings)
    jitter(model)
    model.eval()
    torch.save({f"ae.{n}": v for n, v in model.state_dict().items()}, f"{outdir}/vqgumbel.th")
    gumbel_outputs(model, f"{outdir}/vqgumbel_th.h5", lambda stats: stats["min_encoding_indices"], 0)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for make in (labelled, plain, net2net, magvit2, lfq, gumbel_taming, gumbel_unleashing):
        torch.manual_seed(4)
        make(*sys.argv[1:])


if __name__ == "__main__":
    main()
