"""MATLAB's bicubic: against its own output, and by what must hold of any resize."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from loupe.degrade import bicubic_downscale, crop_to_multiple, imresize, quantize, resize_weights


def read(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_matches_matlab_on_set5(shared: Path, scale: int) -> None:
    for path in sorted((shared / "eval/set5/hr").iterdir()):
        made = bicubic_downscale(crop_to_multiple(read(path), scale), scale)
        theirs = read(shared / f"eval/set5/lr_x{scale}" / f"{path.stem}x{scale}.png")
        difference = ((made - theirs).abs() * 255).round()
        assert difference.max() <= 1, path.name
        assert (difference > 0).float().mean() < 0.005, path.name


def test_known_weights() -> None:
    # Halving: Keys' kernel of a = -0.5 at distances 0.25, 0.75, 1.25, 1.75 of the widened grid, divided by two.
    _, weight = resize_weights(64, 32)
    expected = np.array([-0.01171875, -0.03515625, 0.11328125, 0.43359375])
    inner = weight[16].numpy()
    inner = inner[inner != 0]
    np.testing.assert_allclose(inner, np.concatenate([expected, expected[::-1]]), atol=1e-7)


def test_a_constant_stays_and_a_ramp_stays_straight() -> None:
    torch.testing.assert_close(imresize(torch.full((1, 3, 24, 36), 0.3), 7, 91), torch.full((1, 3, 7, 91), 0.3))
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 8, 64)
    steps = imresize(ramp, 8, 128)[0, 0, 4, 8:-8].diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 1 / 126), atol=1e-5, rtol=0)


def test_quantize_rounds_halves_up_and_clamps() -> None:
    x = torch.tensor([-0.1, 0.5 / 255, 1.49 / 255, 2.0])
    torch.testing.assert_close(quantize(x) * 255, torch.tensor([0.0, 1.0, 1.0, 255.0]))


def test_refuses_sides_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match="got 10x9, expected multiples of 4"):
        bicubic_downscale(torch.rand(1, 3, 9, 10), 4)
    with pytest.raises(ValueError, match="at least 1x1"):
        imresize(torch.rand(1, 3, 9, 10), 0, 4)
