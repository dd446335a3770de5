"""Training as a step of a pipeline: from shards to a checkpoint, its log, its curves and its figures.

    run_training(shards, Wanted("edsr_x4"), Files(checkpoint, log, curves), processes=2)
    run_training(shards, wanted, files, runner="trainjob", place=Place(image="registry/worker:1.0", nodes=2, gpus=1))

On this machine shards are folders, on a cluster addresses in S3. There the run is mirrored to storage, which is where
this finds the result, and where a pod that replaces another resumes from.
"""

import hashlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from loupe.errors import InvalidOption
from loupe.files import write_whole
from loupe.records import checked_name
from loupe.settings import Settings
from loupe.storage import FileStorage, Storage, open_storage
from training.curves import render_curves
from training.features.sampling import read_weights, write_weights
from training.job import Job, pytorch_job, train_job
from training.launch import launch_local
from training.log import read_log
from training.mirror import LOG, MODEL
from training.pack import open_pack
from training.recipes import RECIPES

WEIGHTS = "weights.json"
RUNNERS = ("local", "trainjob", "pytorchjob")
SCRATCH = "/tmp/loupe"  # noqa: S108  # in a pod, which has it for itself
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OPEN = ("S3_ENDPOINT_URL", "AWS_REGION")  # of the environment, handed to pods as they are


class Shard(NamedTuple):
    """One artifact of ``prepare``: the name of its part, and where it is."""

    part: str
    path: Path
    uri: str
    version: str = ""


class Wanted(NamedTuple):
    """What to train: a recipe, under the name ``model``, for ``steps`` (0: the recipe's).

    Without a name it is the recipe's with ``_custom``: the model of the recipe's own name ships.
    """

    recipe: str
    model: str = ""
    steps: int = 0


class Files(NamedTuple):
    """What training leaves."""

    checkpoint: Path
    log: Path
    curves: Path


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where on a cluster. ``secret`` holds the credentials of S3 under their variables' names."""

    image: str = ""
    """Empty: LOUPE_WORKER_IMAGE of the environment."""
    namespace: str = ""
    """Empty: that of this pod or kubeconfig."""
    nodes: int = 1
    gpus: int = 0
    cpu: str = "2"
    memory: str = "4Gi"
    secret: str = "loupe-s3"  # noqa: S105  # a name
    runtime: str = "torch-distributed"
    """The ClusterTrainingRuntime of a TrainJob, which has its volumes, node selectors and security."""
    storage: str = ""
    """Of the mirror; empty: LOUPE_STORAGE."""
    run: str = ""
    """Tells jobs apart that train the same on the same shards; empty: they are one, as a step that is tried again is.
    The id of the pipeline's run would keep kfp from answering from its cache."""


def run_training(
    shards: Sequence[Shard],
    wanted: Wanted,
    files: Files,
    *,
    runner: str = "local",
    processes: int = 2,
    features: Path | None = None,
    place: Place | None = None,
) -> dict[str, float]:
    """Train, write the files, return the figures. ``processes`` are of a node; ``features``: a Feast repository.

    Raises InvalidOption, TrainingFailed, JobFailed, ClusterError, StorageError, Cancelled.
    """
    if runner not in RUNNERS:
        raise InvalidOption(f"runner: got {runner!r}, expected one of {', '.join(RUNNERS)}")
    name = checked_name(wanted.model or f"{wanted.recipe}_custom")
    arguments = _arguments(wanted, name, shards)
    weights = weights_of(shards, features) if features else {}
    began = time.monotonic()
    if runner == "local":
        folder = files.checkpoint.with_name("run")
        if weights:
            write_weights(weights, f"file://{quote(str(folder.absolute()))}", WEIGHTS)
            arguments.append(f"--weights=file://{quote(str(folder.absolute()))}/{WEIGHTS}")
        places = [(shard.part, str(shard.path)) for shard in shards]
        arguments += [*_named(places), f"--output={folder}", f"--store={folder / 'store'}"]
        launch_local(arguments, processes=processes)
        results: Storage = FileStorage(folder)
    else:
        arguments += _named([(shard.part, s3_address(shard.uri)) for shard in shards])
        results = _on_cluster(name, arguments, weights, processes, runner, place or Place())
    write_whole(files.checkpoint, results.read(MODEL))
    write_whole(files.log, results.read(LOG))
    records = read_log(files.log)
    write_whole(files.curves, render_curves(records, name).encode())
    return {**figures_of(records), "seconds": round(time.monotonic() - began, 1)}


def _arguments(wanted: Wanted, name: str, shards: Sequence[Shard]) -> list[str]:
    """What does not depend on where it runs."""
    if wanted.recipe not in RECIPES:
        raise InvalidOption(f"recipe: got {wanted.recipe!r}, expected one of {', '.join(sorted(RECIPES))}")
    chosen = RECIPES[wanted.recipe]()
    steps = wanted.steps or chosen.steps
    if steps < 1:
        raise InvalidOption(f"steps: got {steps}, expected 1 or more, or 0 for the recipe's {chosen.steps}")
    version = next((shard.version for shard in shards if shard.version), "")
    tenth = max(1, steps // 10)  # of a short run too there is a curve, and something to resume from
    return [
        f"--recipe={wanted.recipe}",
        f"--name={name}",
        f"--steps={steps}",
        f"--validate-every={min(chosen.validate_every, tenth)}",
        f"--save-every={min(chosen.save_every, tenth)}",
        *([f"--data-name=manifest {version[:12]}"] if version else []),
        "--quiet",
    ]


def _named(places: Sequence[tuple[str, str]]) -> list[str]:
    """``--shard`` and ``--valid-shard``, sorted, so that a step tried again says the same."""
    options = {"train": "--shard", "valid": "--valid-shard"}
    sorts = [part.partition("-")[0] for part, _ in places]
    if not set(options) <= set(sorts) or set(sorts) - set(options):
        raise InvalidOption(f"shards: got parts {sorted(part for part, _ in places)}, expected train-... and valid-...")
    return [f"{options[part.partition('-')[0]]}={where}" for part, where in sorted(places)]


def s3_address(uri: str) -> str:
    """Where pods find an artifact of Kubeflow Pipelines, whose own object store it calls minio://."""
    address = re.sub(r"^minio://", "s3://", uri)
    if not address.startswith("s3://"):
        raise InvalidOption(f"shard: got {uri}, expected s3:// or minio://, which pods can read; or the runner local")
    return address


def job_name(model: str, run: str) -> str:
    """A DNS name of at most 41 characters, the same for the same run."""
    readable = re.sub("[^a-z0-9]+", "-", model)[:24].strip("-")
    return f"loupe-{readable}-{hashlib.sha256(f'{model} {run}'.encode()).hexdigest()[:10]}"


def weights_of(shards: Sequence[Shard], repository: Path) -> dict[str, float]:
    """How often each picture of the training shards is drawn, by its features in Feast. FeatureError if none is known.

    Read once, here: processes of the training then need no Feast, which takes seconds to load and pods do not have.
    """
    packs = [open_pack(shard.path) for shard in shards if shard.part.startswith("train-")]
    pictures = [entry.sha256 for pack in packs for entry in pack.entries]
    return dict(zip(pictures, read_weights(repository, pictures), strict=True))


def _on_cluster(
    name: str, arguments: list[str], weights: Mapping[str, float], processes: int, runner: str, place: Place
) -> Storage:
    """Run the job; where its results are."""
    from training.api_server import current_namespace  # the kubernetes client takes a second to import
    from training.cluster import run_job

    storage = place.storage or Settings().storage
    if not storage.startswith("s3://"):
        raise InvalidOption(f"storage: got {storage}, expected s3://bucket/prefix, which pods can write to")
    image = place.image or os.environ.get("LOUPE_WORKER_IMAGE", "")
    if not image:
        raise InvalidOption("image: got none, expected that of the worker; or set LOUPE_WORKER_IMAGE")
    told = [place.run, image, *arguments, str(sorted(weights.items())), str(place.nodes), str(place.gpus or processes)]
    job = job_name(name, " ".join(told))
    mirror = f"{storage.rstrip('/')}/runs/{job}"
    scratch = f"{SCRATCH}/{job}"
    if weights:
        write_weights(weights, mirror, WEIGHTS)
        arguments = [*arguments, f"--weights={mirror}/{WEIGHTS}"]
    described = Job(
        name=job,
        namespace=place.namespace or current_namespace(),
        image=image,
        arguments=(*arguments, f"--mirror={mirror}", f"--output={scratch}/run", f"--store={scratch}/store"),
        nodes=place.nodes,
        processes=place.gpus or processes,
        gpus=place.gpus,
        cpu=place.cpu,
        memory=place.memory,
        env={key: os.environ[key] for key in OPEN if os.environ.get(key)},
        secrets={key: (place.secret, key) for key in CREDENTIALS},
    )
    run_job(train_job(described, runtime=place.runtime) if runner == "trainjob" else pytorch_job(described))
    return open_storage(mirror)


def figures_of(records: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of a whole log: best validation, steps, mean speed, and which share of the time was spent waiting for data."""
    from training.validation import BITS, PSNR_Y

    figures = {"steps": float(max((record["step"] for record in records), default=0))}
    for metric in (PSNR_Y, BITS):
        if scores := [record[metric.name] for record in records if metric.name in record]:
            figures[metric.name] = max(scores, key=lambda score: metric.sign * score)
    if timed := [record for record in records if record.get("images_per_second")]:
        seconds = [1 / record["images_per_second"] for record in timed]  # as many images in each
        figures["images_per_second"] = round(len(seconds) / sum(seconds), 3)
        waited = sum(record["data_wait"] * each for record, each in zip(timed, seconds, strict=True))
        figures["data_wait"] = round(waited / sum(seconds), 4)
    return figures
