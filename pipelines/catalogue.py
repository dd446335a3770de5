"""Which pipelines there are, and what each asks for."""

from collections.abc import Mapping
from typing import Any

from pipelines.prepare_data import prepare_data

PIPELINES: Mapping[str, Any] = {"prepare_data": prepare_data}  # kfp is untyped


def parameters_of(pipeline: Any) -> dict[str, tuple[str, object]]:
    """Kfp's type (String, Integer, Float, List[String]) and the default, None where one must be given."""
    return {name: (field.type, field.default) for name, field in pipeline.component_spec.inputs.items()}
