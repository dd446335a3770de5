"""A small real model on small real photos: what is measured, how it is compared, and what tells models apart."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from loupe.assessing import assess, hash_weights
from loupe.assessment import Assessment
from loupe.backends import load_backend
from loupe.checkpoint import load_model, save_checkpoint
from loupe.errors import InvalidOption, StorageError
from loupe.evaluation import Pair, evaluate, evaluate_bicubic, find_benchmark
from loupe.images import decode
from loupe.quality import measure
from loupe.robustness import CONDITIONS
from loupe.settings import Settings


@pytest.fixture(scope="module")
def small(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos of 160x120."""
    folder = tmp_path_factory.mktemp("assessing") / "small"
    folder.mkdir()
    for name in ("astronaut", "chelsea", "rocket"):
        Image.open(photos / f"{name}.png").resize((160, 120)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def pairs(small: Path) -> list[Pair]:
    return find_benchmark(small, 4)


@pytest.fixture(scope="module")
def checkpoint(tiny_models: Path) -> Path:
    return tiny_models / "tiny_x4.safetensors"


@pytest.fixture(scope="module")
def assessment(checkpoint: Path, pairs: list[Pair]) -> Assessment:
    return assess(checkpoint, {"small": pairs, "first": pairs[:1]}, robust_pictures=2, robust_side=64)


def test_benchmarks_are_those_of_the_evaluation(assessment: Assessment, checkpoint: Path, pairs: list[Pair]) -> None:
    figures, baseline = assessment.figures(), assessment.figures("bicubic")
    model = evaluate(load_backend(checkpoint, Settings()), pairs)
    assert figures["small_psnr_y"] == pytest.approx(model.psnr_y)
    assert figures["small_ssim_y"] == pytest.approx(model.ssim_y)
    assert baseline["small_psnr_y"] == pytest.approx(evaluate_bicubic(pairs, 4).psnr_y)
    assert [row.name for row in assessment.benchmarks["small"]] == ["astronaut", "chelsea", "rocket"]
    assert assessment.bytes == checkpoint.stat().st_size
    assert assessment.speed.backend in ("openvino", "torch")
    assert assessment.speed.seconds_per_megapixel > 0


def test_slices_and_conditions_count_a_picture_once(assessment: Assessment, pairs: list[Pair]) -> None:
    assert assessment.slices["dark"].count == 1  # the rocket
    assert assessment.slices["dark"].model == assessment.benchmarks["small"][2].model
    assert {name: group.count for name, group in assessment.robustness.items()} == dict.fromkeys(CONDITIONS, 2)
    own = {
        row.sha256: measure(decode(pair.hr.read_bytes()))
        for row, pair in zip(assessment.benchmarks["small"], pairs, strict=True)
    }
    assert assessment.qualities == own


def test_features_that_are_given_make_the_slices(checkpoint: Path, pairs: list[Pair], assessment: Assessment) -> None:
    told = {
        sha256: quality.model_copy(update={"light_mean": 200.0}) for sha256, quality in assessment.qualities.items()
    }
    seen = []
    made = assess(
        checkpoint,
        {"small": pairs},
        features=told,
        robust_pictures=0,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert made.slices["bright"].count == 3
    assert "dark" not in made.slices
    assert made.robustness == {}
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_equal_pictures_are_no_infinity(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "hr").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "hr" / "black.png")
    made = assess(checkpoint, {"black": find_benchmark(tmp_path, 4)}, robust_pictures=0)
    assert made.figures("bicubic")["black_psnr_y"] == 100


def test_what_it_was_evaluated_on(assessment: Assessment, checkpoint: Path, pairs: list[Pair]) -> None:
    def evaluated_on(benchmarks: dict[str, list[Pair]], **how: int) -> str:
        return assess(checkpoint, benchmarks, **({"robust_pictures": 0} | how)).evaluated_on  # type: ignore[arg-type]

    plain = evaluated_on({"small": pairs[:2]})
    assert plain == evaluated_on({"small": pairs[:2]})
    assert plain != evaluated_on({"small": pairs[1:]})
    assert plain != evaluated_on({"small": pairs[:2]}, robust_pictures=1, robust_side=32)


def test_nothing_to_measure_on_is_said(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="got no benchmark at all"):
        assess(checkpoint, {})
    with pytest.raises(InvalidOption, match="got empty, expected at least one picture"):
        assess(checkpoint, {"empty": []})
    with pytest.raises(StorageError, match=r"gone\.png: cannot be read"):
        assess(checkpoint, {"gone": [Pair(tmp_path / "gone.png", None)]})
    Image.new("RGB", (18, 64)).save(tmp_path / "narrow.png")
    with pytest.raises(InvalidOption, match=r"narrow\.png: got 16x64, expected at least 19 pixels a side"):
        assess(checkpoint, {"narrow": [Pair(tmp_path / "narrow.png", None)]})


def test_weights_are_the_same_under_another_version(checkpoint: Path, tmp_path: Path) -> None:
    model, info = load_model(checkpoint)
    known = hash_weights(checkpoint)
    renamed, exact, changed = (tmp_path / f"{name}.safetensors" for name in ("renamed", "exact", "changed"))
    save_checkpoint(renamed, model, info.model_copy(update={"version": "7", "metrics": {"set5_psnr_y": 30.0}}))
    save_checkpoint(exact, model, info, dtype=torch.float32)
    assert hash_weights(renamed) == hash_weights(exact) == known
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 0.1
    save_checkpoint(changed, model, info)
    assert hash_weights(changed) != known
