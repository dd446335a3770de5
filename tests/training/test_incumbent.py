"""The incumbent: found, measured as the candidate was, and both shown."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from loupe.assessing import assess
from loupe.assessment import Assessment, AssessmentError
from loupe.checkpoint import load_model, save_checkpoint
from loupe.errors import InvalidOption, VersionConflict
from loupe.evaluation import find_benchmark
from loupe.records import Lineage
from loupe.registry import WEIGHTS
from loupe.storage import open_storage
from loupe.versions import promote, register
from training.gate import GateRules
from training.gate_page import write_pages
from training.incumbent import incumbent_checkpoint, judge
from training.manifest import Manifest

NOTHING = Manifest(sources={}, entries=())
RULES = GateRules(margin=0.01, tolerance=5, robust_tolerance=5)


@pytest.fixture(scope="module")
def hostile(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small photos, one of a name that tries to be markup."""
    folder = tmp_path_factory.mktemp("incumbent") / "small"
    folder.mkdir()
    for name, target in (("coffee", "<b>|`x`"), ("rocket", "rocket")):
        Image.open(photos / f"{name}.png").resize((128, 96)).save(folder / f"{target}.png")
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that ships, under another name."""
    return renamed(WEIGHTS / "edsr_fast_x4.safetensors", tmp_path_factory.mktemp("good") / "good.safetensors")


@pytest.fixture(scope="module")
def poor(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return renamed(tiny_models / "tiny_x4.safetensors", tmp_path_factory.mktemp("poor") / "poor.safetensors")


def renamed(source: Path, target: Path, **changes: str) -> Path:
    model, info = load_model(source)
    save_checkpoint(target, model, info.model_copy(update={"name": "custom_x4"} | changes))
    return target


def serve(checkpoint: Path, tmp_path: Path, version: str) -> str:
    """Register as that version and let it serve. The storage."""
    storage = f"file://{tmp_path}/store"
    path = renamed(checkpoint, tmp_path / f"v{version}" / "custom_x4.safetensors", version=version)
    register(open_storage(storage), path, card="", metrics={}, features={}, lineage=Lineage())
    promote(open_storage(storage), "custom_x4", version)
    return storage


def measured(checkpoint: Path, folder: Path) -> Assessment:
    return assess(checkpoint, {"small": find_benchmark(folder, 4)}, robust_pictures=1, robust_side=64)


def test_the_better_candidate_is_promoted_and_shown(good: Path, poor: Path, hostile: Path, tmp_path: Path) -> None:
    storage = serve(poor, tmp_path, "7")
    own = measured(good, hostile)
    judgement = judge(good, own, NOTHING, RULES, storage=storage, folders=[str(hostile)])
    assert judgement.decision.answer == "promote"
    assert judgement.incumbent
    expected = measured(poor, hostile)
    assert judgement.incumbent.benchmarks == expected.benchmarks
    assert judgement.incumbent.robustness == expected.robustness
    labels = [crop.label for crop in judgement.sheet.strips[0].crops]
    assert labels == ["input", "bicubic", "candidate", "version 7", "original"]
    write_pages(judgement, tmp_path / "decision.md", tmp_path / "decision.html")
    markdown, html = (tmp_path / "decision.md").read_text(), (tmp_path / "decision.html").read_text()
    assert markdown.startswith("# custom_x4: promoted\n\nPromoted: psnr_y is ")
    assert "0.01 above" in markdown
    assert "`<b>\\|'x'`" in markdown
    assert "<b>|" not in html
    assert "&lt;b&gt;|" in html
    assert set(re.findall(r'(?:src|href)="([a-z]+:)', html)) == {"data:"}
    assert "<th>on</th>" in html
    assert '<th class="n">version 7</th>' in html


def test_the_poorer_candidate_is_kept_out(good: Path, poor: Path, hostile: Path, tmp_path: Path) -> None:
    storage = serve(good, tmp_path, "2")
    judgement = judge(poor, measured(poor, hostile), NOTHING, RULES, storage=storage, folders=[str(hostile)])
    assert judgement.decision.answer == "keep"
    write_pages(judgement, tmp_path / "decision.md", tmp_path / "decision.html")
    markdown = (tmp_path / "decision.md").read_text()
    assert re.search(
        r"Not promoted, because psnr_y is [\d.]+, [\d.]+ below version 2, which serves \([\d.]+\)", markdown
    )


def test_the_checkpoint_that_serves_is_known_under_any_version(good: Path, hostile: Path, tmp_path: Path) -> None:
    storage = serve(good, tmp_path, "3")
    judgement = judge(good, measured(good, hostile), NOTHING, RULES, storage=storage, folders=[str(hostile)])
    assert judgement.decision.summary == "Not promoted, because version 3, which serves, is this very checkpoint."
    assert "version 3" not in [crop.label for crop in judgement.sheet.strips[0].crops]


def test_without_a_version_that_serves_it_is_what_ships_or_nothing(good: Path, hostile: Path, tmp_path: Path) -> None:
    storage = f"file://{tmp_path}/empty"
    with incumbent_checkpoint(storage, "edsr_fast_x4") as path:
        assert path == WEIGHTS / "edsr_fast_x4.safetensors"
    with incumbent_checkpoint(storage, "custom_x4") as path:
        assert path is None
    judgement = judge(good, measured(good, hostile), NOTHING, RULES, storage=storage, folders=[str(hostile)])
    assert judgement.decision.baseline == "bicubic"
    assert judgement.decision.answer == "promote"
    assert judgement.incumbent is None


def test_what_does_not_belong_together_is_refused(
    good: Path, poor: Path, hostile: Path, tiny_models: Path, photos: Path, tmp_path: Path
) -> None:
    own, storage = measured(poor, hostile), serve(good, tmp_path, "1")
    with pytest.raises(AssessmentError, match=r"another checkpoint than good\.safetensors"):
        judge(good, own, NOTHING, RULES, storage=storage, folders=[str(hostile)])
    with pytest.raises(InvalidOption, match="model: got 'edsr_x4', expected 'custom_x4'"):
        judge(poor, own, NOTHING, RULES, model="edsr_x4", storage=storage, folders=[str(hostile)])
    with pytest.raises(
        AssessmentError, match="got an assessment on small, expected one on the same pictures of photos"
    ):
        judge(poor, own, NOTHING, RULES, storage=storage, folders=[str(photos)])
    double = renamed(tiny_models / "tiny_x2.safetensors", tmp_path / "double.safetensors")
    small = assess(double, {"small": find_benchmark(hostile, 2)}, robust_pictures=0)
    with pytest.raises(InvalidOption, match="got a candidate of factor 2, expected 4, that of version 1, which serves"):
        judge(double, small, NOTHING, RULES, storage=storage, folders=[str(hostile)])


def test_a_checkpoint_that_was_changed_in_storage_is_no_incumbent(good: Path, tmp_path: Path) -> None:
    storage = serve(good, tmp_path, "1")
    stored = tmp_path / "store/models/custom_x4/1/custom_x4.safetensors"
    model, info = load_model(stored)
    with torch.no_grad():
        next(model.parameters()).zero_()
    save_checkpoint(stored, model, info)
    with pytest.raises(VersionConflict, match="is not what was registered"), incumbent_checkpoint(storage, "custom_x4"):
        pass
