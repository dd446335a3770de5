"""Curves: what is drawn is what the log says."""

import math
import re
from itertools import pairwise

import pytest

from training.curves import LEFT, POINTS, RIGHT, WIDTH, choose_ticks, render_curves, thin_out

RECORDS: list[dict[str, float]] = [
    *(
        {"step": 10.0 * i, "loss": 0.2 / (1 + i), "learning_rate": 2e-4, "images_per_second": 40.0}
        for i in range(1, 11)
    ),
    {"step": 50.0, "valid_psnr_y": 27.5},
    {"step": 100.0, "valid_psnr_y": 28.25},
]


def points_of(page: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r'<polyline class="curve" points="([^"]*)"', page)
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in found]


def test_a_page_has_four_plots_and_loads_nothing() -> None:
    page = render_curves(RECORDS, "edsr_x4")
    assert page.startswith("<!doctype html>")
    for title in ("Training loss", "Validation", "Learning rate", "Speed"):
        assert f"<figcaption>{title}" in page
    assert len(points_of(page)) == 4
    assert "prefers-color-scheme:dark" in page
    assert not re.search(r"<script|https?://|url\(|src=", page)


def test_a_falling_loss_falls_and_ends_at_the_right() -> None:
    loss, psnr, *_ = points_of(render_curves(RECORDS, "edsr_x4"))
    assert [y for _, y in loss] == sorted(y for _, y in loss), "y grows downwards"
    assert loss[-1][0] == WIDTH - RIGHT
    assert loss[0][0] == pytest.approx(LEFT + 0.1 * (WIDTH - LEFT - RIGHT), abs=0.1)
    assert psnr[1][1] < psnr[0][1]
    assert "at the end 28.25" in render_curves(RECORDS, "x")


def test_a_run_by_likelihood_is_told_in_bits() -> None:
    records = [{"step": 10.0 * i, "bits": 8.0 - 0.3 * i, "conditioning_bits": 8.0 - 0.2 * i} for i in range(1, 11)]
    page = render_curves([*records, {"step": 100.0, "valid_bits_per_subpixel": 5.125}], "pixel_recursive_faces")
    assert "Training loss" not in page
    assert page.count("(bits per subpixel)") == 3
    assert "at the end 5.125" in page
    bits, conditioning, _ = points_of(page)
    assert [y for _, y in bits] == sorted(y for _, y in bits), "fewer bits, drawn lower"
    assert len(conditioning) == 10


def test_what_the_log_lacks_is_said_and_names_are_escaped() -> None:
    page = render_curves([{"step": 1.0, "loss": math.nan}], "<b>&")
    assert page.count("Not in the log.") == 4
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "0 steps" in render_curves([], "x")


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (27.31, 27.36), (1e-6, 2e-4), (5.0, 5.0), (0.0, 0.0), (-3.0, 1200.0)]
)
def test_ticks_are_round_even_and_around_the_values(low: float, high: float) -> None:
    ticks = choose_ticks(low, high)
    assert 3 <= len(ticks) <= 9
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= high - 1e-9
    steps = {round((b - a) / (ticks[1] - ticks[0]), 6) for a, b in pairwise(ticks)}
    assert steps == {1.0}


def test_a_long_log_is_thinned_and_keeps_its_ends_and_its_mean() -> None:
    points = [(float(i), math.sin(i)) for i in range(100_000)]
    thin = thin_out(points, POINTS)
    assert len(thin) == POINTS
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert abs(sum(y for _, y in thin) / POINTS) < 0.01
