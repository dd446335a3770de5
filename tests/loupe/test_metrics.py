"""PSNR and SSIM: against numbers known by hand, another library, and the published bicubic row."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from loupe.evaluation import evaluate_bicubic, find_benchmark
from loupe.metrics import SCALE_WEIGHTS, luma, ms_ssim, psnr, ssim


def as_tensor(picture: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def test_psnr_by_hand() -> None:
    a = torch.zeros(2, 3, 16, 16)
    b = a.clone()
    b[1] += 16 / 255
    value = psnr(a, b, border=2, channel="rgb")
    assert value[0] == math.inf
    assert value[1].item() == pytest.approx(20 * math.log10(255 / 16))


def test_luma_is_studio_range_bt601() -> None:
    colors = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]]).T.reshape(1, 3, 1, 3)
    torch.testing.assert_close(luma(colors).flatten() * 255, torch.tensor([16.0, 235.0, 81.481]))


def test_border_is_cut() -> None:
    a = torch.rand(1, 3, 32, 32)
    b = a.clone()
    b[..., :4, :] = 0
    assert psnr(a, b, border=4) == math.inf
    assert psnr(a, b, border=3) < 40


def test_ssim_agrees_with_scikit_image(photo: NDArray[np.uint8]) -> None:
    from skimage.metrics import structural_similarity

    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 12, photo.shape), 0, 255).astype(np.uint8)
    theirs = structural_similarity(
        photo, noisy, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    ours = ssim(as_tensor(noisy), as_tensor(photo), border=0, channel="rgb").item()
    # theirs averages over the picture less the window's radius as well, but pads by reflection before it blurs
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_published_bicubic_row_of_set5(shared: Path) -> None:
    """28.42 / 0.8104 stand in the tables of x4, 33.66 / 0.9299 in those of x2."""
    for scale, published in ((4, (28.42, 0.8104)), (2, (33.66, 0.9299))):
        result = evaluate_bicubic(find_benchmark(shared / "eval/set5", scale), scale)
        assert result.psnr_y == pytest.approx(published[0], abs=0.03)
        assert result.ssim_y == pytest.approx(published[1], abs=0.002)


def test_ms_ssim_of_one_scale_is_ssim_and_of_more_a_product() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 21, 30), torch.rand(2, 3, 21, 30)
    b = (0.7 * a + 0.3 * b).clamp(0, 1)
    torch.testing.assert_close(ms_ssim(a, b), ssim(a, b, border=0))
    gray = torch.full((1, 3, 44, 44), 0.25)
    darker = gray * 0.6
    c1 = (0.01 * 255) ** 2
    x, y = (255 * luma((picture * 255).round() / 255).mean().item() for picture in (gray, darker))
    flat = (2 * x * y + c1) / (x * x + y * y + c1)  # no structure: only the last of three scales differs from one
    expected = flat ** (SCALE_WEIGHTS[2] / sum(SCALE_WEIGHTS[:3]))
    assert ms_ssim(gray, darker).item() == pytest.approx(expected, abs=1e-3)
    assert ms_ssim(gray, gray).item() == pytest.approx(1)


def test_bad_arguments_say_got_and_expected() -> None:
    a = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="expected the same"):
        psnr(a, a[..., :7], border=0)
    with pytest.raises(ValueError, match="border: got 4"):
        psnr(a, a, border=4)
    with pytest.raises(ValueError, match="at least 11"):
        ssim(a, a, border=0)
