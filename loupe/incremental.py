"""What the next subpixel changes, and nothing else: the prior network with a cache for each layer.

    steps = Steps(flatten(model), count=16, width=32, height=32)
    steps.begin_row(y)                       # the vertical stack, a whole row at once
    steps.know(y, 0, 5)                      # columns whose pixels are given: all at once
    steps.begin_pixel(y, x)                  # what the pixels to the left say, in all layers at once
    logits = steps.logits(colour)            # (256,count): R, G, B in turn, each after
    steps.set(colour, values)                # its predecessor is known

Rows above reach a pixel through the vertical stack only, which so runs once a row. Pixels to the left are complete,
so what they add to all layers is one batched product. At the pixel itself the features of one colour depend on
those of the colours before it, which again are known in all layers; what is left to be done layer by layer is a third
of the centre tap. Arrays have the batch last: a layer is a product of a weight with (features, batch).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from loupe.choosing import Floats
from loupe.models.pixel_recursive import LEVELS, GatedLayer, PixelRecursive, colour_groups, gate

Span = tuple[int, int]
ONE_THREAD = 4 * 65536  # multiplications up to which OpenBLAS takes one thread (its interface/gemm.c)
LEAST_ROWS = 16  # of a block: fewer are slow


def spans(count: int) -> list[Span]:
    """Begin and end of the features of R, G and B."""
    sizes = torch.bincount(colour_groups(count), minlength=3).tolist()
    return [(sum(sizes[:g]), sum(sizes[: g + 1])) for g in range(3)]


@dataclass(frozen=True)
class Vertical:
    """One layer of the vertical stack with its link to the horizontal one, as tensors of convolutions."""

    weight: Tensor
    bias: Tensor
    link: Tensor
    link_bias: Tensor


@dataclass(frozen=True)
class Flat:
    """The prior's weights, flattened per tap. L layers, F features in ``groups``, 2F gate rows, D hidden.

    Gate rows are ordered by colour, values before openings, and openings are halved: then both halves of the gate are
    one tanh, as sigmoid(x) = (1 + tanh(x/2)) / 2; the factor outside is in ``out``.
    """

    reach: int  # of the first layer
    taps: int  # to the left, of the others
    groups: list[Span]
    hidden_groups: list[Span]
    first_vertical: tuple[Tensor, Tensor]
    verticals: list[Vertical]
    first_left: Floats  # (F, reach*3)
    first_centre: Floats  # (F, 3)
    first_bias: Floats  # (F, 1)
    left: Floats  # (L, 2F, taps*F)
    centre: Floats  # (L, 2F, F)
    out: Floats  # (L, F, F)
    out_bias: Floats  # (L, F, 1)
    hidden: Floats  # (D, F)
    hidden_bias: Floats  # (D, 1)
    logits: Floats  # (3, 256, D)
    logits_bias: Floats  # (3, 256, 1)


def flatten(model: PixelRecursive) -> Flat:
    """The weights of the model's prior as ``Steps`` wants them; in the model's precision, on the CPU."""
    prior, features = model.prior, model.config.prior_features
    groups = spans(features)
    rows = torch.cat([torch.cat([torch.arange(a, b), features + torch.arange(a, b)]) for a, b in groups])
    dtype = prior.logits.weight.dtype
    halved = torch.cat([torch.cat([torch.ones(b - a), torch.full((b - a,), 0.5)]) for a, b in groups]).to(dtype)
    verticals, left, centre, out, out_bias = [], [], [], [], []
    for layer in cast(Iterable[GatedLayer], prior.layers):
        weight = (layer.horizontal.weight * layer.horizontal.mask)[rows, :, 0] * halved[:, None, None]  # (2F,F,taps+1)
        left.append(weight[:, :, :-1].transpose(1, 2).flatten(1))
        centre.append(weight[:, :, -1])
        out.append((layer.out.weight * layer.out.mask)[:, :, 0, 0] / 2)
        out_bias.append(_bias(layer.out)[:, None])
        link = layer.link.weight[rows] * halved[:, None, None, None]
        link_bias = (_bias(layer.link) + _bias(layer.horizontal))[rows] * halved
        verticals.append(Vertical(layer.vertical.weight.detach(), _bias(layer.vertical), link.detach(), link_bias))
    first = (prior.horizontal.weight * prior.horizontal.mask)[:, :, 0]  # (F,3,reach+1)
    reach = first.shape[2] - 1

    def array(tensor: Tensor) -> Floats:
        return np.ascontiguousarray(tensor.detach().cpu().numpy())

    return Flat(
        reach=reach,
        taps=model.config.kernel // 2,
        groups=groups,
        hidden_groups=spans(model.config.hidden),
        first_vertical=(prior.vertical.weight.detach(), _bias(prior.vertical)),
        verticals=verticals,
        first_left=array(first[:, :, :-1].transpose(1, 2).flatten(1)),
        first_centre=array(first[:, :, -1]),
        first_bias=array(_bias(prior.horizontal)[:, None]),
        left=array(torch.stack(left)),
        centre=array(torch.stack(centre)),
        out=array(torch.stack(out)),
        out_bias=array(torch.stack(out_bias)),
        hidden=array((prior.hidden.weight * prior.hidden.mask)[:, :, 0, 0]),
        hidden_bias=array(_bias(prior.hidden)[:, None]),
        logits=array((prior.logits.weight * prior.logits.mask)[:, :, 0, 0].view(3, LEVELS, -1)),
        logits_bias=array(_bias(prior.logits).view(3, LEVELS, 1)),
    )


def _bias(convolution: torch.nn.Conv2d) -> Tensor:
    assert convolution.bias is not None  # noqa: S101  (ours all have one)
    return convolution.bias.detach()


class Steps:
    """``count`` pictures of one size on their way, all at the same subpixel. Not thread-safe; make one for each run.

    ``canvas`` (reach+H, reach+W+reach, 3, count) holds pixels in [-1,1], with a border of zeros as in the network.
    ``inside`` (H,W,count), 1 or 0: where each picture is, when it does not fill its place; the canvas must stay zero
    elsewhere, and what the network makes of that is set to zero too, as beyond a border.
    """

    def __init__(self, flat: Flat, *, count: int, height: int, width: int, inside: Floats | None = None) -> None:
        self.flat, self.width, self._inside = flat, width, inside
        dtype = flat.first_left.dtype
        layers, gates, features = flat.left.shape[0], flat.left.shape[1], flat.first_left.shape[0]
        reach, taps = flat.reach, flat.taps
        self.canvas = np.zeros((reach + height, width + 2 * reach, 3, count), dtype)
        tensor_type = flat.first_vertical[0].dtype
        self._rows = [
            torch.zeros(count, features, taps + 1, width + 2 * taps, dtype=tensor_type) for _ in range(layers)
        ]
        self._link = np.empty((width, layers, gates, count), dtype)
        self._h = np.zeros((layers, width + taps, features, count), dtype)  # what goes into each layer
        self._gated = np.empty((layers, features, count), dtype)
        self._last = np.empty((features, count), dtype)
        self._hidden = np.empty((flat.hidden.shape[0], count), dtype)
        self._work = np.empty((gates, count), dtype)
        self._parts = [_Colour(flat, group, count) for group in range(3)]

    def begin_row(self, y: int) -> None:
        """Run the vertical stack for row ``y``; all rows above must be known."""
        flat, taps = self.flat, self.flat.taps
        above = torch.from_numpy(self.canvas[y : y + flat.reach]).permute(3, 2, 0, 1)  # (N,3,reach,W+2*reach)
        v = F.conv2d(above, *flat.first_vertical)  # (N,F,1,W)
        inside = None if self._inside is None else torch.from_numpy(self._inside[y].T)[:, None]  # (N,1,W)
        for index, (layer, rows) in enumerate(zip(flat.verticals, self._rows, strict=True)):
            rows[:, :, :-1] = rows[:, :, 1:].clone()
            rows[:, :, -1, taps : taps + self.width] = v[:, :, 0] if inside is None else v[:, :, 0] * inside
            v = v + gate(F.conv2d(rows, layer.weight, layer.bias))
            link = F.conv2d(v, layer.link, layer.link_bias)[:, :, 0]  # (N,2F,W)
            self._link[:, index] = link.permute(2, 1, 0).numpy()

    def know(self, first: int, last: int, y: int) -> None:
        """Fill the caches of columns ``first`` up to ``last`` of row ``y``, whose pixels are on the canvas."""
        flat, reach, taps = self.flat, self.flat.reach, self.flat.taps
        pixels = self.canvas[y + reach]
        inputs = np.stack([pixels[x : x + reach].reshape(3 * reach, -1) for x in range(first, last)])
        h = flat.first_left @ inputs + flat.first_centre @ pixels[first + reach : last + reach] + flat.first_bias
        begins = flat.groups
        for index in range(len(flat.left)):
            cache = self._h[index]
            cache[first + taps : last + taps] = h if self._inside is None else h * self._inside[y, first:last, None]
            z = self._link[first:last, index] + flat.centre[index] @ h
            left = np.stack([cache[x : x + taps].reshape(-1, cache.shape[-1]) for x in range(first, last)])
            np.tanh(z + flat.left[index] @ left, out=z)
            gated = np.concatenate([z[:, 2 * a : a + b] * (1 + z[:, a + b : 2 * b]) for a, b in begins], 1)
            h = h + flat.out[index] @ gated + flat.out_bias[index]

    def begin_pixel(self, y: int, x: int) -> None:
        """Take what the pixels to the left of (``y``, ``x``) say."""
        flat, reach, taps = self.flat, self.flat.reach, self.flat.taps
        count = self.canvas.shape[-1]
        pixels = self.canvas[y + reach, x : x + reach].reshape(-1, count)
        self._first = flat.first_left @ pixels + flat.first_bias
        self._pixel = self.canvas[y + reach, x + reach]  # (3,N), a view
        known = self._h[:, x : x + taps].reshape(len(self._h), -1, count)
        self._before = flat.left @ known
        self._before += self._link[x]
        self._out = np.repeat(flat.out_bias, count, axis=2)
        self._here = self._h[:, x + taps]  # (L,F,N), a view

    def logits(self, colour: int) -> Floats:
        """(256,count) of the prior alone. The colours before this one must be set."""
        part, flat = self._parts[colour], self.flat
        a, b = part.span
        h = self._first[a:b]
        if colour:
            h = h + part.first_centre @ self._pixel[:colour]
        before, out = self._before[:, 2 * a : 2 * b], self._out[:, a:b]
        here, gated = self._here[:, a:b], self._gated[:, a:b]
        z, size = self._work[: 2 * (b - a)], b - a
        values, openings = z[:size], z[size:]
        for index in range(len(here)):
            here[index] = h
            np.matmul(part.centre[index], h, out=z)
            z += before[index]
            np.tanh(z, out=z)
            openings += 1
            np.multiply(values, openings, out=gated[index])
            step = part.out[index] @ gated[index]
            step += out[index]
            h = h + step
        np.maximum(h, 0, out=self._last[a:b])
        begin, end = flat.hidden_groups[colour]
        hidden = part.hidden @ self._last[:b]
        hidden += flat.hidden_bias[begin:end]
        np.maximum(hidden, 0, out=self._hidden[begin:end])
        logits: Floats = (part.logits @ self._hidden[:end]).reshape(LEVELS, -1)
        logits += flat.logits_bias[colour]
        return logits

    def set(self, colour: int, values: Floats) -> None:
        """The subpixel is known: (count,) in [-1,1]. Tell the colours after it, in all layers at once."""
        self._pixel[colour] = values
        if colour < 2:
            part = self._parts[colour]
            a, b = part.span
            self._before[:, 2 * b :] += part.centre_later @ self._here[:, a:b]
            self._out[:, b:] += part.out_later @ self._gated[:, a:b]


def in_blocks(weight: Floats, count: int) -> Floats:
    """(R,K) -> (blocks,R/blocks,K), so that a block times (K,count) is too little for BLAS to share among threads:
    on a busy machine they would wait for each other thousands of times a picture. R is a power of two.
    """
    rows, inner = weight.shape
    fitting = max(LEAST_ROWS, ONE_THREAD // (inner * count))
    rows_each = min(rows, 1 << (fitting.bit_length() - 1))
    return weight.reshape(-1, rows_each, inner)


class _Colour:
    """The weights into the features of one colour, and from them into those of later colours."""

    def __init__(self, flat: Flat, colour: int, count: int) -> None:
        a, b = self.span = flat.groups[colour]
        begin, end = flat.hidden_groups[colour]
        self.first_centre = np.ascontiguousarray(flat.first_centre[a:b, :colour])
        self.centre = np.ascontiguousarray(flat.centre[:, 2 * a : 2 * b, a:b])
        self.centre_later = np.ascontiguousarray(flat.centre[:, 2 * b :, a:b])
        self.out = np.ascontiguousarray(flat.out[:, a:b, a:b])
        self.out_later = np.ascontiguousarray(flat.out[:, b:, a:b])
        self.hidden = np.ascontiguousarray(flat.hidden[begin:end, :b])
        self.logits = in_blocks(np.ascontiguousarray(flat.logits[colour, :, :end]), count)  # (blocks,rows,D)
