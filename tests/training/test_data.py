"""Crops: aligned pairs, a pure function of the step, shared out over ranks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from loupe.degrade import bicubic_upscale
from loupe.metrics import psnr
from training.arrays import pack_array
from training.data import Batch, Crops, eightfold, load_steps
from training.pack import Pack, open_pack


def crops(pack: Pack, **changes: object) -> Crops:
    return Crops(**({"pack": pack, "scale": 4, "patch": 16, "batch": 8, "seed": 3} | changes))  # type: ignore[arg-type]


def at(c: Crops, step: int) -> Batch:
    return c.at(step, c.cumulative())


def test_a_crop_is_the_downscaled_of_its_partner(pack: Pack) -> None:
    batch = at(crops(pack), 0)
    assert batch.lr.shape == (8, 3, 16, 16)
    assert batch.hr.shape == (8, 3, 64, 64)
    up = bicubic_upscale(batch.lr.float() / 255, 4)
    assert psnr(up, batch.hr.float() / 255, border=8).min() > 18  # misaligned or unturned pairs come to 10


def test_a_step_is_a_function_of_seed_and_step(pack: Pack) -> None:
    torch.testing.assert_close(at(crops(pack), 5).hr, at(crops(pack), 5).hr)
    assert not torch.equal(at(crops(pack), 5).hr, at(crops(pack), 6).hr)
    assert not torch.equal(at(crops(pack), 5).hr, at(crops(pack, seed=4), 5).hr)


def test_two_ranks_together_see_what_one_sees(pack: Pack) -> None:
    alone = at(crops(pack), 2)
    ranks = [at(crops(pack, rank=rank, world=2), 2) for rank in range(2)]
    torch.testing.assert_close(torch.cat([r.lr for r in ranks]), alone.lr)


@pytest.mark.parametrize("workers", [1, 3])
def test_loaded_in_order_from_any_step(pack: Pack, workers: int) -> None:
    c = crops(pack)
    loaded = list(load_steps(c, 4, 21, workers=workers, pin=False))
    assert len(loaded) == 17
    for step, batch in zip(range(4, 21), loaded, strict=True):
        torch.testing.assert_close(batch.lr, at(c, step).lr)


def test_weights_choose_pictures(pack: Pack) -> None:
    weights = tuple(1.0 if index == 2 else 0.0 for index in range(len(pack.entries)))
    only = pack.picture(2)
    batch = at(crops(pack, weights=weights, patch=24), 0)
    levels = {tuple(pixel) for pixel in only.reshape(-1, 3).tolist()}
    assert {tuple(p) for p in batch.hr.permute(0, 2, 3, 1).reshape(-1, 3).tolist()} <= levels


@pytest.mark.parametrize("turns", [1, 2, 8])
def test_what_is_upright_is_only_mirrored(turns: int, tmp_path: Path) -> None:
    one = np.random.default_rng(0).integers(256, size=(1, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "one.npy", one)
    only = open_pack(pack_array(tmp_path / "one.npy", tmp_path / "pack", scales=(4,)))
    seen = at(crops(only, patch=2, batch=64, turns=turns), 0).hr.permute(0, 2, 3, 1).numpy()
    assert {crop.tobytes() for crop in seen} == {eightfold(one[0], turn).tobytes() for turn in range(turns)}


def test_the_eight_turns_are_eight() -> None:
    crop = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert len({eightfold(crop, which).tobytes() for which in range(8)}) == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"world": 3}, "batch: got 8, expected a multiple of the 3"),
        ({"scale": 3}, "scale: got 3, expected one that was packed"),
        ({"patch": 4000}, "patch: got 4000"),
        ({"weights": (1.0,)}, "weights: got 1, expected one per picture: 4"),
    ],
)
def test_what_does_not_fit_is_refused(pack: Pack, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        crops(pack, **changes)
