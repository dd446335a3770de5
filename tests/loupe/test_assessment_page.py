"""An assessment's report: its numbers, in Markdown and HTML, and nothing in it that a name of a file could do."""

import re

import pytest

from loupe.assessment import Assessment, Figures, PictureRow, Speed, mean_of
from loupe.assessment_page import render_html, render_markdown
from tests.qualities import QUALITY

HOSTILE = "</td><script>alert(1)</script>|`x`\n# big\u202e"


@pytest.fixture
def assessment() -> Assessment:
    """One picture of a hostile name: 2.5 dB above bicubic as it is, 1 dB below under noise."""
    quality = QUALITY.model_copy(update={"light_mean": 20})

    def row(model: float) -> PictureRow:
        figures = [Figures(psnr_y=value, ssim_y=value / 40) for value in (model, 28.0)]
        return PictureRow(name=HOSTILE, sha256="0" * 64, quality=quality, model=figures[0], bicubic=figures[1])

    return Assessment(
        model="tiny_x4",
        version="3",
        scale=4,
        parameters=98000,
        bytes=2048,
        sha256="1" * 64,
        weights_sha256="2" * 64,
        evaluated_on="3" * 64,
        benchmarks={"set5": (row(30.5),)},
        slices={"dark": mean_of([row(30.5)])},
        robustness={"noise_15": mean_of([row(27.0)])},
        robust_pictures=8,
        robust_side=256,
        speed=Speed(seconds_per_megapixel=0.5, backend="torch", threads=2),
    )


def test_markdown_has_the_tables(assessment: Assessment) -> None:
    text = render_markdown(assessment)
    assert text.startswith(
        "# Evaluation of tiny_x4 version 3\n\nFactor 4: 30.50 dB on average, 2.50 dB above bicubic.\n"
    )
    assert "| `set5` | 1 | 30.50 | 28.00 | +2.50 | 0.7625 | 0.7000 |" in text
    assert "| `dark` | 1 | 30.50 | 28.00 | +2.50 |" in text
    assert "| `noise_15` | 1 | 27.00 | 28.00 | -1.00 |" in text
    assert "dark: mean light below 64" in text
    assert "in the middle 256 pixels" in text
    assert "by torch with 2 threads (median) | 0.500 |" in text


def test_a_page_that_loads_nothing_and_escapes_everything(assessment: Assessment) -> None:
    html = render_html(assessment)
    assert html.startswith("<!doctype html>")
    assert '<td class="n"><span class="good">+2.50</span></td>' in html
    assert '<td class="n"><span class="bad">-1.00</span></td>' in html
    assert "<script" not in html
    assert "&lt;/td&gt;&lt;script&gt;alert(1)" in html
    assert "\u202e" not in html  # turns the direction of what follows
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "prefers-color-scheme:dark" in html
