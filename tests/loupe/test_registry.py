"""Which models there are, and which is the default."""

import logging
import shutil
from pathlib import Path

import pytest

from loupe.checkpoint import CheckpointInfo, read_info
from loupe.drawing_table import find_baselines
from loupe.errors import InvalidOption, ModelNotFound
from loupe.registry import WEIGHTS, default_model, find_model, find_models, list_models
from loupe.settings import Settings


def info(name: str, scale: int, **more: object) -> CheckpointInfo:
    fields = {"name": name, "architecture": "edsr", "config": {}, "scale": scale, "parameters": 10} | more
    return CheckpointInfo.model_validate(fields)


def test_ones_own_folder_comes_first(tiny_models: Path, tmp_path: Path) -> None:
    settings = Settings(models_dir=tiny_models)
    assert find_model("tiny_x2", settings) == tiny_models / "tiny_x2.safetensors"
    assert {"tiny_x2", "tiny_x4"} <= set(find_models(settings))
    assert [i.scale for i in list_models(settings)] == sorted(i.scale for i in list_models(settings))


def test_a_damaged_checkpoint_does_not_take_the_others_down(
    tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(tiny_models / "tiny_x4.safetensors", tmp_path)
    (tmp_path / "broken.safetensors").write_bytes(b"cut off")
    with caplog.at_level(logging.WARNING):
        assert "tiny_x4" in find_models(Settings(models_dir=tmp_path))
    assert "broken.safetensors" in caplog.text


def test_default_is_the_best_of_the_factor() -> None:
    infos = [
        info("a", 2, metrics={"set5_psnr_y": 37.0}),
        info("b", 4, metrics={"set5_psnr_y": 30.0}),
        info("c", 4, metrics={"set5_psnr_y": 31.0}),
        info("d", 4),
    ]
    assert default_model(infos) == default_model(infos, 4) == "c"
    assert default_model(infos, 2) == "a"
    with pytest.raises(InvalidOption, match="factor: got 8, expected one of 2, 4"):
        default_model(infos, 8)
    with pytest.raises(ModelNotFound, match="train one"):
        default_model([])


def test_every_checkpoint_that_ships_has_a_card_that_states_its_figures() -> None:
    for path in WEIGHTS.glob("*.safetensors"):
        card = path.with_suffix(".md").read_text()
        shipped = find_models(Settings())
        assert path.stem in shipped
        for value in next(i for i in list_models(Settings()) if i.name == path.stem).metrics.values():
            assert f"{value:.2f}" in card or f"{value:.4f}" in card, (path.name, value)
        for section in ("## Data", "## Recipe", "## Figures", "## Limits", "## Licence"):
            assert section in card, (path.name, section)
        assert path.stat().st_size < 10 * 1024**2


def test_what_draws_ships_with_its_limits_its_licence_and_its_baselines() -> None:
    drawing = [info for info in list_models(Settings()) if info.kind == "sampler"]
    assert drawing
    for info in drawing:
        path = find_model(info.name, Settings())
        card = path.with_suffix(".md").read_text()
        assert "invented, not recovered" in card
        assert "must not be used to identify" in card
        assert "non-commercial" in info.license
        baselines = find_baselines(path, info)
        assert {read_info(baseline).architecture for baseline in baselines} == {
            "pixel_regression",
            "independent_pixels",
        }
        assert all(
            baseline.stat().st_size < 2.5e6 and read_info(baseline).license == info.license for baseline in baselines
        )
        (bits,), (independent,) = (
            [value for key, value in info.metrics.items() if key.endswith(end)]
            for end in ("_eval_bits", "_independent_bits")
        )
        assert bits < independent - 0.5, "it sees what it has drawn"
        assert next(value for key, value in info.metrics.items() if key.endswith("_consistency")) < 0.02
