"""Which share of a training step is spent waiting for data: edsr_fast_x4, on this machine's cores."""

import dataclasses
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image

from bench import show
from training.log import read_log
from training.loop import Options, train
from training.pack import open_pack, pack_pictures
from training.recipes import RECIPES

STEPS = 400


def main() -> None:
    """Print the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for photo in ("astronaut", "coffee", "chelsea", "rocket"):
            Image.fromarray(getattr(skimage.data, photo)()).save(folder / f"{photo}.png")
        paths = sorted(folder.glob("*.png"))
        pack = open_pack(pack_pictures(paths, folder / "pack", scales=(4,)))
        valid = open_pack(pack_pictures(paths[:1], folder / "valid", scales=(4,)))
        recipe = dataclasses.replace(RECIPES["edsr_fast_x4"](), steps=STEPS, save_every=STEPS, validate_every=STEPS)
        for precision in ("fp32", "bf16"):
            options = Options(device="cpu", precision=precision, quiet=True)
            train(recipe, data=pack, valid=valid, output=folder / precision, options=options)
            records = [r for r in read_log(folder / precision / "log.jsonl") if "data_wait" in r][2:]
            waits = sorted(record["data_wait"] for record in records)
            speeds = sorted(record["images_per_second"] for record in records)
            middle = len(records) // 2
            rows.append([precision, f"{speeds[middle]:.0f}", f"{waits[middle]:.2%}", f"{waits[-1]:.2%}"])
    show(f"Training edsr_fast_x4, {STEPS} steps", ["precision", "crops/s", "waiting for data", "worst"], rows)


if __name__ == "__main__":
    main()
