"""Enlarges one part of a batch, leaving what is done already."""

from kfp import dsl

from components import component


@component
def upscale_part(
    plan: dsl.Input[dsl.Artifact], outcome: dsl.Output[dsl.Artifact], part: str, endpoint: str = "", retries: int = 5
) -> int:
    """At the inference server ``endpoint``, or in this process. Returns the number of results made now."""
    from pathlib import Path

    from loupe.batch import Plan, open_upscaler
    from loupe.batch import upscale_part as upscale
    from loupe.settings import Settings

    given = Plan.model_validate_json(Path(plan.path).read_text())
    with open_upscaler(given.model, Settings(), endpoint=endpoint, retries=retries) as upscaler:
        came = upscale(given, part, upscaler, retries=retries)
    Path(outcome.path).write_text(came.model_dump_json())
    outcome.metadata.update(part=part, made=came.made, skipped=came.skipped, failed=len(came.failures))
    return came.made
