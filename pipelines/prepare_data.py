"""From raw pictures to shards and features: ingest -> validate -> features and prepare, a part at a time.

``store`` keeps what is downloaded; on a cluster it must be on a volume that every step mounts.
"""

from typing import Any, NamedTuple

from kfp import dsl

from components.features import features
from components.ingest import ingest
from components.prepare import prepare
from components.validate import validate
from pipelines.placement import LAPTOP, Placement

PARALLEL = 4  # parts packed at the same time


class Prepared(NamedTuple):
    """What the steps after these take: a manifest, a Feast repository, and of each part a shard, to be Collected."""

    manifest: Any
    repository: Any
    shard: Any


def prepare_data(placement: Placement = LAPTOP) -> Any:  # kfp is untyped
    """The pipeline ``prepare-data``, each step with what it needs of the cluster."""

    def pipeline(
        fingerprint: str,
        data: str = "samples",
        valid: str = "",
        evaluation: list[str] = [],
        store: str = placement.store,
        scale: int = 4,
        max_dropped: float = 0.2,
        pictures_a_part: int = 200,
        offline: str = "",
    ) -> None:
        """From raw pictures to shards and features.

        Args:
            fingerprint: what the data are now, such as today's date; runs with the same one share what was made before
            data: a folder, s3://bucket/prefix, div2k, or samples (scikit-image's photos)
            valid: pictures to validate on; without it, one in 33 is held out
            evaluation: folders of pictures to evaluate on; what looks like one of them is not trained on
            store: folder of downloads, which all steps see
            scale: the factor that the shards are for
            max_dropped: share of unfit pictures above which the run fails
            pictures_a_part: pictures of one shard
            offline: storage to which the features are added, such as s3://bucket/features
        """
        found = ingest(data=data, valid=valid, evaluation=evaluation, store=store, fingerprint=fingerprint)
        prepare_steps(
            placement,
            found,
            max_dropped=max_dropped,
            pictures_a_part=pictures_a_part,
            offline=offline,
            packing={"scale": scale},
        )

    return dsl.pipeline(name="prepare-data")(pipeline)


def prepare_steps(
    placement: Placement,
    found: Any,
    *,
    max_dropped: Any,
    pictures_a_part: Any,
    offline: Any,
    packing: dict[str, Any],
) -> Prepared:
    """The steps after ``ingest``, for any pipeline; ``packing`` says the factor, by itself or by a recipe's name."""
    placement.place(found)
    fit = validate(manifest=found.outputs["manifest"], max_dropped=max_dropped, pictures_a_part=pictures_a_part)
    placement.place(fit, cpu="2", memory="4Gi")
    measured = placement.place(features(manifest=fit.outputs["kept"], offline=offline), cpu="2", memory="4Gi")
    with dsl.ParallelFor(fit.outputs["Output"], parallelism=PARALLEL) as part:
        packed = placement.place(prepare(manifest=fit.outputs["kept"], part=part, **packing), memory="4Gi")
    return Prepared(fit.outputs["kept"], measured.outputs["repository"], packed.outputs["shard"])
