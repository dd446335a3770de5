"""Checkpoints: what is written comes back, and what is wrong is refused in words."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from loupe.checkpoint import CheckpointInfo, describe, load_model, read_info, save_checkpoint
from loupe.errors import CheckpointError
from loupe.models.edsr import EDSR, EDSRConfig

CONFIG = EDSRConfig(scale=2, features=4, blocks=1)


def make(seed: int = 0) -> tuple[EDSR, CheckpointInfo]:
    torch.manual_seed(seed)
    model = EDSR(CONFIG)
    return model, describe(model, name="small_x2", architecture="edsr", scale=2, metrics={"set5_psnr_y": 30.5})


def test_round_trip_without_flags(tmp_path: Path) -> None:
    model, info = make()
    save_checkpoint(tmp_path / "m.safetensors", model, info, dtype=torch.float32)
    loaded, read = load_model(tmp_path / "m.safetensors")
    x = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(loaded(x), model(x), rtol=0, atol=0)
    assert read == info == read_info(tmp_path / "m.safetensors")
    assert read.parameters == sum(p.numel() for p in model.parameters())
    assert not loaded.training


def test_half_precision_by_default(tmp_path: Path) -> None:
    model, info = make()
    save_checkpoint(tmp_path / "m.safetensors", model, info)
    assert (tmp_path / "m.safetensors").stat().st_size < 2 * info.parameters + 4096
    x = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(load_model(tmp_path / "m.safetensors")[0](x), model(x), rtol=0, atol=2e-3)


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    model, info = make()
    with torch.no_grad():
        model.head.weight[0, 0, 0, 0] = float("nan")
    save_checkpoint(tmp_path / "m.safetensors", model, info)
    with pytest.raises(CheckpointError, match=r"head\.weight holds NaN"):
        load_model(tmp_path / "m.safetensors")


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    model, info = make()
    wrong = info.model_copy(update={"architecture": "unheard_of"})
    save_checkpoint(tmp_path / "a.safetensors", model, wrong)
    with pytest.raises(CheckpointError, match="got 'unheard_of', expected one of edsr"):
        load_model(tmp_path / "a.safetensors")
    wrong = info.model_copy(update={"config": info.config | {"blocks": 2}})
    save_checkpoint(tmp_path / "b.safetensors", model, wrong)
    with pytest.raises(CheckpointError, match="do not fit edsr"):
        load_model(tmp_path / "b.safetensors")
    wrong = info.model_copy(update={"config": {"depth": 2}})
    save_checkpoint(tmp_path / "c.safetensors", model, wrong)
    with pytest.raises(CheckpointError, match="depth"):
        load_model(tmp_path / "c.safetensors")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a checkpoint",
        struct.pack("<Q", 1 << 60) + b"{}",
        b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94",  # the beginning of a pickle
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"m\.safetensors: not a safetensors file"):
        read_info(tmp_path / "m.safetensors")


def test_metadata_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="expected a checkpoint written by Loupe"):
        read_info(tmp_path / "m.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "m.safetensors", metadata={"loupe": json.dumps({"name": "../x"})})
    with pytest.raises(CheckpointError, match="metadata does not fit"):
        read_info(tmp_path / "m.safetensors")


def test_nothing_half_written_where_it_cannot_be_written(tmp_path: Path) -> None:
    model, info = make()
    target = tmp_path / "taken.safetensors"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_checkpoint(target, model, info)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.safetensors"]
