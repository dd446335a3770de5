"""The paper's table: known figures for known answers."""

import numpy as np
import pytest
import torch

from loupe.degrade import bicubic_downscale
from loupe.drawing import entropy_picture, overlay
from loupe.drawing_evaluation import (
    consistency,
    diversity,
    draw_sheet,
    evaluate_answers,
    evaluate_drawing,
    to_tensor,
)
from loupe.sampling import Sampler, bits_per_subpixel
from tests.loupe.sharp_networks import build

TRUTH = np.random.default_rng(0).integers(256, size=(3, 16, 16, 3), dtype=np.uint8)


def test_the_truth_is_perfect_and_consistent() -> None:
    row = evaluate_answers("truth", lambda _: to_tensor(TRUTH), TRUTH, scale=2)
    assert (row.psnr_y, row.ssim_y, row.ms_ssim_y, row.consistency) == (float("inf"), 1, 1, 0)


def test_consistency_is_a_mean_square_in_the_unit_range() -> None:
    lr = torch.full((2, 3, 4, 4), 0.4)
    sr = torch.full((2, 3, 16, 16), 0.4)
    sr[1] += 51 / 255
    assert consistency(sr, lr, 4).tolist() == pytest.approx([0, 0.04], abs=1e-6)


def test_diversity_is_the_mean_distance_of_two_samples() -> None:
    samples = np.zeros((1, 3, 2, 2, 3), np.uint8)
    assert diversity(samples) == 0
    samples[0, 2] = 51
    assert diversity(samples) == pytest.approx((0 + 0.2 + 0.2) / 3)


def test_rows_of_a_model_say_what_its_samples_are() -> None:
    sampler = Sampler(build())
    rows = evaluate_drawing(sampler, TRUTH, factors=(1.0, 5.0), samples=2)
    assert [row.factor for row in rows] == [1.0, 5.0]
    hr = to_tensor(TRUTH)
    expected = bits_per_subpixel(sampler.model, bicubic_downscale(hr, 2).double(), hr.double()).mean().item()
    assert rows[0].bits == pytest.approx(expected, rel=1e-4)
    assert rows[0].diversity > rows[1].diversity > 0  # type: ignore[operator]  # sharper is less diverse
    assert rows[0].psnr_y < 20


def test_the_sheet_has_all_columns() -> None:
    sampler, lr = Sampler(build()), bicubic_downscale(to_tensor(TRUTH), 2)
    options = {"samples": 2, "regression": lambda lr: lr.repeat_interleave(2, 2).repeat_interleave(2, 3)}
    sheet = draw_sheet(sampler, lr, TRUTH, **options)
    assert sheet.shape == (3 * 16 * 3, 7 * 16 * 3, 3)
    np.testing.assert_array_equal(sheet[::3, -48::3], TRUTH.reshape(48, 16, 3))
    np.testing.assert_array_equal(sheet[:, :48], sheet[:, 96:144])  # the input enlarged is this regression's answer
    blank = draw_sheet(sampler, lr, **options)
    assert (blank[:, -48:] == 255).all()
    np.testing.assert_array_equal(blank[:, :-48], sheet[:, :-48])


def test_entropy_as_a_picture_is_brighter_where_less_is_known() -> None:
    shown = entropy_picture(np.array([[0, 6, 12, 18, 24, 30]], np.float32))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[0, 4].tolist() == shown[0, 5].tolist() == [255, 255, 255]
    assert (np.diff(shown[0, :5].astype(int).sum(-1)) > 0).all()
    assert overlay(TRUTH, np.zeros((3, 16, 16), np.float32)).max() <= 0.4 * 255 + 1
