"""Registers a package as a version and lets it serve: here by `make run`, on a cluster by an InferenceService."""

from kfp import dsl

from components import component


@component
def publish(
    package: dsl.Input[dsl.Artifact],
    storage: str = "",
    namespace: str = "",
    canary: int = 0,
    service: dict = {},  # type: ignore[type-arg]  # as kfp reads it
    model_registry: str = "",
    timeout: float = 900.0,
) -> str:
    """With a ``namespace``, applies there and waits; ``service``: fields of Service. Returns the address there."""
    from pathlib import Path

    from loupe.cluster import connect
    from loupe.settings import Settings
    from serving.cluster import Cluster
    from serving.model_registry import ModelRegistry
    from serving.packaging import read_package
    from serving.publishing import OnCluster
    from serving.publishing import publish as publish_package

    on = None
    if namespace:
        on = OnCluster(cluster=Cluster(connect(), namespace), service=service, canary=canary, timeout=timeout)
    return publish_package(
        read_package(Path(package.path)),
        storage or Settings().storage,
        on=on,
        mirror=ModelRegistry(model_registry) if model_registry else None,
        told=print,
    )
