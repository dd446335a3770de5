"""Real packages of a small real model: assessed on a photo, with its features."""

from pathlib import Path

from loupe.assessing import assess
from loupe.assessment import Assessment
from loupe.checkpoint import load_model, save_checkpoint
from loupe.distribution import Distribution
from loupe.evaluation import Pair
from loupe.images import Picture, decode
from loupe.quality import measure
from loupe.records import Lineage
from serving.packaging import Package, make_package

LINEAGE = Lineage(data="d" * 64, run="run-1", recipe="edsr_fast_x4")


def trained(models: Path, folder: Path, *, name: str = "tiny_x4") -> Path:
    """A checkpoint as training leaves it, before it has a number of its own."""
    model, info = load_model(models / "tiny_x4.safetensors")
    path = folder / "trained"
    save_checkpoint(path, model, info.model_copy(update={"name": name, "data": "four photos"}))
    return path


def assessed(checkpoint: Path, photos: Path) -> Assessment:
    pair = Pair(photos / "chelsea.png", None)
    return assess(checkpoint, {"cats": [pair]}, robust_pictures=1, robust_side=96)


def packaged(models: Path, photos: Path, folder: Path, version: str = "1", *, name: str = "tiny_x4") -> Package:
    checkpoint = trained(models, folder, name=name)
    picture = decode((photos / "rocket.png").read_bytes()).color[100:148, 200:264]
    return make_package(
        folder / f"package-{version}",
        checkpoint,
        assessed(checkpoint, photos),
        version=version,
        features=Distribution.of([measure(Picture(color=picture))]),
        lineage=LINEAGE,
        picture=picture,
    )
