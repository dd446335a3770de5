"""Photos tile by tile: as one after the other would be, whatever runs beside it, and with no memory of strips."""

import itertools

import numpy as np
import pytest
import torch

from loupe.choosing import Choice
from loupe.errors import InvalidOption
from loupe.models.pixel_recursive import PixelRecursive, PixelRecursiveConfig, centred, conditioning_reach
from loupe.mosaic import conditioning_features, draw_photo, plan_waves
from loupe.sampling import Sampler
from tests.loupe.sharp_networks import build


def photo(height: int, width: int) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(2))


def draw_in_raster_order(model: PixelRecursive, lr: torch.Tensor, tile: int, context: int) -> np.ndarray:
    """Greedy, one tile after the other, the whole network for each subpixel."""
    conditioning = model.conditioning(centred(lr[None].double())).view(3, 256, lr.shape[1] * 2, lr.shape[2] * 2)
    picture = torch.zeros(3, *conditioning.shape[2:], dtype=torch.float64)
    height, width = picture.shape[1:]
    for top, first in itertools.product(range(0, height, tile), range(0, width, tile)):
        above, left = min(top, context), min(first, context)
        window = picture[:, top - above : top + tile, first - left : first + tile]  # a view
        for y, x, colour in itertools.product(
            range(min(tile, height - top)), range(min(tile, width - first)), range(3)
        ):
            prior = model.prior(centred(window[None])).view(3, 256, *window.shape[1:])[colour, :, above + y, left + x]
            window[colour, above + y, left + x] = (
                prior + conditioning[colour, :, top + y, first + x]
            ).argmax().item() / 255
    return (picture * 255).round().byte().permute(1, 2, 0).numpy()


@torch.no_grad()
@pytest.mark.parametrize("context", [0, 3])
def test_waves_draw_what_raster_order_draws(context: int) -> None:
    model, lr = build(), photo(6, 7)
    told: list[tuple[int, int]] = []
    picture, entropy = draw_photo(
        Sampler(model),
        lr,
        choice=Choice(greedy=True),
        tile=4,
        context=context,
        on_tile=lambda d, t, _: told.append((d, t)),
    )
    np.testing.assert_array_equal(picture, draw_in_raster_order(model, lr, 4, context))
    assert told[-1] == (12, 12)
    assert (entropy > 0).all()


def test_a_photo_of_one_tile_is_a_picture() -> None:
    sampler, lr = Sampler(build()), photo(4, 5)
    alone = sampler.draw(lr[None], choice=Choice(seed=8))
    picture, entropy = draw_photo(sampler, lr, choice=Choice(seed=8), tile=16)
    np.testing.assert_array_equal(picture, alone.pictures[0, 0])
    np.testing.assert_array_equal(entropy, alone.entropy[0, 0])


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (5, 2)])
def test_every_tile_comes_once_and_after_its_neighbours(
    rows: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loupe.mosaic.MOST", 2)
    seen: set[tuple[int, int]] = set()
    for tiles in plan_waves(rows, columns):
        assert 1 <= len(tiles) <= 2
        for row, column in tiles:
            needed = {(row - 1, column), (row, column - 1), (row - 1, column - 1)}
            assert {(r, c) for r, c in needed if r >= 0 and c >= 0} <= seen
        assert not seen & set(tiles)
        seen |= set(tiles)
    assert len(seen) == rows * columns


def test_strips_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = PixelRecursiveConfig(scale=4, features=4, blocks=1, prior_features=6, layers=1, hidden=6)
    model = PixelRecursive(config).double().eval()
    monkeypatch.setattr("loupe.mosaic.STRIP", 3)
    lr = photo(23, 5)
    whole = model.conditioning.body(centred(lr[None].double()))[0]
    torch.testing.assert_close(conditioning_features(model, lr), whole)
    monkeypatch.setattr("loupe.mosaic.conditioning_reach", lambda config: conditioning_reach(config) - 2)
    assert not torch.allclose(conditioning_features(model, lr), whole), "the reach is longer than it must be"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidOption, match="tile and context: got 0 and 16, expected"):
        draw_photo(Sampler(build()), photo(2, 2), tile=0)
