"""Faces drawn by a model, from a photo and from sketches: ``python -m docs.drawn_faces docs/drawn_faces.webp``.

The photo is scikit-image's astronaut (NASA, public domain), the sketches are painted here, cell by cell. No picture of
the data that the model was trained on is shown. Rows: input, bicubic, L2, four samples, their entropy, the truth.
"""

import sys
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image, ImageDraw, ImageFont

from loupe.degrade import bicubic_downscale
from loupe.drawing import Bytes
from loupe.drawing_evaluation import draw_sheet, to_tensor
from loupe.drawing_table import read_compared
from loupe.images import Picture, encode
from loupe.registry import default_model, find_model, list_models
from loupe.settings import Settings

TOP, LEFT, SIDE = 70, 175, 105  # of the astronaut's face, eyes and mouth where the training faces have them
SAMPLES, ZOOM = 4, 3
LABELS = ("input", "bicubic", "L2", *(f"seed {seed}" for seed in range(SAMPLES)), "entropy", "truth")
COLOURS = {
    "h": (58, 42, 36),  # dark hair
    "g": (176, 148, 96),  # fair hair
    "w": (150, 158, 168),  # wall
    "s": (214, 168, 142),  # fair skin
    "S": (186, 138, 114),  # fair skin in the shade
    "e": (126, 90, 78),  # eyes
    "m": (188, 104, 98),  # mouth
    "b": (142, 98, 74),  # brown skin
    "B": (112, 74, 56),  # brown skin in the shade
    "E": (62, 42, 36),
    "M": (122, 66, 60),
    "c": (60, 66, 92),  # clothes
}
SKETCHES = (
    "whhhhhhw hhsssshh hSssssSh hSeSSeSh hssssssh hSsSSsSh wSsmmsSw wwSssSww",
    "hhhhhhhh hhbbbbhh hBbbbbBh hBEBBEBh wbbbbbbw wBbBBbBw wBbMMbBw ccBbbBcc",
    "wggggggw ggssssgg gSssssSg gSeSSeSg gssssssg gSsSSsSg gSsmmsSg ggSssSgg",
)


def main() -> None:
    """Write the picture to the path on the command line."""
    settings = Settings()
    name = default_model(list_models(settings), kind="sampler")
    compared = read_compared(find_model(name, settings))
    regression = torch.no_grad()(compared.regression) if compared.regression else None
    photo = Image.fromarray(skimage.data.astronaut()[TOP : TOP + SIDE, LEFT : LEFT + SIDE])
    face = np.asarray(photo.resize((32, 32), Image.Resampling.BOX))
    truth = np.stack([face, face[:, ::-1]])
    rows = [
        draw_sheet(compared.sampler, lr, known, samples=SAMPLES, regression=regression, zoom=ZOOM)
        for lr, known in ((bicubic_downscale(to_tensor(truth), 4), truth), (to_tensor(paint_sketches()), None))
    ]
    labelled = add_labels(np.concatenate(rows), f"{name}: what it draws is invented, not recovered")
    Path(sys.argv[1]).write_bytes(encode(Picture(color=labelled), "WEBP", quality=85))


def paint_sketches() -> Bytes:
    """(N,8,8,3)."""
    return np.array([[COLOURS[cell] for cell in sketch.replace(" ", "")] for sketch in SKETCHES], np.uint8).reshape(
        -1, 8, 8, 3
    )


def add_labels(sheet: Bytes, foot: str) -> Bytes:
    """Names of the columns above, one line below."""
    labels = [label for label in LABELS if label != "L2" or sheet.shape[1] == len(LABELS) * 32 * ZOOM]
    line, font = 22, ImageFont.load_default(13)
    page = Image.new("RGB", (sheet.shape[1], sheet.shape[0] + 2 * line), "white")
    page.paste(Image.fromarray(sheet), (0, line))
    pen = ImageDraw.Draw(page)
    for column, label in enumerate(labels):
        pen.text((column * 32 * ZOOM + 4, 3), label, "black", font)
    pen.text((4, page.height - line + 3), foot, "black", font)
    return np.asarray(page)


if __name__ == "__main__":
    main()
