"""From raw pictures to shards and features: ingest -> validate -> features and prepare, a part at a time.

``store`` keeps what is downloaded; on a cluster it must be on a volume that every step mounts.
"""

from typing import Any

from kfp import dsl

from components.features import features
from components.ingest import ingest
from components.prepare import prepare
from components.validate import validate
from pipelines.placement import LAPTOP, Placement

PARALLEL = 4  # parts packed at the same time


def prepare_data(placement: Placement = LAPTOP) -> Any:  # kfp is untyped
    """The pipeline ``prepare-data``, each step with what it needs of the cluster."""

    def pipeline(
        data: str,
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
            data: a folder, s3://bucket/prefix, or div2k
            valid: pictures to validate on; without it, one in 33 is held out
            evaluation: folders of pictures to evaluate on; what looks like one of them is not trained on
            store: folder of downloads, which all steps see
            scale: the factor that the shards are for
            max_dropped: share of unfit pictures above which the run fails
            pictures_a_part: pictures of one shard
            offline: storage to which the features are added, such as s3://bucket/features
        """
        found = ingest(data=data, valid=valid, evaluation=evaluation, store=store)
        placement.place(found, cache=False)  # the same address may hold other pictures today
        fit = validate(manifest=found.outputs["manifest"], max_dropped=max_dropped, pictures_a_part=pictures_a_part)
        placement.place(fit, cpu="2", memory="4Gi")
        placement.place(features(manifest=fit.outputs["kept"], offline=offline), cpu="2", memory="4Gi")
        with dsl.ParallelFor(fit.outputs["Output"], parallelism=PARALLEL) as part:
            placement.place(prepare(manifest=fit.outputs["kept"], part=part, scale=scale), memory="4Gi")

    return dsl.pipeline(name="prepare-data")(pipeline)
