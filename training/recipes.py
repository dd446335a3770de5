"""Every named training run, as a function: ``RECIPES["edsr_x4"]() -> Recipe``.

To make a run of your own, write a function here; ``python -m training --recipe NAME`` finds it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from loupe.errors import InvalidOption

SMALL = {"blocks": 2, "prior_features": 64, "layers": 10, "kernel": 3, "hidden": 256}  # loupe.models.pixel_recursive


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a run needs but its data folder. ``learning_rate`` is Adam's, ``batch`` is over all ranks."""

    name: str
    architecture: str
    config: dict[str, Any]
    scale: int
    summary: str
    objective: Literal["pixel", "likelihood"] = "pixel"
    loss: Literal["l1", "l2"] = "l1"
    shrink: int = 1  # training photos are made this many times smaller first
    patch: int = 48  # low-resolution side of a training crop
    turns: int = 8  # of a crop: 8 flips and quarter turns, 2 for what is upright (faces), 1 for none
    batch: int = 16
    steps: int = 300_000
    learning_rate: float = 1e-4
    schedule: Literal["cosine", "step"] = "cosine"
    warmup: int = 0
    halve_every: int = 200_000  # only for the step schedule
    clip_norm: float = 0.0  # 0: no gradient clipping
    ema: float = 0.999
    validate_every: int = 1000
    save_every: int = 500
    seed: int = 0
    betas: tuple[float, float] = field(default=(0.9, 0.999))

    def __post_init__(self) -> None:
        for name in ("patch", "shrink", "batch", "steps", "validate_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected 1 or more")
        if self.turns not in (1, 2, 8):
            raise ValueError(f"turns: got {self.turns}, expected 1, 2 or 8")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema: got {self.ema}, expected 0 up to but not 1")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate: got {self.learning_rate}, expected above 0")


def _edsr_baseline(scale: int) -> Recipe:
    """The baseline of section 4 of the paper: 64 features, 16 blocks, L1, Adam 1e-4, batches of 16 crops."""
    return Recipe(
        name=f"edsr_x{scale}",
        architecture="edsr",
        config={"scale": scale, "features": 64, "blocks": 16},
        scale=scale,
        summary=f"EDSR baseline, {scale} times larger: the sharpest of the faithful models",
        learning_rate=2e-4,
        clip_norm=1.0,
        warmup=500,
    )


def edsr_x2() -> Recipe:
    """EDSR baseline, factor 2."""
    return _edsr_baseline(2)


def edsr_x3() -> Recipe:
    """EDSR baseline, factor 3."""
    return _edsr_baseline(3)


def edsr_x4() -> Recipe:
    """EDSR baseline, factor 4."""
    return _edsr_baseline(4)


def _edsr_direct(scale: int, *, name: str, features: int, blocks: int, steps: int, summary: str) -> Recipe:
    """Small EDSR that a CPU trains and runs: nothing at full size, and the enlarged input added at the end."""
    return Recipe(
        name=name,
        architecture="edsr",
        config={
            "scale": scale,
            "features": features,
            "blocks": blocks,
            "upsampler": "direct",
            "skip": "nearest",
        },
        scale=scale,
        summary=summary,
        patch=24 if scale == 4 else 32,
        steps=steps,
        learning_rate=1e-3,
        clip_norm=1.0,
        warmup=200,
    )


def edsr_fast_x2() -> Recipe:
    """Live video on a CPU, factor 2."""
    return _edsr_direct(
        2,
        name="edsr_fast_x2",
        features=32,
        blocks=4,
        steps=30_000,
        summary="Small and quick, 2 times larger: fit for live video",
    )


def edsr_fast_x4() -> Recipe:
    """Live video on a CPU, factor 4."""
    return _edsr_direct(
        4,
        name="edsr_fast_x4",
        features=32,
        blocks=4,
        steps=40_000,
        summary="Small and quick, 4 times larger: fit for live video",
    )


def edsr_light_x4() -> Recipe:
    """Between fast and baseline: what a CPU can train in an hour."""
    return _edsr_direct(
        4,
        name="edsr_light_x4",
        features=48,
        blocks=10,
        steps=30_000,
        summary="Sharp and still light, 4 times larger: a third of the baseline's weights",
    )


def _pixel_recursive(*, name: str, config: dict[str, Any], steps: int, learning_rate: float, summary: str) -> Recipe:
    """8x8 to 32x32 as in the paper; ``config`` is what differs from the paper's sizes."""
    return Recipe(
        name=name,
        architecture="pixel_recursive",
        config={"scale": 4} | config,
        scale=4,
        summary=summary,
        objective="likelihood",
        patch=8,
        batch=8,
        steps=steps,
        learning_rate=learning_rate,
        clip_norm=1.0,
        warmup=200,
        betas=(0.9, 0.99),
        validate_every=1000,
        save_every=200,
    )


def pixel_recursive_faces() -> Recipe:
    """Faces at the paper's size: for a GPU."""
    recipe = _pixel_recursive(
        name="pixel_recursive_faces",
        config={},
        steps=200_000,
        learning_rate=4e-4,  # the paper's
        summary="Draws plausible faces from 8x8 pixels, one subpixel after the other",
    )
    return replace(recipe, batch=32, turns=2)


def pixel_recursive_faces_small() -> Recipe:
    """Faces at a size that one core of a CPU trains in about an hour, in bf16."""
    recipe = _pixel_recursive(
        name="pixel_recursive_faces_small",
        config=SMALL,
        steps=10_000,
        learning_rate=1e-3,
        summary="Draws plausible faces from 8x8 pixels, small enough for a CPU",
    )
    return replace(recipe, turns=2, batch=4)  # many small steps: few pictures are seen in all


def independent_faces_small() -> Recipe:
    """The conditioning network of ``pixel_recursive_faces_small`` alone: what its prior must beat, in bits."""
    return replace(
        pixel_recursive_faces_small(),
        name="independent_faces_small",
        architecture="independent_pixels",
        config={"scale": 4, "blocks": SMALL["blocks"]},
        steps=8_000,
        summary="Each subpixel by itself: a baseline of pixel_recursive_faces_small",
    )


def regression_faces_small() -> Recipe:
    """The same network by L2: the sharpest single answer there is, which is the blurred mean of all."""
    return replace(
        independent_faces_small(),
        name="regression_faces_small",
        architecture="pixel_regression",
        objective="pixel",
        loss="l2",
        summary="The mean of all likely faces: a baseline of pixel_recursive_faces_small",
    )


def pixel_recursive_photos() -> Recipe:
    """Patches of photos, which are shrunk first so that 32x32 pixels hold detail. Size as small."""
    recipe = _pixel_recursive(
        name="pixel_recursive_photos",
        config=SMALL,
        steps=30_000,
        learning_rate=1e-3,
        summary="Draws plausible detail into photos, one subpixel after the other",
    )
    return replace(recipe, shrink=4)


RECIPES: dict[str, Callable[[], Recipe]] = {
    function.__name__: function
    for function in (
        edsr_x2,
        edsr_x3,
        edsr_x4,
        edsr_fast_x2,
        edsr_fast_x4,
        edsr_light_x4,
        pixel_recursive_faces,
        pixel_recursive_faces_small,
        independent_faces_small,
        regression_faces_small,
        pixel_recursive_photos,
    )
}


def scale_of(recipe: str) -> int:
    """The factor of a recipe by its name. InvalidOption names those there are."""
    if recipe not in RECIPES:
        raise InvalidOption(f"recipe: got {recipe!r}, expected one of {', '.join(sorted(RECIPES))}")
    return RECIPES[recipe]().scale
