"""Lists the pictures of a folder or bucket, and where each result goes."""

from kfp import dsl

from components import component


@component
def plan_batch(
    plan: dsl.Output[dsl.Artifact],
    source: str,
    target: str,
    model: str = "",
    scale: int = 0,
    format: str = "",
    quality: int = 0,
    pictures_a_part: int = 200,
) -> list[str]:
    """Without ``model`` it is the best of ``scale``; 0 and "" are the defaults. Returns the names of the parts."""
    from pathlib import Path

    from loupe.batch import plan_batch as make_plan
    from loupe.registry import default_model, list_models
    from loupe.settings import Settings

    name = model or default_model(list_models(Settings()), scale or None)
    made = make_plan(source, target, model=name, scale=scale, format=format, quality=quality or None)
    Path(plan.path).write_text(made.model_dump_json())
    plan.metadata.update(model=name, pictures=len(made.items), refused=len(made.refused))
    return made.parts(pictures_a_part)
