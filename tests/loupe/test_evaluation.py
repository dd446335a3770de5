"""Benchmarks: found, measured, and refused when they do not fit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.backends import open_backend
from loupe.errors import InvalidOption
from loupe.evaluation import evaluate, evaluate_bicubic, find_benchmark
from loupe.registry import list_models
from loupe.settings import Settings


@pytest.fixture
def benchmark(tmp_path: Path, photos: Path) -> Path:
    (tmp_path / "hr").mkdir()
    for name in ("chelsea", "coffee"):
        Image.open(photos / f"{name}.png").resize((98, 66)).save(tmp_path / "hr" / f"{name}.png")
    return tmp_path


def test_low_resolution_is_made_when_there_is_none(benchmark: Path, photos: Path) -> None:
    assert [pair.lr for pair in find_benchmark(benchmark, 4)] == [None, None]
    result = evaluate_bicubic(find_benchmark(benchmark, 4), 4, benchmark="small")
    assert [row.name for row in result.rows] == ["chelsea", "coffee"]
    assert 15 < result.psnr_y < 45
    assert result.psnr_y == pytest.approx(np.mean([row.psnr_y for row in result.rows]))
    assert len(find_benchmark(photos, 4)) == 4  # a folder of pictures alone


def test_a_sets_own_low_resolution_is_taken(benchmark: Path) -> None:
    (benchmark / "lr_x4").mkdir()
    for name in ("chelsea", "coffee"):
        Image.new("RGB", (24, 16), "gray").save(benchmark / "lr_x4" / f"{name}x4.png")
    own = evaluate_bicubic(find_benchmark(benchmark, 4), 4)
    assert own.psnr_y < 20  # plain gray is a poor reduction
    (benchmark / "lr_x4" / "coffeex4.png").unlink()
    with pytest.raises(InvalidOption, match=r"got no picture for coffee\.png, expected coffeex4\.png"):
        find_benchmark(benchmark, 4)
    Image.new("RGB", (30, 16)).save(benchmark / "lr_x4" / "coffeex4.png")
    with pytest.raises(InvalidOption, match="expected 4 times smaller"):
        evaluate_bicubic(find_benchmark(benchmark, 4), 4)


def test_no_folder_or_an_empty_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no such folder"):
        find_benchmark(tmp_path / "none", 4)
    with pytest.raises(InvalidOption, match="without pictures"):
        find_benchmark(tmp_path, 4)


@pytest.mark.parametrize("info", list_models(Settings(), "enlarger"), ids=lambda info: info.name)
def test_what_ships_is_as_good_as_it_says(info, shared: Path) -> None:  # type: ignore[no-untyped-def]
    pairs = find_benchmark(shared / "eval/set5", info.scale)
    result = evaluate(open_backend("auto", info.name, Settings()), pairs)
    assert result.psnr_y == pytest.approx(info.metrics["set5_psnr_y"], abs=0.02)
    assert result.ssim_y == pytest.approx(info.metrics["set5_ssim_y"], abs=0.0005)
    assert result.psnr_y > evaluate_bicubic(pairs, info.scale).psnr_y + 2
