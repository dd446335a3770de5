"""A package becomes what is served: registered as a version, served on a cluster if there is one, then promoted.

    publish(package, "file://.loupe")                                       # what `make run` serves from now on
    url = publish(package, "s3://models", on=OnCluster(cluster, canary=10))

Every step may be repeated. A version that does not come up on the cluster is never promoted, and the one before it is
applied again.
"""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loupe.assessing import hash_file
from loupe.errors import InvalidOption, LoupeError, VersionConflict
from loupe.records import ModelVersion, folder_of
from loupe.storage import Storage, open_storage
from loupe.versions import hash_of, promote, read_pointer, register, show, withdraw
from serving.cluster import Cluster, NotReady, Told
from serving.inference_service import Service, inference_service, service_name
from serving.model_registry import ModelRegistry
from serving.packaging import Package
from serving.runtimes import Manifest

logger = logging.getLogger(__name__)

OURS = frozenset({"name", "model", "storage_uri", "namespace", "canary"})  # fields of Service that follow from the rest


@dataclass(frozen=True, kw_only=True)
class OnCluster:
    """Where and how to serve on a cluster; ``service`` are further fields of ``Service`` such as service_account."""

    cluster: Cluster
    service: Mapping[str, Any] = field(default_factory=dict)
    canary: int = 0
    timeout: float = 900.0


def publish(
    package: Package,
    storage_uri: str,
    *,
    on: OnCluster | None = None,
    mirror: ModelRegistry | None = None,
    told: Told = logger.info,
) -> str:
    """Register and serve; returns the address on the cluster, or nothing without one.

    With a canary the pointer stays: the version gets its share of the requests, and is promoted by publishing it again
    without. Raises NotReady, ClusterError, VersionConflict, StorageError, InvalidOption.
    """
    storage = open_storage(storage_uri)
    name, version = package.info.name, package.info.version
    if on:  # whatever is wrong with these is to be said before anything is changed
        manifest_of(name, version, storage_uri, on, stable=version_before(storage, name, version))
    record = register_package(storage, package)
    told(f"{name} version {version} is registered in {storage_uri}")
    if mirror:
        mirror.add(record, _uri(storage_uri, name, version), told)
    url = _serve(storage, storage_uri, name, version, on, told) if on else ""
    if on and on.canary:
        told(
            f"{name} version {version} gets {on.canary}% of the requests; version "
            f"{version_before(storage, name, version)} stays the one that serves"
        )
    else:
        promote(storage, name, version)
        told(f"{name} version {version} serves")
    return url


def register_package(storage: Storage, package: Package) -> ModelVersion:
    """Register; the same package again is fine. Raises VersionConflict if the number is another checkpoint's."""
    name, version = package.info.name, package.info.version
    try:
        return register(
            storage,
            package.checkpoint,
            card=package.card,
            metrics=package.metrics,
            features=package.features,
            lineage=package.lineage,
            layout=package.folder,
        )
    except VersionConflict:
        there = show(storage, name, version)
        if there.sha256 != hash_file(package.checkpoint) or hash_of(storage, there.checkpoint) != there.sha256:
            raise
        return there


def take_back(
    storage_uri: str, name: str, version: str, *, on: OnCluster | None = None, told: Told = logger.info
) -> str:
    """A version has failed: let the one before it serve, in storage and on the cluster. Says what serves now."""
    storage = open_storage(storage_uri)
    before = version_before(storage, name, version)
    left = withdraw(storage, name, version)
    said = f"version {left.current} serves" if left else "none was served before, so none is promoted"
    if not on:
        return said
    if before is None:
        return f"{said}; the InferenceService in {on.cluster.namespace} stays as it is, to be looked at"
    on.cluster.apply(manifest_of(name, before, storage_uri, dataclasses.replace(on, canary=0)), told)
    return f"{said}, and is applied in {on.cluster.namespace} again"


def version_before(storage: Storage, name: str, version: str) -> str | None:
    """The version that serves beside ``version``, or did before it."""
    pointer = read_pointer(storage, name)
    if pointer is None or pointer.current != version:
        return pointer.current if pointer else None
    return pointer.before[-1] if pointer.before else None


def manifest_of(name: str, version: str, storage_uri: str, on: OnCluster, stable: str | None = None) -> Manifest:
    """The InferenceService of ``version``; with a canary, of ``stable`` with ``version`` beside it. InvalidOption."""
    if not storage_uri.startswith("s3://"):
        raise InvalidOption(
            f"storage: got {storage_uri}, expected s3://bucket/prefix, which pods of a cluster can read"
        )
    if known := sorted(on.service.keys() & OURS):
        raise InvalidOption(f"service: got {', '.join(known)}, which follow from the version and the namespace")
    uri, canary = _uri(storage_uri, name, version), None
    if on.canary:
        if stable is None:
            raise InvalidOption(f"canary: got {on.canary}, expected 0: no version of {name} serves beside it yet")
        uri, canary = _uri(storage_uri, name, stable), {"storage_uri": uri, "percent": on.canary}
    fields = {"name": service_name(name), "model": name, "storage_uri": uri, "namespace": on.cluster.namespace}
    try:
        if unknown := sorted(on.service.keys() - {each.name for each in dataclasses.fields(Service)}):
            raise ValueError(f"no such field: {', '.join(unknown)}")
        service = TypeAdapter(Service).validate_python({**on.service, **fields, "canary": canary})
    except (ValidationError, ValueError) as error:
        raise InvalidOption(f"service: {error}; expected fields of serving.inference_service.Service") from error
    return inference_service(service)


def _serve(storage: Storage, storage_uri: str, name: str, version: str, on: OnCluster, told: Told) -> str:
    before = version_before(storage, name, version)
    uris = {_uri(storage_uri, name, each) for each in (version, before if on.canary else None) if each}
    try:
        generation = on.cluster.apply(manifest_of(name, version, storage_uri, on, stable=before), told)
        told(f"{service_name(name)}: generation {generation} is applied in {on.cluster.namespace}")
        return on.cluster.wait_until_ready(service_name(name), generation, uris=uris, timeout=on.timeout, told=told)
    except NotReady as error:
        try:
            outcome = take_back(storage_uri, name, version, on=on, told=told)
        except LoupeError as another:
            outcome = f"taking it back failed too: {another}"
        raise NotReady(f"{error}. {name}: {outcome}") from error


def _uri(storage_uri: str, name: str, version: str) -> str:
    return f"{storage_uri.rstrip('/')}/{folder_of(name, version)}"
