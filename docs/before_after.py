"""The picture on top of the README: ``python -m docs.before_after docs/before_after.jpg``.

A part of a photo as it is, enlarged by bicubic and by Loupe's default model. The photos are scikit-image's: the
astronaut (NASA, public domain) and Chelsea the cat (CC0, Stefan van der Walt).
"""

import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from loupe.backends import open_backend
from loupe.images import Picture, encode
from loupe.registry import default_model, list_models
from loupe.settings import Settings
from loupe.upscale import Upscaler

PARTS = (("chelsea", (20, 110, 125, 105)), ("astronaut", (0, 150, 125, 105)))  # top, left, width, height
GAP = 12


def main() -> None:
    """Write the picture to the path on the command line."""
    settings = Settings()
    model = default_model(list_models(settings), 4)
    upscaler = Upscaler(open_backend("torch", model, settings))
    rows = []
    for name, (top, left, width, height) in PARTS:
        # Halved first: the samples are soft at full size, and a photo off the web is not.
        photo = Image.fromarray(getattr(skimage.data, name)())
        small = photo.resize((photo.width // 2, photo.height // 2), Image.Resampling.LANCZOS)
        part = np.asarray(small)[top // 2 : top // 2 + height, left // 2 : left // 2 + width]
        picture = Picture(color=np.ascontiguousarray(part))
        larger = Image.fromarray(upscaler.upscale(picture).color)
        rows.append((Image.fromarray(part).resize(larger.size, Image.Resampling.BICUBIC), larger))
    width, height = rows[0][0].size
    sheet = Image.new("RGB", (2 * width + GAP, 2 * height + GAP), "white")
    for y, pair in enumerate(rows):
        for x, picture_of in enumerate(pair):
            sheet.paste(picture_of, (x * (width + GAP), y * (height + GAP)))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    for x, text in ((0, "before: bicubic x4"), (width + GAP, f"after: Loupe, {model}")):
        draw.rectangle((x, 0, x + draw.textlength(text, font) + 16, 32), fill="black")
        draw.text((x + 8, 4), text, "white", font)
    Path(sys.argv[1]).write_bytes(encode(Picture(color=np.asarray(sheet)), "JPEG", quality=88))


if __name__ == "__main__":
    main()
