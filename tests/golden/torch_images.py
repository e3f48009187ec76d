"""What is trained beside an autoencoder, and the autoencoder of taming-transformers, in PyTorch: a yardstick as torch_models.py is.

Written from docs/models.md: the variant `taming` of sections 2 and 3, the critic and its weight of section 13, the augmentation of
section 18, the distance of section 19. Parameters are called as in the authors' released checkpoints. Layout is NCHW.
"""
from collections import OrderedDict, namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from torch_models import AttnBlock, Down, NearestQuantizer, Up, group_norm

# ---- the autoencoder of taming-transformers

Sizes = namedtuple("Sizes", "n_channels nf z_channels ch_mult res_blocks img_size attn_resolutions")


def conv3(c_in, c_out):
    return nn.Conv2d(c_in, c_out, 3, padding=1)


class TamingBlock(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.norm1, self.conv1 = group_norm(c_in), conv3(c_in, c_out)
        self.norm2, self.conv2 = group_norm(c_out), conv3(c_out, c_out)
        self.nin_shortcut = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x):
        inner = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(inner)))


class TamingLevel(nn.Module):
    """Residual blocks at one resolution, each with its attention where that is attended."""

    def __init__(self, c_in, c_out, blocks, attends, **resample):
        super().__init__()
        self.block = nn.ModuleList(TamingBlock(c_out if i else c_in, c_out) for i in range(blocks))
        self.attn = nn.ModuleList(AttnBlock(c_out) for _ in range(blocks if attends else 0))
        for name, module in resample.items():
            self.add_module(name, module)
        self.last = list(resample)

    def forward(self, x):
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        for name in self.last:
            x = getattr(self, name)(x)
        return x


def taming_middle(c):
    return nn.Sequential(OrderedDict(block_1=TamingBlock(c, c), attn_1=AttnBlock(c), block_2=TamingBlock(c, c)))


class TamingEncoder(nn.Module):
    def __init__(self, s):
        super().__init__()
        widths = [s.nf * m for m in s.ch_mult]
        self.conv_in = conv3(s.n_channels, s.nf)
        self.down = nn.ModuleList()
        for i, (c_in, c_out) in enumerate(zip([s.nf] + widths, widths)):
            half = {} if i == len(widths) - 1 else dict(downsample=Down(c_out))
            self.down.append(TamingLevel(c_in, c_out, s.res_blocks, s.img_size >> i in s.attn_resolutions, **half))
        self.mid = taming_middle(widths[-1])
        self.norm_out, self.conv_out = group_norm(widths[-1]), conv3(widths[-1], s.z_channels)

    def forward(self, x):
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class TamingDecoder(nn.Module):
    """`up` is numbered by the encoder's levels and run from the last to the first."""

    def __init__(self, s):
        super().__init__()
        widths = [s.nf * m for m in s.ch_mult]
        self.conv_in = conv3(s.z_channels, widths[-1])
        self.mid = taming_middle(widths[-1])
        self.up = nn.ModuleList()
        for i, (c_in, c_out) in enumerate(zip(widths[1:] + widths[-1:], widths)):
            twice = dict(upsample=Up(c_out)) if i else {}
            self.up.append(TamingLevel(c_in, c_out, s.res_blocks + 1, s.img_size >> i in s.attn_resolutions, **twice))
        self.norm_out, self.conv_out = group_norm(widths[0]), conv3(widths[0], s.n_channels)

    def forward(self, z):
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class TamingAutoEncoder(nn.Module):
    def __init__(self, sizes, emb_dim, codebook_size, beta=0.25):
        super().__init__()
        self.encoder, self.decoder = TamingEncoder(sizes), TamingDecoder(sizes)
        self.quantize = NearestQuantizer(codebook_size, emb_dim, beta)
        self.quant_conv = nn.Conv2d(sizes.z_channels, emb_dim, 1)
        self.post_quant_conv = nn.Conv2d(emb_dim, sizes.z_channels, 1)

    def encode(self, x):
        return self.quant_conv(self.encoder(x))

    def forward(self, x):
        q, loss, codes = self.quantize(self.encode(x))
        return self.decoder(self.post_quant_conv(q)), loss, codes


# ---- the critic, and what it counts


class PatchGan(nn.Module):
    """Batch normalisation in training mode: the statistics are those of the images of one call."""

    def __init__(self, n_channels, channels, layers):
        super().__init__()
        widths = [channels << min(i, 3) for i in range(layers + 1)]
        main = [nn.Conv2d(n_channels, channels, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i, (c_in, c_out) in enumerate(zip(widths, widths[1:]), start=1):
            stride = 1 if i == layers else 2
            main += [nn.Conv2d(c_in, c_out, 4, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.LeakyReLU(0.2)]
        self.main = nn.Sequential(*main, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, x):
        return self.main(x)


def critic_loss(real, made):
    return (F.relu(1 - real).mean() + F.relu(1 + made).mean()) / 2


def adaptive_weight(error, adversarial, kernel, most=1.0):
    """What the adversarial loss is multiplied by, and the lengths of both gradients in `kernel`."""
    first, second = (torch.autograd.grad(loss, kernel, retain_graph=True)[0].norm() for loss in (error, adversarial))
    return (first / (second + 1e-4)).clamp(max=most), first, second


def diffaug(x, brightness, saturation, contrast, shift_y, shift_x):
    """Draws u of [0, 1) and shifts in pixels, one of each an image."""
    n, _, height, width = x.shape
    u_b, u_s, u_c = (u.reshape(n, 1, 1, 1) for u in (brightness, saturation, contrast))
    x = x + u_b - 0.5
    x = torch.lerp(x.mean(1, keepdim=True).expand_as(x), x, 2 * u_s)
    x = torch.lerp(x.mean((1, 2, 3), keepdim=True).expand_as(x), x, u_c + 0.5)
    border = int(max(shift_y.abs().max(), shift_x.abs().max()))
    x = F.pad(x, (border,) * 4)  # what a shift brings in from outside is 0
    corners = [(border + int(down), border + int(right)) for down, right in zip(shift_y, shift_x)]
    return torch.stack([image[:, top:top + height, left:left + width] for image, (top, left) in zip(x, corners)])


# ---- the perceptual distance


class Lpips(nn.Module):
    """LPIPS's distance of what the five blocks of VGG16 end with; weights made up, channels a part 1 / `thin` of the published."""

    def __init__(self, thin):
        super().__init__()
        self.scaling_layer, self.net = nn.Module(), nn.Module()
        self.scaling_layer.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1))
        self.scaling_layer.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1))
        place, c_in = 0, 3
        for i, (convolutions, width) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))):
            block = nn.Module()
            for _ in range(convolutions):
                convolution = conv3(c_in, width // thin)
                nn.init.kaiming_normal_(convolution.weight)  # so that what a and b are still shows behind thirteen of them
                block.add_module(str(place), convolution)
                place, c_in = place + 2, width // thin  # a convolution and its activation
            place += 1  # the pooling
            self.net.add_module(f"slice{i + 1}", block)
            head = nn.Module()  # the published one has a dropout, which is off, as its first layer
            head.model = nn.Sequential(nn.Identity(), nn.Conv2d(c_in, 1, 1, bias=False))
            nn.init.uniform_(head.model[1].weight, 0, 1)
            self.add_module(f"lin{i}", head)

    def forward(self, a, b):
        """a and b (N, 3, H, W) -> (N,)"""
        a, b = ((x - self.scaling_layer.shift) / self.scaling_layer.scale for x in (a, b))
        distance = torch.zeros(len(a))
        for i in range(5):
            if i:
                a, b = F.max_pool2d(a, 2), F.max_pool2d(b, 2)
            for convolution in getattr(self.net, f"slice{i + 1}").children():
                a, b = convolution(a).relu(), convolution(b).relu()
            unit_a, unit_b = (x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10) for x in (a, b))
            distance = distance + getattr(self, f"lin{i}").model((unit_a - unit_b).square()).mean((1, 2, 3))
        return distance
