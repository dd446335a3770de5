"""Which models there are: checkpoints in a folder of one's own first, then the versions that were promoted in
storage (``loupe/versions.py``), then those that ship with Loupe.

for info in list_models(Settings()): print(info.name, info.scale)
model, info = load_model(find_model("edsr_light_x4", Settings()))
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from loupe.checkpoint import CheckpointInfo, Kind, read_info
from loupe.errors import CheckpointError, InvalidOption, ModelNotFound
from loupe.promoted import NOTHING, promoted_checkpoints
from loupe.settings import Settings

logger = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parent / "weights"
QUALITY = "set5_psnr_y"  # the metric by which the default of a factor is chosen


def find_models(settings: Settings, last: Mapping[str, Path] = NOTHING) -> dict[str, Path]:
    """Name -> checkpoint. One that cannot be read is logged and left out: it must not take the others down.

    ``last``: what was found before, for ``loupe.promoted.promoted_checkpoints``.
    """
    found: dict[str, Path] = {}
    for name, path in _search(settings, last):
        found.setdefault(name, path)
    return found


def _search(settings: Settings, last: Mapping[str, Path] = NOTHING) -> Iterator[tuple[str, Path]]:
    """Names and checkpoints; the first of a name is the one that counts."""
    for place in _places(settings, last):
        for path in place:
            try:
                yield read_info(path).name, path
            except CheckpointError as error:
                logger.warning("left out: %s", error)


def _places(settings: Settings, last: Mapping[str, Path]) -> Iterator[list[Path]]:
    """Checkpoints by place; none is looked at before its turn, as storage may be far away."""
    if settings.models_dir:
        yield sorted(settings.models_dir.glob("*.safetensors"))
    yield promoted_checkpoints(settings, last)
    yield sorted(WEIGHTS.glob("*.safetensors"))


def list_models(settings: Settings, kind: Kind | None = None) -> list[CheckpointInfo]:
    """The infos of ``find_models``, of one kind or all, by factor, the best of each factor first."""
    infos = [read_info(path) for path in find_models(settings).values()]
    infos = [info for info in infos if kind is None or info.kind == kind]
    return sorted(infos, key=lambda info: (info.scale, -info.metrics.get(QUALITY, 0.0), info.name))


def find_model(name: str, settings: Settings) -> Path:
    """The checkpoint of ``name``. ModelNotFound names those there are."""
    others = set()
    for found, path in _search(settings):
        if found == name:
            return path
        others.add(found)
    there = ", ".join(sorted(others)) or "none: train one with `python -m training`, or set LOUPE_MODELS_DIR"
    raise ModelNotFound(f"model: got {name!r}, expected one of: {there}")


def default_model(infos: list[CheckpointInfo], scale: int | None = None, *, kind: Kind = "enlarger") -> str:
    """The best of this kind and factor by measured quality; without a factor, of 4 if there is one, else of the
    largest. Raises ModelNotFound, InvalidOption.
    """
    infos = [info for info in infos if info.kind == kind]
    if not infos and kind == "sampler":
        raise ModelNotFound("there is no model that draws: train pixel_recursive_faces_small, or set LOUPE_MODELS_DIR")
    if not infos:
        raise ModelNotFound("there is no model: train one with `python -m training`, or set LOUPE_MODELS_DIR")
    scales = sorted({info.scale for info in infos})
    wanted = scale if scale is not None else (4 if 4 in scales else scales[-1])
    fitting = [info for info in infos if info.scale == wanted]
    if not fitting:
        raise InvalidOption(f"factor: got {wanted}, expected one of {', '.join(map(str, scales))}")
    return max(fitting, key=lambda info: (info.metrics.get(QUALITY, 0.0), info.parameters)).name
