"""Which pipelines there are, and what each asks for.

build("prepare_data", Placement(secret="loupe-s3"))        # one pipeline, for one cluster
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pipelines.batch_upscale import batch_upscale
from pipelines.placement import LAPTOP, Placement
from pipelines.prepare_data import prepare_data
from pipelines.train_and_deploy import train_and_deploy
from pipelines.watch_drift import watch_drift

PIPELINES: Mapping[str, Callable[[Placement], Any]] = {  # kfp is untyped
    "train_and_deploy": train_and_deploy,
    "prepare_data": prepare_data,
    "batch_upscale": batch_upscale,
    "watch_drift": partial(watch_drift, train_and_deploy),
}


class Parameter(NamedTuple):
    """``kind`` is kfp's name: String, Integer, Float, List[String]; without a default (None) it must be given."""

    kind: str
    default: object
    description: str


def build(name: str, placement: Placement = LAPTOP) -> Any:
    """The pipeline of that name; without a placement as a laptop runs it. KeyError when there is none."""
    return PIPELINES[name](placement)


def parameters_of(pipeline: Any) -> dict[str, Parameter]:
    """What a run of the pipeline takes, in the order of its signature."""
    inputs = pipeline.component_spec.inputs
    return {name: Parameter(field.type, field.default, field.description or "") for name, field in inputs.items()}
