"""A folder or a bucket of pictures, made larger in parts: plan_batch -> upscale_part -> collect_failures.

A run that was stopped is started again with the same arguments: what is done is left as it is. A picture that cannot be
enlarged is in the list of failures and the run ends well; a server or storage that stays away fails it.
"""

from typing import Any

from kfp import dsl

from components.collect_failures import collect_failures
from components.plan_batch import plan_batch
from components.upscale_part import upscale_part
from pipelines.placement import LAPTOP, Placement

PARALLEL = 4  # parts at the same time


def batch_upscale(placement: Placement = LAPTOP) -> Any:  # kfp is untyped
    """The pipeline ``batch-upscale``; in process a part uses a GPU where the placement has some."""

    def pipeline(
        source: str,
        target: str,
        model: str = "",
        scale: int = 0,
        format: str = "",
        quality: int = 0,
        endpoint: str = "",
        pictures_a_part: int = 200,
    ) -> None:
        """A folder or a bucket of pictures, made larger.

        Args:
            source: a folder, or s3://bucket/prefix
            target: a folder, or s3://bucket/prefix; names and tree are kept
            model: its name; without it the best of the factor
            scale: the factor; 0 is that of the model
            format: of the results, such as WEBP; without it each keeps its own
            quality: 1 to 100 for JPEG, WebP and AVIF; 0 is the format's usual one
            endpoint: an inference server such as http://models:8080; without it the steps compute themselves
            pictures_a_part: pictures of one part
        """
        planned = plan_batch(
            source=source,
            target=target,
            model=model,
            scale=scale,
            format=format,
            quality=quality,
            pictures_a_part=pictures_a_part,
        )
        placement.place(planned, cache=False)  # the same place may hold other pictures today
        with dsl.ParallelFor(planned.outputs["Output"], parallelism=PARALLEL) as part:
            made = upscale_part(plan=planned.outputs["plan"], part=part, endpoint=endpoint)
            placement.place(made, cpu="2", memory="8Gi", gpu=True, cache=False)  # results may have been deleted
        outcomes = dsl.Collected(made.outputs["outcome"])
        placement.place(collect_failures(plan=planned.outputs["plan"], outcomes=outcomes))

    return dsl.pipeline(name="batch-upscale")(pipeline)
