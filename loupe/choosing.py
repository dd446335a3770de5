"""From logits over 256 levels to a level: temperature, top-p, greedy, and where the random numbers come from.

    uniforms = draw_uniforms(seed=3, samples=6, height=32, width=32)
    levels = choose(logits, uniforms[:, y, x, colour], Choice(temperature=0.9))

Each sample has a generator and a seed of its own: sample k of seed s is the only sample of seed s + k. What it draws
does not depend on how many are drawn beside it, and any one of them can be drawn again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loupe.errors import InvalidOption

Floats = NDArray[np.floating[Any]]  # float32, or float64 for a model in double precision
TEMPERATURES = (0.1, 2.0)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How a level is chosen. Logits are divided by ``temperature`` (the paper multiplies them by its inverse).

    ``top_p``: only the likeliest levels that together have this probability. ``greedy``: always the likeliest.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    greedy: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = TEMPERATURES
        if not low <= self.temperature <= high:
            raise InvalidOption(f"temperature: got {self.temperature}, expected {low} to {high}")
        if not 0 < self.top_p <= 1:
            raise InvalidOption(f"top_p: got {self.top_p}, expected above 0 up to 1")
        if not 0 <= self.seed < 2**63:
            raise InvalidOption(f"seed: got {self.seed}, expected 0 to 2^63 - 1")


def draw_uniforms(*, seed: int, samples: int, height: int, width: int) -> NDArray[np.float64]:
    """(samples,H,W,3) in [0,1)."""
    generators = [np.random.Generator(np.random.Philox(key=seed + sample)) for sample in range(samples)]
    return np.stack([generator.random((height, width, 3)) for generator in generators])


def choose(logits: Floats, uniform: NDArray[np.float64], choice: Choice) -> NDArray[np.int64]:
    """(256,N) and (N,) -> (N,) levels: where the cumulated probability passes ``uniform``."""
    if choice.greedy:
        return np.asarray(logits.argmax(0))
    weight = np.exp((logits - logits.max(0)) / choice.temperature)
    if choice.top_p < 1:
        weight = _nucleus(weight, choice.top_p)
    cumulated = weight.cumsum(0, dtype=np.float64)
    passed: NDArray[np.int64] = np.count_nonzero(cumulated <= uniform * cumulated[-1], axis=0)
    return np.minimum(passed, len(logits) - 1)


def _nucleus(weight: Floats, top_p: float) -> Floats:
    """Zero where likelier levels alone reach ``top_p`` of the sum; the likeliest always stays."""
    order = np.argsort(-weight, axis=0, kind="stable")
    falling = np.take_along_axis(weight, order, 0)
    before = falling.cumsum(0, dtype=np.float64) - falling
    kept = np.where(before < top_p * falling.sum(0, dtype=np.float64), falling, 0)
    out = np.empty_like(weight)
    np.put_along_axis(out, order, kept, 0)
    return out


def entropy_bits(logits: Floats) -> Floats:
    """(256,N) -> (N,), 0 to 8 bits, of the model's own distribution: before temperature and top-p."""
    shifted = logits - logits.max(0)
    weight = np.exp(shifted)
    total = weight.sum(0)
    nats: Floats = np.log(total) - (weight * shifted).sum(0) / total
    return nats / nats.dtype.type(np.log(2))
