"""Are the pictures still those that the model was trained on? drift -> if they drifted, the training pipeline.

``python -m pipelines schedule`` makes it a recurring run; the training pipeline's parameters are given to this one.
"""

import inspect
from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.drift import drift
from pipelines.placement import LAPTOP, Placement

OWN = {
    "model": (str, inspect.Parameter.empty, "the name of the model that serves"),
    "prometheus": (str, "", "address of a Prometheus that scrapes the servers, such as http://prometheus:9090"),
    "servers": (list[str], [], "addresses of the servers themselves, where there is no Prometheus"),
    "window": (str, "7d", "how far back Prometheus looks"),
    "storage": (str, "", "where the versions of the model are; without it LOUPE_STORAGE"),
    "psi": (float, 0.25, "population stability index from which a feature drifted"),
    "p_value": (float, 0.01, "of the Kolmogorov-Smirnov test, for all features together"),
    "min_pictures": (int, 100, "fewer observed pictures say nothing"),
}


def watch_drift(train: Callable[[Placement], Any], placement: Placement = LAPTOP) -> Any:  # kfp is untyped
    """The pipeline ``watch-drift`` over that of ``train``: it takes its own parameters and all of that one.

    A parameter of both, such as ``model``, is one parameter with one value.
    """
    nested = train(placement)
    theirs = inspect.signature(nested.pipeline_func).parameters
    inputs = nested.component_spec.inputs
    told = {name: meaning for name, (_, _, meaning) in OWN.items()}
    told |= {name: inputs[name].description or "" for name in theirs if name not in OWN}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)
        for name, (kind, default, _) in OWN.items()
    ]
    parameters += [parameter for name, parameter in theirs.items() if name not in OWN]
    parameters.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)

    def pipeline(*channels: Any) -> None:
        given = {parameter.name: channel for parameter, channel in zip(parameters, channels, strict=True)}
        found = drift(**{name: given[name] for name in OWN})
        placement.place(found, cache=False)  # what servers have seen changes by the minute
        with dsl.If(found.outputs["Output"] == "drifted", name="drifted"):
            nested(**{name: given[name] for name in theirs})

    # kfp reads a pipeline's parameters from its signature, and what they mean from its docstring.
    pipeline.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    heading = ["Train again when the pictures are others than those of the training.", "", "Args:"]
    pipeline.__doc__ = "\n".join(heading + [f"    {name}: {meaning}" for name, meaning in told.items()])
    return dsl.pipeline(name="watch-drift")(pipeline)
