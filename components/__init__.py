"""Kubeflow components: one a file, at most 40 lines; they read inputs, make one call and write artifacts.

    from components.ingest import ingest        # a task in a pipeline, or one step on a laptop

Each runs on our own image, where all packages are: nothing is installed when a step starts, so the same step runs under
kfp's SubprocessRunner too. kfp copies the source of the function alone: what its body uses, its body imports, and
annotations must be objects (no ``from __future__ import annotations``).
"""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from loupe import __version__

IMAGE = f"loupe-worker:{__version__}"  # a name to be replaced: pipelines.compiling puts the registry's there


def component(function: Callable[..., object]) -> Any:  # kfp is untyped
    """Declare a function a lightweight component on our image."""
    return dsl.component(base_image=IMAGE, install_kfp_package=False)(function)
