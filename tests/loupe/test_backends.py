"""Backends: the same picture from each, from several threads, and clear words when one cannot be had."""

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from loupe.backends import MAX_HALO, halo_of, open_backend
from loupe.checkpoint import read_info
from loupe.errors import BackendUnavailable, InvalidOption, ModelNotFound
from loupe.settings import Settings


@pytest.fixture
def settings(tiny_models: Path) -> Settings:
    return Settings(models_dir=tiny_models)


def tiles(photo: NDArray[np.uint8], side: int = 40) -> NDArray[np.float32]:
    planes = photo[: 2 * side, :side].transpose(2, 0, 1).astype(np.float32) / 255
    return np.ascontiguousarray(planes.reshape(3, 2, side, side).transpose(1, 0, 2, 3))


@pytest.mark.parametrize("model", ["tiny_x2", "tiny_x4"])
def test_openvino_agrees_with_torch(settings: Settings, photo: NDArray[np.uint8], model: str) -> None:
    torch_backend = open_backend("torch", model, settings)
    openvino_backend = open_backend("openvino", model, settings)
    for side in (40, 17):  # another size is no other model
        batch = tiles(photo, side)
        expected = torch_backend(batch)
        got = openvino_backend(batch)
        assert got.shape == (2, 3, side * torch_backend.scale, side * torch_backend.scale)
        assert got.dtype == expected.dtype == np.float32
        np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("spec", ["torch", "openvino"])
def test_results_are_within_0_and_1_and_the_input_is_untouched(settings: Settings, spec: str) -> None:
    backend = open_backend(spec, "tiny_x2", settings)
    batch = np.random.default_rng(0).integers(0, 2, (1, 3, 16, 16)).astype(np.float32)
    before = batch.copy()
    result = backend(batch)
    assert result.min() >= 0
    assert result.max() <= 1
    np.testing.assert_array_equal(batch, before)


@pytest.mark.parametrize("spec", ["torch", "openvino"])
def test_threads_do_not_disturb_each_other(settings: Settings, photo: NDArray[np.uint8], spec: str) -> None:
    backend = open_backend(spec, "tiny_x4", settings)
    batches = [tiles(photo, side) for side in (20, 24, 28, 32)]
    expected = [backend(batch) for batch in batches]
    results: dict[int, list[NDArray[np.float32]]] = {}

    def work(index: int) -> None:
        results[index] = [backend(batches[index]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, mine in results.items():
        for result in mine:
            np.testing.assert_allclose(result, expected[index], atol=1e-6)


def test_auto_opens_one_here(settings: Settings) -> None:
    assert open_backend("auto", "tiny_x4", settings).scale == 4


def test_what_cannot_be_opened_says_what_can(settings: Settings) -> None:
    with pytest.raises(InvalidOption, match=r"got 'tensorflow', expected auto, torch, openvino or http"):
        open_backend("tensorflow", "tiny_x4", settings)
    with pytest.raises(ModelNotFound, match=r"got 'huge_x8', expected one of: .*tiny_x4"):
        open_backend("torch", "huge_x8", settings)
    with pytest.raises(BackendUnavailable, match="make run"):
        open_backend("http://127.0.0.1:9", "tiny_x4", settings)


def test_halo_is_the_receptive_radius_up_to_a_limit(tiny_models: Path) -> None:
    info = read_info(tiny_models / "tiny_x4.safetensors")
    assert halo_of(info) == 5  # head, two of the block, end of the body, upsampler
    assert halo_of(info.model_copy(update={"config": {"blocks": 16, "upsampler": "shuffle"}})) == MAX_HALO
