"""Asks what was published for a real picture, and takes the version back if the answer is wrong."""

from kfp import dsl

from components import component


@component
def smoke(
    package: dsl.Input[dsl.Artifact],
    storage: str = "",
    endpoint: str = "",
    namespace: str = "",
    service: dict = {},  # type: ignore[type-arg]  # as kfp reads it
    timeout: float = 300.0,
) -> float:
    """Without an ``endpoint``, starts a server of its own; ``service`` as for publish. Returns the PSNR in dB."""
    from pathlib import Path

    from loupe.cluster import connect
    from loupe.settings import Settings
    from serving.cluster import Cluster
    from serving.packaging import read_package
    from serving.publishing import OnCluster
    from serving.smoke import try_package

    on = OnCluster(cluster=Cluster(connect(), namespace), service=service) if namespace else None
    found = try_package(
        read_package(Path(package.path)), storage or Settings().storage, endpoint, on=on, timeout=timeout, told=print
    )
    return min(found, 100.0)  # equal pictures have infinitely many, which no parameter can hold
