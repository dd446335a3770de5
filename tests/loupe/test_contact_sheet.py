"""Contact sheets: the crop, its pixels and its PSNR, and names that try to be markup."""

import base64
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from loupe.backends import load_backend
from loupe.contact_sheet import MARGIN, find_texture, make_sheet, sheet_html, sheet_markdown
from loupe.degrade import bicubic_upscale
from loupe.evaluation import Pair, enlarging, find_benchmark, from_uint8, read_pair
from loupe.images import decode
from loupe.markup import page
from loupe.metrics import psnr
from loupe.settings import Limits, Settings

HOSTILE = "<img src=x onerror=alert(1)> | `x` ![](y)"


def test_the_most_textured_square_is_found() -> None:
    picture = torch.full((1, 3, 96, 128), 0.5)
    picture[..., 40:72:2, 80:112] = 1.0  # stripes
    assert find_texture(picture, 32, 4) == (40, 80)
    assert find_texture(torch.zeros(1, 3, 64, 64), 32, 4) == (0, 0)


def test_crops_are_those_of_the_whole_picture(photos: Path, tiny_models: Path) -> None:
    backend = load_backend(tiny_models / "tiny_x4.safetensors", Settings())
    pair = Pair(photos / "chelsea.png", None)
    sheet = make_sheet([pair], {"tiny": enlarging(backend), "again": partial(bicubic_upscale, factor=4)}, 4, side=96)
    (strip,) = sheet.strips
    left, top, side = strip.box
    assert [crop.label for crop in strip.crops] == ["input", "bicubic", "tiny", "again", "original"]
    hr, lr = read_pair(pair, 4, Limits())
    for crop, enlarge in ((strip.crops[1], partial(bicubic_upscale, factor=4)), (strip.crops[2], enlarging(backend))):
        whole = enlarge(lr)[..., top : top + side, left : left + side]
        expected = psnr(whole, hr[..., top : top + side, left : left + side], border=0).item()
        assert crop.psnr_y == pytest.approx(expected, abs=0.02)
        shown = from_uint8(decode(crop.webp).color)
        assert shown.shape[-2:] == (side, side)
        assert psnr(shown, whole, border=0).item() > 35
    assert strip.crops[1].psnr_y == strip.crops[3].psnr_y
    assert (strip.crops[0].psnr_y, strip.crops[4].psnr_y) == (None, None)
    assert MARGIN >= 4  # what bicubic reads around a pixel


def test_pictures_are_spread_evenly_and_may_be_small(photos: Path, tmp_path: Path) -> None:
    for number in range(5):
        Image.open(photos / "coffee.png").resize((70, 50)).save(tmp_path / f"{number}.png")
    sheet = make_sheet(find_benchmark(tmp_path, 2), {}, 2, pictures=2)
    assert [strip.name for strip in sheet.strips] == ["0", "2"]
    assert sheet.strips[0].box == (sheet.strips[0].box[0], 0, 50)


def test_a_name_is_never_markup_and_a_page_loads_nothing(photos: Path, tmp_path: Path) -> None:
    Image.open(photos / "coffee.png").resize((80, 80)).save(tmp_path / "x.png")
    hostile = tmp_path / f"{HOSTILE}.png".replace("/", "")
    (tmp_path / "x.png").rename(hostile)
    sheet = make_sheet([Pair(hostile, None)], {}, 4)
    html = page("Sheet", [sheet_html(sheet)])
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert set(re.findall(r'(?:src|href)="([a-z]+:)', html)) == {"data:"}
    line = sheet_markdown(sheet).splitlines()[-1]
    assert line.startswith("| `<img src=x onerror=alert(1)> \\| 'x' ![](y)` | ![input](data:image/webp;base64,")
    assert len(re.findall(r"(?<!\\)\|", line)) == 5  # three columns of crops and the name


def test_eight_pictures_stay_small(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    Image.fromarray(photo).save(tmp_path / "photo.png")
    sheet = make_sheet([Pair(tmp_path / "photo.png", None)] * 8, {"b": partial(bicubic_upscale, factor=4)}, 4)
    html = page("Sheet", [sheet_html(sheet)])
    assert html.count("<figure>") == 32
    assert len(html) < 2_000_000
    first = re.search(r"base64,([^\"]+)", html)
    assert first
    assert decode(base64.b64decode(first[1])).format == "WEBP"
