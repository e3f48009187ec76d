"""The models of this project in PyTorch, as a yardstick: golden values and checkpoints for the tests come from them, and
bench/peers/bench_torch.py times them.

Written from the published architectures. Parameter names follow the naming of the authors' released checkpoints, which is
the naming of the weights in Tessera too. Layout is NCHW, as PyTorch has it.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


GROUPS = 32  # of every group normalisation; small checkpoints are written with fewer


def group_norm(channels):
    return nn.GroupNorm(GROUPS, channels, eps=1e-6)


class ResBlock(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.norm1 = group_norm(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = group_norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        # released checkpoints carry conv_out even where c_in == c_out (it is unused there)
        self.conv_out = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        skip = x if x.shape[1] == h.shape[1] else self.conv_out(x)
        return skip + h


class AttnBlock(nn.Module):
    """Single-head self-attention over all pixels."""

    def __init__(self, c):
        super().__init__()
        self.norm = group_norm(c)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(c, c, 1) for _ in range(4))

    def forward(self, x):
        b, c, h, w = x.shape
        y = self.norm(x)
        q, k, v = (f(y).flatten(2).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = torch.softmax(q @ k.transpose(1, 2) * c ** -0.5, dim=-1)
        return x + self.proj_out((a @ v).transpose(1, 2).reshape(b, c, h, w))


class Down(nn.Module):
    """Stride-2 convolution, zero-padded by one pixel on the right and the bottom only."""

    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Up(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Stack(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def encoder(n_channels, nf, emb_dim, ch_mult, res_blocks, img_size, attn_resolutions):
    blocks, c, res = [nn.Conv2d(n_channels, nf, 3, padding=1)], nf, img_size
    for level, mult in enumerate(ch_mult):
        for _ in range(res_blocks):
            blocks.append(ResBlock(c, nf * mult))
            c = nf * mult
            if res in attn_resolutions:
                blocks.append(AttnBlock(c))
        if level != len(ch_mult) - 1:
            blocks.append(Down(c))
            res //= 2
    blocks += [ResBlock(c, c), AttnBlock(c), ResBlock(c, c)]
    blocks += [group_norm(c), nn.Conv2d(c, emb_dim, 3, padding=1)]
    return Stack(blocks)


def generator(n_channels, nf, emb_dim, ch_mult, res_blocks, img_size, attn_resolutions):
    c, res = nf * ch_mult[-1], img_size // 2 ** (len(ch_mult) - 1)
    blocks = [nn.Conv2d(emb_dim, c, 3, padding=1), ResBlock(c, c), AttnBlock(c), ResBlock(c, c)]
    for level in reversed(range(len(ch_mult))):
        for _ in range(res_blocks):
            blocks.append(ResBlock(c, nf * ch_mult[level]))
            c = nf * ch_mult[level]
            if res in attn_resolutions:
                blocks.append(AttnBlock(c))
        if level != 0:
            blocks.append(Up(c))
            res *= 2
    blocks += [group_norm(c), nn.Conv2d(c, n_channels, 3, padding=1)]
    return Stack(blocks)


class NearestQuantizer(nn.Module):
    """Nearest neighbour with straight-through gradients.

    beta_on_codebook=True reproduces the released code, which weights the codebook term by
    beta and the commitment term by one; False is what the papers write.
    """

    def __init__(self, codebook_size, emb_dim, beta=0.25, beta_on_codebook=True):
        super().__init__()
        self.embedding = nn.Embedding(codebook_size, emb_dim)
        nn.init.uniform_(self.embedding.weight, -1.0 / codebook_size, 1.0 / codebook_size)
        self.beta, self.beta_on_codebook = beta, beta_on_codebook

    def indices(self, z):
        flat = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        w = self.embedding.weight
        d = flat.pow(2).sum(1, keepdim=True) + w.pow(2).sum(1) - 2 * flat @ w.t()
        return d.argmin(1)

    def forward(self, z):
        b, d, h, w = z.shape
        idx = self.indices(z)
        q = self.embedding(idx).view(b, h, w, d).permute(0, 3, 1, 2)
        commit, book = F.mse_loss(q.detach(), z), F.mse_loss(q, z.detach())
        loss = commit + self.beta * book if self.beta_on_codebook else book + self.beta * commit
        return z + (q - z).detach(), loss, idx


class VQAutoEncoder(nn.Module):
    def __init__(self, n_channels=3, nf=128, emb_dim=256, ch_mult=(1, 1, 2, 2, 4), res_blocks=2,
                 img_size=256, attn_resolutions=(16,), codebook_size=1024, beta=0.25):
        super().__init__()
        a = (n_channels, nf, emb_dim, tuple(ch_mult), res_blocks, img_size, tuple(attn_resolutions))
        self.encoder, self.generator = encoder(*a), generator(*a)
        self.quantize = NearestQuantizer(codebook_size, emb_dim, beta)

    def forward(self, x):
        q, loss, idx = self.quantize(self.encoder(x))
        return self.generator(q), loss, idx


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x, causal):
        b, t, c = x.shape
        q, k, v = (f(x).view(b, t, self.heads, c // self.heads).transpose(1, 2)
                   for f in (self.query, self.key, self.value))
        a = q @ k.transpose(-2, -1) / math.sqrt(c // self.heads)
        if causal:
            a = a.masked_fill(torch.ones(t, t).tril() == 0, float("-inf"))
        return self.proj((torch.softmax(a, -1) @ v).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x, causal):
        x = x + self.attn(self.ln1(x), causal)
        return x + self.mlp(self.ln2(x))


class Transformer(nn.Module):
    """Denoiser (bidirectional, vocabulary K + 1 with the mask last) or, causal, the AR baseline."""

    def __init__(self, codebook_size=1024, width=512, heads=8, layers=24, tokens=256, causal=False):
        super().__init__()
        self.causal = causal
        self.tok_emb = nn.Embedding(codebook_size + (0 if causal else 1), width)
        self.pos_emb = nn.Parameter(torch.zeros(1, tokens, width))
        self.start_tok = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, codebook_size, bias=False)

    def forward(self, idx):
        x = self.tok_emb(idx)
        if self.causal:
            x = torch.cat((self.start_tok.expand(x.shape[0], 1, -1), x), 1)
        x = x + self.pos_emb[:, :x.shape[1]]
        for block in self.blocks:
            x = block(x, self.causal)
        return self.head(self.ln_f(x))


def absorbing_loss(denoiser, x0, t, keep_out, total_steps=256, kind="reweighted_elbo", mask_id=None):
    """Absorbing-diffusion training loss; keep_out is the boolean mask of absorbed tokens."""
    k = denoiser.head.out_features
    x_t = x0.masked_fill(keep_out, k if mask_id is None else mask_id)
    ce = F.cross_entropy(denoiser(x_t).transpose(1, 2), x0, reduction="none") * keep_out
    ce, n, tf = ce.sum(1), x0.shape[1], t.float()
    vb = ce * total_steps / tf / (math.log(2) * n)
    if kind == "elbo":
        loss = vb
    elif kind == "mlm":
        loss = ce / keep_out.sum(1).clamp(min=1)
    else:
        loss = (1 - tf / total_steps) * ce / (math.log(2) * n)
    return loss.mean(), vb.mean()


# ---- VQ-DDM's denoiser over a map of codes


def conv_norm_mish(c_in, c_out):
    """Convolution, then norm, then activation: the order of the U-Net's blocks."""
    layer = nn.Module()
    layer.block = nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), nn.GroupNorm(8, c_out), nn.Mish())
    return layer


class UnetBlock(nn.Module):
    def __init__(self, c_in, c_out, c_time):
        super().__init__()
        self.mlp = nn.Sequential(nn.Mish(), nn.Linear(c_time, c_out))
        self.block1 = conv_norm_mish(c_in, c_out)
        self.block2 = conv_norm_mish(c_out, c_out)
        if c_in != c_out:
            self.res_conv = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x, time):
        h = self.block1.block(x) + self.mlp(time).unsqueeze(-1).unsqueeze(-1)
        return self.block2.block(h) + (self.res_conv(x) if hasattr(self, "res_conv") else x)


class UnetAttention(nn.Module):
    """x + g A(x). Each channel of the keys is a distribution over the places; queries are taken as they are."""

    def __init__(self, c, heads=4, head_dim=32):
        super().__init__()
        inner = heads * head_dim
        self.heads = heads
        self.fn = nn.Module()
        self.fn.g = nn.Parameter(torch.zeros(1))
        self.fn.fn = nn.Module()
        self.fn.fn.to_qkv = nn.Conv2d(c, 3 * inner, 1, bias=False)
        self.fn.fn.to_out = nn.Conv2d(inner, c, 1)

    def forward(self, x):
        n, _, h, w = x.shape
        qkv = self.fn.fn.to_qkv(x).view(n, 3, self.heads, -1, h * w)
        q, k, v = qkv[:, 0], torch.softmax(qkv[:, 1], -1), qkv[:, 2]
        context = torch.einsum("nhdp,nhep->nhde", k, v)
        y = torch.einsum("nhde,nhdp->nhep", context, q).reshape(n, -1, h, w)
        return x + self.fn.g * self.fn.fn.to_out(y)


class Resample(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return self.conv(x)


class Unet(nn.Module):
    """The first level's skip connection is never used, as published; so `mults` begins with 1."""

    def __init__(self, codebook_size=1024, dim=128, mults=(1, 2, 4, 8)):
        super().__init__()
        widths = [dim * m for m in mults]
        self.dim = dim
        self.embedding = nn.Embedding(codebook_size, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.Mish(), nn.Linear(4 * dim, dim))
        self.downs, self.ups, c = nn.ModuleList(), nn.ModuleList(), dim
        for level, width in enumerate(widths):
            last = level == len(widths) - 1
            down = nn.Identity() if last else Resample(nn.Conv2d(width, width, 3, stride=2, padding=1))
            self.downs.append(nn.ModuleList((UnetBlock(c, width, dim), UnetBlock(width, width, dim), UnetAttention(width), down)))
            c = width
        self.mid_block1, self.mid_attn, self.mid_block2 = UnetBlock(c, c, dim), UnetAttention(c), UnetBlock(c, c, dim)
        for width in widths[-2::-1]:
            up = Resample(nn.ConvTranspose2d(width, width, 4, stride=2, padding=1))
            self.ups.append(nn.ModuleList((UnetBlock(2 * c, width, dim), UnetBlock(width, width, dim), UnetAttention(width), up)))
            c = width
        self.final_conv = nn.Sequential(conv_norm_mish(dim, dim), nn.Conv2d(dim, codebook_size, 1))

    def forward(self, time, codes):
        """time (N,), t / T; codes (N, h, w) -> logits (N, K, h, w)"""
        half = self.dim // 2
        angle = 4000 * time.unsqueeze(1) * torch.exp(-math.log(10000) / (half - 1) * torch.arange(half))
        time = self.mlp(torch.cat((angle.sin(), angle.cos()), 1))
        x, skips = self.embedding(codes).movedim(-1, 1), []
        for first, second, attention, down in self.downs:
            x = attention(second(first(x, time), time))
            skips.append(x)
            x = down(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, time)), time)
        for first, second, attention, up in self.ups:
            x = up(attention(second(first(torch.cat((x, skips.pop()), 1), time), time)))
        return self.final_conv[1](self.final_conv[0].block(x))
