"""Every named training run, as a function: ``RECIPES["edsr_x4"]() -> Recipe``.

To make a run of your own, write a function here; ``python -m training --recipe NAME`` finds it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from loupe.errors import InvalidOption


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a run needs but its data folder. ``learning_rate`` is Adam's, ``batch`` is over all ranks."""

    name: str
    architecture: str
    config: dict[str, Any]
    scale: int
    summary: str
    objective: Literal["pixel"] = "pixel"
    loss: Literal["l1", "l2"] = "l1"
    patch: int = 48  # low-resolution side of a training crop
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
        for name in ("patch", "batch", "steps", "validate_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected 1 or more")
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


RECIPES: dict[str, Callable[[], Recipe]] = {
    function.__name__: function for function in (edsr_x2, edsr_x3, edsr_x4, edsr_fast_x2, edsr_fast_x4, edsr_light_x4)
}


def scale_of(recipe: str) -> int:
    """The factor of a recipe by its name. InvalidOption names those there are."""
    if recipe not in RECIPES:
        raise InvalidOption(f"recipe: got {recipe!r}, expected one of {', '.join(sorted(RECIPES))}")
    return RECIPES[recipe]().scale
