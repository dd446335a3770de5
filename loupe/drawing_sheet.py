"""What was drawn from one sketch, on one sheet: the sketch, each picture with its seed, and where the model guessed.

color = compose_sheet(sketch, drawing, seeds, scale=4, zoom=6, entropy=True, foot="Loupe ...")     # (H,W,3) uint8

Pictures are enlarged by repeating pixels, so that a sheet shows what was drawn and nothing else.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from loupe.drawing import Bytes, Drawing, entropy_picture, overlay

GAP, LINE = 16, 22  # pixels
PAPER, INK, SOFT = (250, 249, 246), (29, 28, 26), (102, 98, 91)
ROW_LABELS = ("", "gray, and the entropy over it", "entropy: black 0 bits a pixel, white 24")


def compose_sheet(
    sketch: Bytes, drawing: Drawing, seeds: Sequence[int], *, scale: int, zoom: int, entropy: bool, foot: str
) -> Bytes:
    """One row of pictures; with ``entropy`` two more below it, of overlays and of maps."""
    rows = [drawing.pictures]
    if entropy:
        rows += [overlay(drawing.pictures, drawing.entropy), entropy_picture(drawing.entropy)]
    height, width = (side * zoom for side in drawing.pictures.shape[1:3])
    columns = len(seeds) + 1
    sheet_width = max(GAP + columns * (width + GAP), 40 * LINE)
    image = Image.new("RGB", (sheet_width, GAP + len(rows) * (height + LINE + GAP) + LINE), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(14)

    def put(pixels: Bytes, times: int, column: int, row: int, label: str) -> None:
        left, top = GAP + column * (width + GAP), GAP + row * (height + LINE + GAP)
        image.paste(Image.fromarray(np.ascontiguousarray(pixels.repeat(times, 0).repeat(times, 1))), (left, top))
        pen.text((left, top + height + 3), label, INK if row == 0 else SOFT, font)

    put(sketch, scale * zoom, 0, 0, f"sketch, {sketch.shape[1]}x{sketch.shape[0]}")
    for row, pictures in enumerate(rows):
        for column, pixels in enumerate(pictures):
            put(pixels, zoom, column + 1, row, f"seed {seeds[column]}" if row == 0 else "")
        pen.text((GAP + width + GAP, GAP + row * (height + LINE + GAP) + height + 3), ROW_LABELS[row], SOFT, font)
    pen.text((GAP, image.height - LINE - 2), foot, SOFT, font)
    return np.asarray(image)
