"""Pixel recursive super-resolution: who sees whom, to the last subpixel, and that it is one distribution."""

import itertools

import pytest
import torch
from torch import Tensor

from loupe.checkpoint import describe, load_model, save_checkpoint
from loupe.models.pixel_recursive import (
    PAPER,
    SMALL,
    PixelRecursive,
    PixelRecursiveConfig,
    centred,
    nats,
    prior_reach,
)

TINY = PixelRecursiveConfig(
    scale=2, features=4, blocks=1, prior_features=24, layers=2, first_kernel=3, kernel=3, hidden=48
)


def build(config: PixelRecursiveConfig = TINY) -> PixelRecursive:
    torch.manual_seed(0)
    return PixelRecursive(config).double().eval()


def order(y: int, x: int, colour: int) -> tuple[int, int, int]:
    """Raster order, and within a pixel R, G, B."""
    return (y, x, colour)


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        PixelRecursiveConfig(
            scale=2, features=4, blocks=1, prior_features=32, layers=1, first_kernel=5, kernel=5, hidden=64
        ),
    ],
    ids=["two layers of 3", "one layer of 5, uneven groups"],
)
def test_a_subpixel_sees_all_before_it_in_reach_and_nothing_else(config: PixelRecursiveConfig) -> None:
    model, reach = build(config), prior_reach(config)
    side = 2 * reach + 3
    hr = torch.rand(1, 3, side, side, dtype=torch.float64).requires_grad_()
    probe = torch.randn(256, dtype=torch.float64)
    logits = model.prior(centred(hr)).unflatten(1, (3, 256))
    for (y, x), colour in itertools.product([(0, 0), (0, 3), (reach, reach), (side - 1, 2), (4, side - 1)], range(3)):
        (gradient,) = torch.autograd.grad((logits[0, colour, :, y, x] * probe).sum(), hr, retain_graph=True)
        seen = gradient[0] != 0
        expected = torch.zeros_like(seen)
        for c, v, u in itertools.product(range(3), range(side), range(side)):
            near = y - v <= reach and abs(x - u) <= reach
            expected[c, v, u] = near and order(v, u, c) < order(y, x, colour)
        wrong = [order(int(v), int(u), int(c)) for c, v, u in (seen != expected).nonzero()]
        assert not wrong, f"subpixel {order(y, x, colour)} sees too much or too little: {wrong[:5]}"


def test_the_conditioning_sees_the_input_only() -> None:
    model = build()
    lr, hr = torch.rand(1, 3, 4, 4, dtype=torch.float64), torch.rand(1, 3, 8, 8, dtype=torch.float64)
    other = torch.rand_like(hr)
    assert torch.equal(model(lr, hr).conditioning, model(lr, other).conditioning)
    difference = model(lr, hr).joint - model(lr, hr).conditioning
    torch.testing.assert_close(difference, model.prior(centred(hr)).unflatten(1, (3, 256)))


def test_probabilities_sum_to_one() -> None:
    logits = build()(torch.rand(2, 3, 3, 5).double(), torch.rand(2, 3, 6, 10).double()).joint
    assert logits.shape == (2, 3, 256, 6, 10)
    torch.testing.assert_close(logits.softmax(2).sum(2), torch.ones(2, 3, 6, 10, dtype=torch.float64))


def test_the_likelihood_is_the_product_of_its_steps() -> None:
    """Each conditional taken from a picture in which nothing later is known."""
    model, lr = build(), torch.rand(2, 3, 2, 3).double()
    hr = torch.randint(256, (2, 3, 4, 6)).double() / 255
    whole = nats(model(lr, hr).joint, hr).sum((1, 2, 3))
    total = torch.zeros(2)
    so_far = torch.full_like(hr, 0.5)
    for y, x, colour in itertools.product(range(4), range(6), range(3)):
        step: Tensor = model(lr, so_far).joint[:, colour, :, y, x].log_softmax(1)
        level = (hr[:, colour, y, x] * 255).round().long()
        total = total - step.gather(1, level[:, None])[:, 0].float()
        so_far[:, colour, y, x] = hr[:, colour, y, x]
    torch.testing.assert_close(whole, total)


def test_sizes_are_free_and_an_independent_model_gives_eight_bits() -> None:
    model = build(PixelRecursiveConfig(features=4, blocks=1, prior_features=6, layers=1, hidden=6)).float()
    for side in ((8, 8), (16, 16), (1, 3)):
        lr = torch.rand(1, 3, *side)
        hr = torch.rand(1, 3, side[0] * 4, side[1] * 4)
        assert model(lr, hr).joint.shape == (1, 3, 256, side[0] * 4, side[1] * 4)
    even = torch.zeros(1, 3, 256, 4, 4)
    torch.testing.assert_close(nats(even, torch.rand(1, 3, 4, 4)), torch.full((1, 3, 4, 4), 8 * torch.tensor(2).log()))


def test_named_sizes() -> None:
    assert (PAPER.features, PAPER.blocks, PAPER.prior_features, PAPER.layers, PAPER.hidden) == (32, 6, 64, 20, 1024)
    assert (PAPER.first_kernel, PAPER.kernel) == (7, 5)
    count = {name: sum(p.numel() for p in PixelRecursive(c).parameters()) for name, c in (("p", PAPER), ("s", SMALL))}
    assert count["s"] < count["p"] / 3


def test_a_checkpoint_holds_all(tmp_path: object) -> None:
    path = tmp_path / "tiny.safetensors"  # type: ignore[operator]
    model = build().float()
    save_checkpoint(
        path, model, describe(model, name="tiny", architecture="pixel_recursive", scale=2), dtype=torch.float32
    )
    again, info = load_model(path)
    lr, hr = torch.rand(1, 3, 2, 2), torch.rand(1, 3, 4, 4)
    assert torch.equal(again(lr, hr).joint, model(lr, hr).joint)
    assert info.architecture == "pixel_recursive"


@pytest.mark.parametrize(
    ("field", "value"),
    [("scale", 3), ("features", 0), ("blocks", 0), ("prior_features", 2), ("layers", 0), ("hidden", 1), ("kernel", 4)],
)
def test_a_config_out_of_range_says_got_and_expected(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{field}: got .*expected"):
        PixelRecursiveConfig(**{field: value})  # type: ignore[arg-type]
