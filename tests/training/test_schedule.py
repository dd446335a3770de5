"""The learning rate: where it begins, peaks and ends."""

import dataclasses

import pytest

from training.recipes import RECIPES
from training.schedule import learning_rate_at

RECIPE = dataclasses.replace(RECIPES["edsr_fast_x4"](), steps=1000, warmup=100, learning_rate=1e-3)


def test_warm_up_then_cosine_to_one_percent() -> None:
    assert learning_rate_at(0, RECIPE) == pytest.approx(1e-5)
    assert learning_rate_at(99, RECIPE) == pytest.approx(1e-3)
    assert learning_rate_at(550, RECIPE) == pytest.approx(0.505e-3)
    assert learning_rate_at(1000, RECIPE) == pytest.approx(1e-5)
    falling = [learning_rate_at(step, RECIPE) for step in range(100, 1000)]
    assert falling == sorted(falling, reverse=True)


def test_steps_halve() -> None:
    recipe = dataclasses.replace(RECIPE, schedule="step", halve_every=400, warmup=0)
    assert [learning_rate_at(s, recipe) for s in (0, 399, 400, 800)] == [1e-3, 1e-3, 5e-4, 2.5e-4]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_what_its_name_says(name: str) -> None:
    from loupe.checkpoint import build_model

    recipe = RECIPES[name]()
    assert recipe.name == name
    assert name.endswith(f"_x{recipe.scale}") == name.startswith("edsr")
    model = build_model(recipe.architecture, recipe.config)
    assert model.config.scale == recipe.scale  # type: ignore[union-attr]
