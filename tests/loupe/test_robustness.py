"""Conditions do what they say, the same every time, and leave 256 levels."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from loupe.degrade import bicubic_downscale, quantize
from loupe.evaluation import from_uint8
from loupe.robustness import CONDITIONS, add_noise, centre, change_light


@pytest.fixture(scope="module")
def pair(photo: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    hr = from_uint8(photo)
    return hr, bicubic_downscale(hr, 4)


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_is_repeatable_and_of_256_levels(name: str, pair: tuple[Tensor, Tensor]) -> None:
    condition = CONDITIONS[name]
    hr, lr = condition.apply(*pair)
    again_hr, again_lr = condition.apply(*(x.clone() for x in pair))
    assert torch.equal(hr, again_hr)
    assert torch.equal(lr, again_lr)
    assert (lr.shape, hr.shape) == (pair[1].shape, pair[0].shape)
    torch.testing.assert_close(lr, quantize(lr))
    assert not torch.equal(lr, pair[1])
    assert torch.equal(hr, pair[0]) == (name not in ("dark", "bright"))


def test_noise_has_its_sigma(pair: tuple[Tensor, Tensor]) -> None:
    gray = torch.full((1, 3, 128, 128), 128 / 255)
    for sigma in (5, 15):
        noise = (add_noise(gray, sigma) - quantize(gray)) * 255
        assert noise.std().item() == pytest.approx(sigma, rel=0.03)
        assert abs(noise.mean().item()) < 0.2
    other = gray.clone()
    other[0, 0, 0, 0] = 0
    assert not torch.equal(add_noise(gray, 5)[..., 1:, :], add_noise(other, 5)[..., 1:, :])


def test_light_keeps_black_and_white_and_turns_the_rest() -> None:
    x = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    assert (change_light(x, 2.2)[0, 0, 0] * 255).round().tolist() == [0, 55, 255]  # 255 * 0.5^2.2 = 55.5, levels down
    assert (change_light(x, 1 / 2.2)[0, 0, 0] * 255).round().tolist() == [0, 186, 255]


def test_jpeg_gets_worse_with_less_quality(pair: tuple[Tensor, Tensor]) -> None:
    errors = [(CONDITIONS[name].apply(*pair)[1] - pair[1]).square().mean() for name in ("jpeg_60", "jpeg_30")]
    assert 0 < errors[0] < errors[1]


def test_the_middle_fits_in_both(pair: tuple[Tensor, Tensor]) -> None:
    hr, lr = centre(*pair, 102, 4)
    assert (hr.shape[-2:], lr.shape[-2:]) == ((100, 100), (25, 25))
    assert torch.equal(bicubic_downscale(pair[0], 4)[..., 51:76, 51:76], lr)
    assert torch.equal(pair[0][..., 204:304, 204:304], hr)
    hr, lr = centre(*pair, 5000, 4)
    assert (hr.shape, lr.shape) == (pair[0].shape, pair[1].shape)
