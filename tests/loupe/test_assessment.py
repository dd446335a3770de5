"""Assessments as data: figures by name, means, JSON and what is no assessment."""

import json
import math
from pathlib import Path

import pytest

from loupe.assessment import (
    CEILING,
    Assessment,
    AssessmentError,
    Figures,
    PictureRow,
    Speed,
    finite_psnr,
    mean_of,
    read_assessment,
    require_comparable,
    write_assessment,
)
from loupe.errors import StorageError
from tests.qualities import QUALITY


def row(name: str, model: float, bicubic: float) -> PictureRow:
    figures = [Figures(psnr_y=value, ssim_y=value / 100) for value in (model, bicubic)]
    return PictureRow(name=name, sha256=f"{ord(name[0]):064x}", quality=QUALITY, model=figures[0], bicubic=figures[1])


@pytest.fixture
def assessment() -> Assessment:
    """Set5 of two pictures and another of one, so that the two means differ."""
    first, second, third = row("a", 30, 28), row("b", 34, 29), row("c", 26, 25)
    return Assessment(
        model="tiny_x4",
        version="3",
        scale=4,
        parameters=1000,
        bytes=2048,
        sha256="1" * 64,
        weights_sha256="2" * 64,
        evaluated_on="3" * 64,
        benchmarks={"set5": (first, second), "b100": (third,)},
        slices={"dark": mean_of([third])},
        robustness={"noise_15": mean_of([first])},
        robust_side=256,
        speed=Speed(seconds_per_megapixel=0.5, backend="torch", threads=2),
    )


def test_figures_have_the_names_of_a_checkpoints_metrics(assessment: Assessment) -> None:
    figures = assessment.figures()
    assert figures["set5_psnr_y"] == 32
    assert figures["set5_ssim_y"] == pytest.approx(0.32)
    assert figures["psnr_y"] == 29  # (32 + 26) / 2: each benchmark counts once
    assert (figures["slice_dark_psnr_y"], figures["robust_noise_15_psnr_y"]) == (26, 30)
    assert (figures["bytes"], figures["parameters"], figures["seconds_per_megapixel"]) == (2048, 1000, 0.5)
    baseline = assessment.figures("bicubic")
    assert baseline["psnr_y"] == 26.75
    assert "bytes" not in baseline
    headline = assessment.headline()
    assert headline["gain_over_bicubic"] == 2.25
    assert headline["b100_psnr_y"] == 26
    assert all(math.isfinite(figure) for figure in headline.values())


def test_json_there_and_back(assessment: Assessment, tmp_path: Path) -> None:
    path = tmp_path / "assessment.json"
    write_assessment(assessment, path)
    assert read_assessment(path) == assessment
    later = json.loads(path.read_text()) | {"feature_distance": 0.1}  # what a later Loupe may add
    path.write_text(json.dumps(later))
    assert read_assessment(path) == assessment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Invalid JSON"),
        ("[1]", "should be an object"),
        ('{"model": "tiny_x4"}', "version: Field required"),
    ],
)
def test_what_is_no_assessment_is_said(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(AssessmentError, match=rf"other\.json: got no assessment.*{told}.*run evaluate again"):
        read_assessment(path)


def test_a_missing_file_and_figures_that_are_not_finite(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.json: cannot be read"):
        read_assessment(tmp_path / "none.json")
    with pytest.raises(ValueError, match="finite number"):
        Figures(psnr_y=math.nan, ssim_y=1)
    assert finite_psnr(math.inf) == CEILING
    assert finite_psnr(31.5) == 31.5


def test_only_the_same_pictures_can_be_compared(assessment: Assessment) -> None:
    require_comparable(assessment, assessment.model_copy(update={"model": "other_x4", "sha256": "9" * 64}))
    other = assessment.model_copy(update={"evaluated_on": "4" * 64})
    with pytest.raises(AssessmentError, match=r"tiny_x4 x4 on set5 \(2\), b100 \(1\) \[333333333333\] and .*444"):
        require_comparable(assessment, other)
