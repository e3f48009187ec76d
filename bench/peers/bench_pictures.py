#!/usr/bin/env python3
"""Time pictures to codes from end to end, in processor seconds: `tessera encode` and PyTorch with a DataLoader; one JSON line each.

usage: bench_pictures.py FOLDER [--program build/tessera] [--images N] [--rounds R] [--batch B] [--eager] [--light | --small | --large]

The first N pictures of FOLDER become codes: read, decoded, scaled until the shorter side fits, cropped to the centre, encoded.
  --light                64 x 64 pixels, nf=32, fewer channels further in, no attention, K=256: decoding counts most
  --small (the default)  64 x 64 pixels, nf=32, K=256: the encoder counts more than decoding
  --large                256 x 256 pixels, nf=128, K=1024: the encoder counts
Peers: Pillow in a DataLoader of two workers, and torchvision's JPEG decoder with its uint8 resize in the same, each before an encoder of the
same sizes by torch.compile. Ours is a whole run of the command, its start and the archive it writes included; a peer's time begins when its
modules are imported and its encoder is compiled. Processor seconds are user and system time of all processes and threads, which a busy
machine changes little; sides take turns. Weights are random: codes mean nothing here.
Needs torch, torchvision, pillow.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "golden"))
SIZES = {
    "light": dict(n_channels=3, nf=32, emb_dim=16, ch_mult=(1, 1, 2), res_blocks=1, img_size=64, attn_resolutions=(), codebook_size=256),
    "small": dict(n_channels=3, nf=32, emb_dim=64, ch_mult=(1, 2, 4), res_blocks=1, img_size=64, attn_resolutions=(16,), codebook_size=256),
    "large": dict(n_channels=3, nf=128, emb_dim=256, ch_mult=(1, 1, 2, 2, 4), res_blocks=2, img_size=256, attn_resolutions=(16,),
                  codebook_size=1024),
}
PIPELINE = """tessera: 1
name: tokenizer
stages:
  images: {{use: import, source: {{use: folder, path: few}}, size: {img_size}, crop: {img_size}, channels: 3}}
  tokenizer:
    use: train-autoencoder
    in: {{images: images}}
    steps: 1
    batch: 4
    encoder: {{use: conv, channels: {nf}, channel_mult: [{mult}], res_blocks: {res_blocks}, attn_resolutions: [{attention}]}}
    decoder: {{use: conv}}
    quantizer: {{use: ema, codebook_size: {codebook_size}, code_dim: {emb_dim}}}
"""


def used(who):
    r = resource.getrusage(who)
    return r.ru_utime + r.ru_stime


def ours(a, folder, work):
    """Processor seconds of a run of the command."""
    out = os.path.join(work, "codes.h5")
    if os.path.exists(out):
        os.remove(out)
    before = used(resource.RUSAGE_CHILDREN)
    subprocess.run([a.program, "encode", folder, "-m", os.path.join(work, "tokenizer.h5"), "-o", out, "-q", "--threads", "2",
                    "--batch", str(a.batch)], check=True, stdout=subprocess.DEVNULL)
    return used(resource.RUSAGE_CHILDREN) - before


def tokenizer(a, sizes, folder, work):
    """Has the command train one step of a tokenizer of these sizes."""
    few = os.path.join(work, "few")
    os.mkdir(few)
    for name in sorted(os.listdir(folder))[:4]:
        os.symlink(os.path.join(folder, name), os.path.join(few, name))
    words = dict(sizes, mult=", ".join(map(str, sizes["ch_mult"])), attention=", ".join(map(str, sizes["attn_resolutions"])))
    with open(os.path.join(work, "p.yaml"), "w") as f:
        f.write(PIPELINE.format(**words))
    subprocess.run([a.program, "run", "p.yaml", "-q"], cwd=work, check=True)
    shutil.copy(os.path.join(work, "runs/tokenizer/tokenizer.h5"), os.path.join(work, "tokenizer.h5"))


def peer(kind, sizes, paths, batch, eager):
    """In a process of its own: processor seconds of one pass over the pictures, its workers' among them."""
    import torch
    import torchvision
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms.v2 import functional as F
    from PIL import Image

    from torch_models import VQAutoEncoder
    torch.set_num_threads(2)
    side = sizes["img_size"]

    class Pictures(Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, i):
            if kind == "pillow":
                with Image.open(paths[i]) as im:
                    im = im.convert("RGB")
                    scale = side / min(im.size)
                    im = im.resize([max(side, int(v * scale)) for v in im.size], Image.Resampling.BILINEAR)
                return F.center_crop(F.pil_to_tensor(im), side)
            im = torchvision.io.decode_image(torchvision.io.read_file(paths[i]), mode="RGB")
            return F.center_crop(F.resize(im, side, antialias=True), side)

    model = VQAutoEncoder(**sizes).eval()

    def encode(x):
        return model.quantize.indices(model.encoder(x.float().div(127.5).sub(1)))

    run = encode if eager else torch.compile(encode)
    with torch.no_grad():
        run(torch.zeros(batch, 3, side, side, dtype=torch.uint8))
        before = used(resource.RUSAGE_SELF) + used(resource.RUSAGE_CHILDREN)
        for images in DataLoader(Pictures(), batch_size=batch, num_workers=2, drop_last=True):
            run(images)
    return used(resource.RUSAGE_SELF) + used(resource.RUSAGE_CHILDREN) - before


def report(case, records, n):
    for name, seconds in records.items():
        s = statistics.median(seconds)
        print(json.dumps(dict(case=case, peer=name, images=n, seconds=[round(v, 2) for v in seconds], rate=round(n / s, 1),
                              unit="images/processor second")), flush=True)
    best = statistics.median(records["tessera"])
    for name, seconds in records.items():
        if name != "tessera":
            print(f"{case}: {statistics.median(seconds) / best:.2f} x {name}", file=sys.stderr)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--program", default="build/tessera")
    p.add_argument("--images", type=int, default=512)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--eager", action="store_true")
    p.add_argument("--light", dest="case", action="store_const", const="light")
    p.add_argument("--small", dest="case", action="store_const", const="small", default="small")
    p.add_argument("--large", dest="case", action="store_const", const="large")
    p.add_argument("--peer", help=argparse.SUPPRESS)
    a = p.parse_args()
    sizes, folder = SIZES[a.case], os.path.abspath(a.folder)
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))[:a.images]]
    paths = paths[:len(paths) // a.batch * a.batch]
    if a.peer:
        print(peer(a.peer, sizes, paths, a.batch, a.eager))
        return
    a.program = os.path.abspath(a.program)
    with tempfile.TemporaryDirectory(prefix="tessera-pictures-") as work:
        pictures = os.path.join(work, "pictures")
        os.mkdir(pictures)
        for path in paths:
            os.symlink(os.path.realpath(path), os.path.join(pictures, os.path.basename(path)))
        tokenizer(a, sizes, pictures, work)
        records = {"tessera": [], "pillow": [], "torchvision": []}
        for r in range(a.rounds):
            for name in list(records) if r % 2 == 0 else reversed(list(records)):
                if name == "tessera":
                    records[name].append(ours(a, pictures, work))
                else:
                    out = subprocess.run([sys.executable, __file__, pictures, "--peer", name, "--batch", str(a.batch), "--images",
                                          str(a.images)] + ["--" + a.case] + ["--eager"] * a.eager, check=True, text=True,
                                         stdout=subprocess.PIPE).stdout
                    records[name].append(float(out.split()[-1]))
        report(a.case, records, len(paths))


if __name__ == "__main__":
    main()
