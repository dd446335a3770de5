"""One request's pictures, from bytes to bytes: decode, enlarge, encode. The same in every server.

enlarger = Enlarger("edsr_x4", upscaler)
outcome = enlarger.run(request, cancelled=event.is_set)
answer = build_answer(request, outcome.results, enlarger.card)
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from loupe.errors import Cancelled, LoupeError
from loupe.images import Picture, decode, encode, media_type
from loupe.upscale import Progress, Upscaler
from serving.contract import AnyResult, Card, Item, Request, Result
from serving.options import Options, parse_options

TRIAL = (16, 16)  # pixels


@dataclass
class Outcome:
    """What came of a request, and what it cost."""

    results: list[AnyResult | LoupeError] = field(default_factory=list)
    tiles: int = 0
    pixels_in: int = 0
    pixels_out: int = 0


class Enlarger:
    """A model that is loaded and ready. Thread-safe, as its backend is."""

    def __init__(self, name: str, upscaler: Upscaler) -> None:
        """``name`` is what the server calls the model; a transformer may call it something else."""
        self.name = name
        self.upscaler = upscaler
        self.read_options = parse_options

    @property
    def card(self) -> Card:
        """What answers say now: behind a transformer, the predictor's version may have been rolled out since."""
        backend = self.upscaler.backend
        return Card(name=self.name, version=backend.version, scale=backend.scale, halo=backend.halo)

    def try_out(self) -> None:
        """Enlarge something, so that a checkpoint that loads and does not compute is found. Raises what that does."""
        self.upscaler.backend(np.zeros((1, 3, *TRIAL), np.float32))

    def run(
        self,
        request: Request,
        *,
        cancelled: Callable[[], bool],
        on_tiles: Callable[[int], None] | None = None,
        on_picture: Callable[[Picture], None] | None = None,
    ) -> Outcome:
        """Enlarge every item; an item's own error takes the place of its result. Raises Cancelled alone.

        ``on_tiles`` is told of each tile as it is done: what is cancelled half-way has cost something too.
        ``on_picture`` is told of each picture that was enlarged.
        """
        outcome = Outcome()
        for item in request.items:
            if isinstance(item, LoupeError):
                outcome.results.append(item)
                continue
            try:
                outcome.results.append(self._enlarge(item, outcome, cancelled, on_tiles, on_picture))
            except Cancelled:
                raise
            except LoupeError as error:
                outcome.results.append(error)
        return outcome

    def _enlarge(
        self,
        item: Item,
        outcome: Outcome,
        cancelled: Callable[[], bool],
        on_tiles: Callable[[int], None] | None,
        on_picture: Callable[[Picture], None] | None,
    ) -> Result:
        done = 0

        def count(progress: Progress) -> None:
            nonlocal done
            if on_tiles:
                on_tiles(progress.done - done)
            outcome.tiles += progress.done - done
            done = progress.done

        options = item.options
        assert isinstance(options, Options)  # noqa: S101  (read by parse_options)
        picture = decode(item.data, self.upscaler.limits)
        larger = self.upscaler.upscale(
            picture, width=options.width, height=options.height, progress=count, cancelled=cancelled
        )
        data = encode(larger, options.format, quality=options.quality, software=self.upscaler.provenance)
        outcome.pixels_in += picture.width * picture.height
        outcome.pixels_out += larger.width * larger.height
        if on_picture:
            on_picture(picture)
        return Result(data=data, media_type=media_type(options.format))
