"""One request's sketches, from bytes to bytes: decode, draw, encode. The same in every server.

drawer = Drawer("pixel_recursive_faces", artist, settings)
outcome = drawer.run(request, cancelled=event.is_set, on_row=tell)
answer = build_answer(request, outcome.results, drawer.card)
"""

from collections.abc import Callable

import numpy as np

from loupe.artists import Artist, made_by
from loupe.drawing import (
    Bytes,
    DrawOptions,
    Given,
    OnRows,
    encode_entropy,
    provenance,
    read_given,
    read_sketch,
)
from loupe.errors import Cancelled, LoupeError
from loupe.images import Picture, decode, encode, media_type
from serving.contract import Card, Drawn, Item, Request
from serving.enlarge import Outcome
from serving.options import Commission, parse_commission
from serving.settings import ServingSettings


class Drawer:
    """A model that draws, loaded and ready. Thread-safe, as its artist is."""

    def __init__(self, name: str, artist: Artist, settings: ServingSettings) -> None:
        """``name`` is what the server calls the model; a transformer may call it something else."""
        self.name = name
        self.artist = artist
        self.settings = settings
        self.read_options = parse_commission

    @property
    def card(self) -> Card:
        """What answers say now: behind a transformer, the predictor's version may have been rolled out since."""
        return Card(name=self.name, version=self.artist.version, scale=self.artist.scale, halo=0, kind="sampler")

    def try_out(self) -> None:
        """Draw something, so that a checkpoint that loads and does not compute is found. Raises what that does."""
        self.artist.draw(np.zeros((1, 1, 3), np.uint8), DrawOptions())

    def run(self, request: Request, *, cancelled: Callable[[], bool], on_row: OnRows | None = None) -> Outcome:
        """Draw from every item; an item's own error takes the place of its result. Raises Cancelled alone."""
        outcome = Outcome()
        for item in request.items:
            try:
                if isinstance(item, LoupeError):
                    raise item
                outcome.results.append(self._draw(item, outcome, cancelled, on_row, sheet=request.protocol == "raw"))
            except Cancelled:
                raise
            except LoupeError as error:
                outcome.results.append(error)
        return outcome

    def _draw(
        self, item: Item, outcome: Outcome, cancelled: Callable[[], bool], on_row: OnRows | None, *, sheet: bool
    ) -> Drawn:
        wanted = item.options
        assert isinstance(wanted, Commission)  # noqa: S101  (read by parse_commission)
        wanted.options.check(self.settings.drawing)
        sketch = read_sketch(decode(item.data, self.settings.limits), self.settings.drawing)
        height, width = (side * self.artist.scale for side in sketch.shape[:2])
        given = self._given(wanted, height, width)
        drawing = self.artist.draw(sketch, wanted.options, given, on_row=on_row, cancelled=cancelled)
        outcome.pixels_in += sketch.shape[0] * sketch.shape[1]
        outcome.pixels_out += height * width * wanted.options.samples
        by = made_by(self.artist)

        def finish(pixels: Bytes, seeds: range) -> bytes:
            software = provenance(by, seeds, wanted.options)
            return encode(Picture(color=pixels), wanted.format, software=software)

        seeds = wanted.options.seeds
        return Drawn(
            images=tuple(finish(one, seeds[k : k + 1]) for k, one in enumerate(drawing.pictures)),
            entropy=tuple(encode_entropy(one) for one in drawing.entropy),
            media_type=media_type(wanted.format),
            sheet=finish(np.concatenate(list(drawing.pictures), axis=1), seeds) if sheet else b"",
        )

    def _given(self, wanted: Commission, height: int, width: int) -> Given | None:
        if wanted.given is None:
            return None
        limits = self.settings.limits
        mask = None if wanted.mask is None else decode(wanted.mask, limits)
        return read_given(decode(wanted.given, limits), mask, height=height, width=width)
