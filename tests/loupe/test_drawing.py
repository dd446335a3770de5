"""Sketches, what is given and what is asked for, from pictures and text."""

import numpy as np
import pytest

from loupe.checkpoint import SAMPLERS, CheckpointInfo
from loupe.drawing import (
    DrawOptions,
    decode_entropy,
    encode_entropy,
    encode_given,
    provenance,
    read_draw_options,
    read_given,
    read_sketch,
    shrink_to_cells,
)
from loupe.errors import InvalidOption, ModelNotFound
from loupe.images import Picture, decode
from loupe.models import MODELS
from loupe.registry import default_model
from loupe.settings import DrawingLimits


def picture(height: int, width: int, value: int = 100, dtype: type = np.uint8, channels: int = 3) -> Picture:
    return Picture(color=np.full((height, width, channels), value, dtype))


def test_a_sketch_is_8_bit_colour_on_white() -> None:
    limits = DrawingLimits()
    assert (read_sketch(picture(2, 3, 257 * 40, np.uint16, 1), limits) == 40).all()
    half = Picture(color=np.zeros((1, 2, 3), np.uint8), alpha=np.array([[0, 255]], np.uint8))
    assert read_sketch(half, limits)[0, :, 0].tolist() == [255, 0]
    with pytest.raises(InvalidOption, match="got 9x2 cells, expected at most 8x8"):
        read_sketch(picture(2, 9), DrawingLimits(max_cells=8))


def test_a_photo_shrunk_into_cells_is_cut_to_their_shape() -> None:
    color = np.zeros((60, 100, 3), np.uint8)
    color[:, 20:50], color[:, 50:80] = 50, 200
    cells = shrink_to_cells(Picture(color=color), 4, 4).color[..., 0]
    assert cells.shape == (4, 4)
    assert np.abs(cells.astype(int) - [50, 50, 200, 200]).max() <= 12  # Lanczos swings a little at an edge
    with pytest.raises(InvalidOption, match="cells: got 8x8, expected at most 4x4"):
        shrink_to_cells(picture(4, 4), 8, 8)


def test_what_is_known_survives_the_way_to_a_server() -> None:
    mask = Picture(color=np.where(np.eye(4, 6, dtype=bool), np.uint8(255), np.uint8(10))[..., None])
    given = read_given(picture(4, 6, 7), mask, height=4, width=6)
    np.testing.assert_array_equal(given.known, np.eye(4, 6, dtype=bool))
    again = read_given(decode(encode_given(given)), None, height=4, width=6)
    np.testing.assert_array_equal(again.known, given.known)
    np.testing.assert_array_equal(again.picture, given.picture)
    upper = read_given(picture(3, 6, 7), None, height=4, width=6)
    assert upper.known.sum(axis=1).tolist() == [6, 6, 6, 0]


@pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 6), (2, 5)])
def test_a_part_that_does_not_fit_is_refused(height: int, width: int) -> None:
    with pytest.raises(InvalidOption, match=rf"given: got {width}x{height} pixels, all of them known, expected"):
        read_given(picture(height, width), None, height=4, width=6)


def test_entropy_travels_in_tenths_of_a_bit() -> None:
    entropy = np.linspace(0, 24, 60, dtype=np.float32).reshape(6, 10)
    np.testing.assert_allclose(decode_entropy(decode(encode_entropy(entropy))), entropy, atol=0.0501)


def test_options_may_be_text_and_say_what_is_expected() -> None:
    options = read_draw_options({"samples": "4", "temperature": "0.9", "seed": "7"})
    assert (list(options.seeds), options.choice.temperature) == ([7, 8, 9, 10], 0.9)
    assert provenance("Loupe", options.seeds, options) == "Loupe seeds 7 to 10 temperature 0.9: invented"
    assert provenance("Loupe", [3], DrawOptions(top_p=0.5)) == "Loupe seed 3 temperature 1 top-p 0.5: invented"
    for name, value in (("samples", True), ("temperature", "nan"), ("seed", 2**63), ("top_p", 1.01)):
        with pytest.raises(InvalidOption, match=rf"{name}: got .*, expected"):
            read_draw_options({name: value})


def test_the_kind_follows_from_the_architecture() -> None:
    def info(name: str, architecture: str, scale: int = 4) -> CheckpointInfo:
        return CheckpointInfo(name=name, architecture=architecture, config={}, scale=scale, parameters=9)

    assert set(MODELS) >= SAMPLERS
    infos = [info("a", "edsr", 2), info("b", "pixel_recursive")]
    assert [one.kind for one in infos] == ["enlarger", "sampler"]
    assert default_model(infos) == "a"
    assert default_model(infos, kind="sampler") == "b"
    with pytest.raises(InvalidOption, match="factor: got 4, expected one of 2"):
        default_model(infos, 4)
    with pytest.raises(ModelNotFound, match="no model that draws"):
        default_model(infos[:1], kind="sampler")
