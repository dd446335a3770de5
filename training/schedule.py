"""The learning rate as a function of the step: nothing to save, nothing to restore."""

import math

from training.recipes import Recipe


def learning_rate_at(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to 1% of the peak, or halved every ``halve_every`` steps (the paper's)."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "step":
        return recipe.learning_rate * float(0.5 ** (step // recipe.halve_every))
    done = min(1.0, (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup))
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
