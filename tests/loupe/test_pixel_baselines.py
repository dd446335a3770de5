"""The baselines of pixel recursive super-resolution: same size as its conditioning network, same way to call."""

import pytest
import torch

from loupe.models.pixel_baselines import BaselineConfig, IndependentPixels, Regression
from loupe.models.pixel_recursive import PixelRecursive, PixelRecursiveConfig

CONFIG = BaselineConfig(scale=4, features=8, blocks=1)


def test_independent_pixels_see_nothing_that_was_drawn() -> None:
    model, lr = IndependentPixels(CONFIG), torch.rand(1, 3, 3, 4)
    joint, conditioning = model(lr, torch.rand(1, 3, 12, 16))
    assert joint.shape == (1, 3, 256, 12, 16)
    assert torch.equal(joint, conditioning)
    assert torch.equal(joint, model(lr, torch.zeros(1, 3, 12, 16)).joint)
    assert not torch.equal(joint, model(lr / 2, torch.zeros(1, 3, 12, 16)).joint)


def test_they_are_as_large_as_the_conditioning_network() -> None:
    whole = PixelRecursive(PixelRecursiveConfig(scale=4, features=8, blocks=1, prior_features=6, layers=1, hidden=6))
    expected = {name: tensor.shape for name, tensor in whole.conditioning.state_dict().items()}
    assert {n: t.shape for n, t in IndependentPixels(CONFIG).conditioning.state_dict().items()} == expected
    body = {f"body.{name}": tensor.shape for name, tensor in Regression(CONFIG).body.state_dict().items()}
    assert body.items() <= expected.items()


def test_regression_gives_a_picture() -> None:
    assert Regression(CONFIG)(torch.rand(2, 3, 3, 4)).shape == (2, 3, 12, 16)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="scale: got 3, expected 2, 4 or 8"):
        BaselineConfig(scale=3)
