"""An Artist draws pictures from a sketch. There are two, as there are backends for enlarging.

    artist = open_artist("auto", "pixel_recursive_faces", Settings())                   # in this process
    artist = open_artist("http://127.0.0.1:8080", "pixel_recursive_faces", Settings())  # an inference server
    drawing = artist.draw(sketch, DrawOptions(samples=6, seed=3), on_row=show)

Borders are numpy, so that whoever only talks to a server needs no torch installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from loupe import __version__
from loupe.checkpoint import CheckpointInfo, load_model, require_kind
from loupe.drawing import Bytes, Drawing, DrawOptions, Given, OnRows
from loupe.errors import Cancelled, CheckpointError, InvalidOption
from loupe.registry import find_model
from loupe.settings import Settings

if TYPE_CHECKING:
    from loupe.models.pixel_recursive import PixelRecursive


class Artist(Protocol):
    """May be called from several threads."""

    name: str
    version: str
    scale: int
    """Pixels a cell, each way."""

    def draw(
        self,
        sketch: Bytes,
        options: DrawOptions,
        given: Given | None = None,
        *,
        on_row: OnRows | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Drawing:
        """(h,w,3) uint8 -> ``options.samples`` pictures of (h*scale,w*scale). Raises InvalidOption, and Cancelled
        at the next row. Rows may come again from the first on, where a server had to be asked again.
        """
        ...


class LocalArtist:
    """A model in this process, in float32 on the CPU."""

    def __init__(self, model: PixelRecursive, info: CheckpointInfo) -> None:
        from loupe.sampling import Sampler

        self.name, self.version, self.scale = info.name, info.version, info.scale
        self._sampler = Sampler(model)

    def draw(
        self,
        sketch: Bytes,
        options: DrawOptions,
        given: Given | None = None,
        *,
        on_row: OnRows | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Drawing:
        """As Artist."""
        import torch

        def look(y: int, pictures: Bytes) -> None:
            if cancelled():
                raise Cancelled(f"stopped after {y} of {pictures.shape[2]} rows")
            if on_row is not None:
                on_row(y, pictures[0, :, y].copy())

        lr = torch.from_numpy(np.array(sketch)).permute(2, 0, 1)[None].float() / 255  # (1,3,h,w)
        drawn = self._sampler.draw(lr, samples=options.samples, choice=options.choice, given=given, on_row=look)
        return Drawing(drawn.pictures[0], drawn.entropy[0])


def made_by(artist: Artist) -> str:
    """The beginning of ``loupe.drawing.provenance``."""
    return f"Loupe {__version__} {artist.name} version {artist.version} x{artist.scale}"


def open_artist(spec: str, model: str, settings: Settings) -> Artist:
    """``spec``: auto, torch, or http(s)://host:port of an inference server (which may hold ``{model}``).

    Raises ModelNotFound, CheckpointError, InvalidOption (also for a model that enlarges), BackendUnavailable.
    """
    if spec.startswith(("http://", "https://")):
        from loupe.remote_artist import RemoteArtist

        return RemoteArtist(spec, model)
    if spec not in ("auto", "torch"):
        raise InvalidOption(f"backend: got {spec!r}, expected auto, torch or http://host:port: others cannot draw")
    return load_artist(find_model(model, settings), settings)


def load_artist(checkpoint: Path, settings: Settings) -> LocalArtist:
    """The checkpoint in this process. Raises CheckpointError, and InvalidOption for a model that enlarges."""
    import torch

    from loupe.models.pixel_recursive import PixelRecursive

    network, info = load_model(checkpoint)
    require_kind(info.name, info.kind, "sampler")
    if not isinstance(network, PixelRecursive):
        raise CheckpointError(
            f"{info.name}: got {info.architecture}, expected pixel_recursive: nothing else is drawn with"
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return LocalArtist(network, info)
