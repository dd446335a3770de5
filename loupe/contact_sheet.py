"""The same crops side by side: the input, bicubic, each model and the truth, with the PSNR of each.

    sheet = make_sheet(pairs, {"edsr_x4": enlarging(backend)}, scale=4)
    Path("sheet.html").write_text(page("Contact sheet", [sheet_html(sheet)], style=SHEET_STYLE))

From each picture the square with the most texture is taken, where models differ most: it flatters none and is the same
in every sheet of the picture. Only the crop and its surroundings are enlarged. Crops are WebP of quality 95, so that a
page of eight pictures stays below 1 MB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from loupe.assessment import finite_psnr
from loupe.backends import MAX_HALO
from loupe.degrade import bicubic_upscale
from loupe.evaluation import Enlarge, Pair, read_pair, to_uint8
from loupe.images import Picture, encode
from loupe.markup import Safe, code, data_uri, escape, markdown_table
from loupe.metrics import luma, psnr
from loupe.settings import Limits

PICTURES = 8
SIDE = 192  # high-resolution pixels
MARGIN = MAX_HALO  # low-resolution pixels around the crop, so that its border is what the whole picture would give
SHEET_STYLE = """
.sheet{display:grid;gap:.9rem .5rem;overflow-x:auto;margin:.6rem 0 1.6rem}
.sheet figure{margin:0;min-width:7.5rem}.sheet img{display:block;width:100%;height:auto;border-radius:3px}
.sheet figcaption{font-size:.85rem;line-height:1.35;margin-top:.25rem}.sheet h3{grid-column:1/-1;font-size:.95rem;
margin:.4rem 0 0;font-weight:600;overflow-wrap:anywhere}
"""


@dataclass(frozen=True)
class Crop:
    """One cell: WebP bytes; ``psnr_y`` of the crop in dB, None for the truth and for the input as it is."""

    label: str
    webp: bytes
    psnr_y: float | None


@dataclass(frozen=True)
class Strip:
    """The crops of one picture, in the order of the columns; ``box`` is left, top, side in high-resolution pixels."""

    name: str
    box: tuple[int, int, int]
    crops: tuple[Crop, ...]


@dataclass(frozen=True)
class Sheet:
    """Strips that all have the same labels."""

    strips: tuple[Strip, ...]


def make_sheet(
    pairs: Sequence[Pair],
    models: Mapping[str, Enlarge],
    scale: int,
    *,
    pictures: int = PICTURES,
    side: int = SIDE,
    limits: Limits | None = None,
) -> Sheet:
    """Of at most ``pictures`` of the pairs, evenly spread. Raises what ``read_pair`` and the models raise."""
    count = min(pictures, len(pairs))
    chosen = [pairs[index * len(pairs) // count] for index in range(count)]
    columns: dict[str, Enlarge] = {"bicubic": partial(bicubic_upscale, factor=scale), **models}
    return Sheet(
        tuple(
            _strip(pair.hr.stem, *read_pair(pair, scale, limits or Limits()), columns, scale, side) for pair in chosen
        )
    )


def find_texture(hr: Tensor, side: int, step: int) -> tuple[int, int]:
    """(top, left), multiples of ``step``, of the square of (1,3,H,W) with the strongest Laplacian; the first of equals.

    ``side`` is at most the shorter side.
    """
    light = luma(hr)
    kernel = light.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]]).view(1, 1, 3, 3)
    energy = F.conv2d(F.pad(light, (1, 1, 1, 1), mode="replicate"), kernel).square()
    rows = F.avg_pool2d(energy, (side, 1), stride=(step, 1))  # in two passes: a square at once would be slow
    found = F.avg_pool2d(rows, (1, side), stride=(1, step))  # (1,1,rows,columns)
    row, column = divmod(int(found.argmax()), found.shape[-1])
    return row * step, column * step


def _strip(name: str, hr: Tensor, lr: Tensor, columns: Mapping[str, Enlarge], scale: int, side: int) -> Strip:
    side = min(side, *hr.shape[-2:]) // scale * scale
    top, left = find_texture(hr, side, scale)
    truth = hr[..., top : top + side, left : left + side]
    y, x, length = top // scale, left // scale, side // scale
    input_crop = lr[..., y : y + length, x : x + length]
    crops = [_crop("input", F.interpolate(input_crop, scale_factor=scale, mode="nearest"), None)]
    first_y, first_x = max(0, y - MARGIN), max(0, x - MARGIN)
    window = lr[..., first_y : y + length + MARGIN, first_x : x + length + MARGIN]
    for label, enlarge in columns.items():
        larger = enlarge(window)
        begin_y, begin_x = (y - first_y) * scale, (x - first_x) * scale
        crops.append(_crop(label, larger[..., begin_y : begin_y + side, begin_x : begin_x + side], truth))
    return Strip(name, (left, top, side), (*crops, _crop("original", truth, None)))


def _crop(label: str, pixels: Tensor, truth: Tensor | None) -> Crop:
    known = None if truth is None else finite_psnr(psnr(pixels, truth, border=0).item())
    return Crop(label, encode(Picture(color=to_uint8(pixels)), "WEBP", quality=95), known)


def sheet_html(sheet: Sheet) -> Safe:
    """To be put into a page with SHEET_STYLE."""
    strips = []
    for strip in sheet.strips:
        best = max((crop.psnr_y for crop in strip.crops if crop.psnr_y is not None), default=None)
        cells, side = [], strip.box[2]
        for crop in strip.crops:
            told = "" if crop.psnr_y is None else f" <b>{crop.psnr_y:.2f} dB</b>"
            if crop.psnr_y is not None and crop.psnr_y != best:
                told = told.replace("<b>", "<span>").replace("</b>", "</span>")
            alt = escape(f"{strip.name}: {crop.label}")
            image = f'<img alt="{alt}" src="{data_uri(crop.webp, "image/webp")}" width="{side}" height="{side}">'
            cells.append(f"<figure>{image}<figcaption>{escape(crop.label)}{told}</figcaption></figure>")
        columns = f"grid-template-columns:repeat({len(strip.crops)},1fr)"
        strips.append(f'<div class="sheet" style="{columns}"><h3>{escape(strip.name)}</h3>{"".join(cells)}</div>')
    return Safe("".join(strips))


def sheet_markdown(sheet: Sheet) -> str:
    """A table: a row a picture, a column a model."""
    head = ["picture", *(crop.label for crop in sheet.strips[0].crops)]
    rows = []
    for strip in sheet.strips:
        cells = []
        for crop in strip.crops:
            told = "" if crop.psnr_y is None else f"<br>{crop.psnr_y:.2f} dB"
            cells.append(f"![{crop.label}]({data_uri(crop.webp, 'image/webp')}){told}")
        rows.append((code(strip.name), *cells))
    return markdown_table(head, rows)
