"""EDSR: sizes, published parameter counts, what a pixel can see."""

import pytest
import torch

from loupe.models.edsr import EDSR, EDSRConfig, receptive_radius


@pytest.mark.parametrize("upsampler", ["shuffle", "direct"])
@pytest.mark.parametrize("skip", ["none", "nearest"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarges_by_its_scale(scale: int, upsampler: str, skip: str) -> None:
    model = EDSR(EDSRConfig(scale=scale, features=8, blocks=2, upsampler=upsampler, skip=skip))  # type: ignore[arg-type]
    for height, width in ((1, 1), (7, 12)):
        assert model(torch.rand(2, 3, height, width)).shape == (2, 3, height * scale, width * scale)


def test_baseline_has_the_published_number_of_parameters() -> None:
    def count(scale: int) -> int:
        return sum(p.numel() for p in EDSR(EDSRConfig(scale=scale)).parameters())

    assert count(2) == 1_369_859  # 1.37 M in the paper's baseline
    assert count(4) == 1_517_571  # 1.52 M


def test_paper_size_scales_its_residuals() -> None:
    config = EDSRConfig(features=16, blocks=1, residual_scale=0.1)
    model = EDSR(config)
    block = model.body[0]
    x = torch.rand(1, 16, 5, 5)
    plain = block.conv2(torch.relu(block.conv1(x)))  # type: ignore[union-attr,operator]
    torch.testing.assert_close(block(x), x + 0.1 * plain)


def test_an_output_pixel_sees_no_further_than_the_receptive_radius() -> None:
    for upsampler in ("direct", "shuffle"):
        config = EDSRConfig(scale=2, features=4, blocks=2, upsampler=upsampler)  # type: ignore[arg-type]
        model, radius = EDSR(config), receptive_radius(config)
        x = torch.rand(1, 3, 41, 41, requires_grad=True)
        model(x)[0, :, 40:42, 40:42].sum().backward()  # the outputs of input pixel (20, 20)
        assert x.grad is not None
        seen = x.grad.abs().sum((0, 1)).nonzero()
        assert (seen - 20).abs().max() <= radius
        assert (seen - 20).abs().max() >= radius - 1


def test_nearest_skip_starts_from_the_enlarged_input() -> None:
    model = EDSR(EDSRConfig(scale=2, features=4, blocks=1, upsampler="direct", skip="nearest"))
    torch.nn.init.zeros_(model.tail[0].weight)  # type: ignore[arg-type]
    torch.nn.init.zeros_(model.tail[0].bias)  # type: ignore[arg-type]
    x = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(model(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize(
    ("field", "value"),
    [("scale", 5), ("features", 0), ("blocks", 0), ("residual_scale", 0.0), ("upsampler", "magic"), ("skip", "far")],
)
def test_a_config_out_of_range_says_got_and_expected(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{field}: got .*expected"):
        EDSRConfig(**{field: value})  # type: ignore[arg-type]
