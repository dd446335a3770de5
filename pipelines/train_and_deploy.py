"""From raw pictures to a served model: data, training, evaluation, a gate, and behind it package, publish and smoke.

The gate and what is behind it are never answered from the cache: which version serves, and which number comes next,
is in storage and not among their inputs.
"""

from typing import Any

from kfp import dsl

from components.evaluate import evaluate
from components.gate import gate
from components.ingest import ingest
from components.package import package
from components.publish import publish
from components.reference import reference
from components.smoke import smoke
from components.train import train
from pipelines.placement import LAPTOP, Placement
from pipelines.prepare_data import prepare_steps


def train_and_deploy(placement: Placement = LAPTOP) -> Any:  # kfp is untyped
    """The pipeline ``train-and-deploy``, each step with what it needs of the cluster."""

    def pipeline(
        fingerprint: str,
        data: str = "samples",
        recipe: str = "edsr_fast_x4",
        steps: int = 200,
        model: str = "",
        valid: str = "",
        evaluation: list[str] = [],
        processes: int = 2,
        weighted: bool = True,
        metric: str = "psnr_y",
        margin: float = 0.05,
        tolerance: float = 0.1,
        robust_tolerance: float = 0.3,
        max_bytes: int = 0,
        max_seconds_per_megapixel: float = 0.0,
        storage: str = "",
        runner: str = "local",
        nodes: int = 1,
        pod: dict[str, str] = {},
        namespace: str = "",
        canary: int = 0,
        service: dict[str, str] = {},
        model_registry: str = "",
        store: str = placement.store,
        max_dropped: float = 0.2,
        pictures_a_part: int = 200,
        offline: str = "",
    ) -> None:
        """From raw pictures to a served model, if it is better than the one that serves.

        Args:
            fingerprint: what the data are now, such as today's date; runs with the same one share what was made before
            data: a folder, s3://bucket/prefix, div2k, or samples (scikit-image's photos)
            recipe: a name in training/recipes.py
            steps: of training; 0: as many as the recipe says
            model: name to publish under (empty: RECIPE_custom); under that of a model that ships, that one is to beat
            valid: pictures to validate on; without it, one in 33 is held out
            evaluation: folders to evaluate on; without any, on what is held out; never trained on
            processes: of training, on each node
            weighted: draw textured pictures more often, by the features in Feast
            metric: figure that has to be better, such as psnr_y or set5_psnr_y
            margin: by how much, in dB
            tolerance: by how much it may be worse on a slice of the pictures, in dB
            robust_tolerance: by how much it may be worse under noise, JPEG or other light, in dB
            max_bytes: of the checkpoint; 0: no limit
            max_seconds_per_megapixel: of results; 0: no limit
            storage: of model versions, file:///folder or s3://bucket/prefix; empty: LOUPE_STORAGE
            runner: local (torchrun within the step), trainjob, or pytorchjob
            nodes: of a trainjob or pytorchjob
            pod: of a trainjob or pytorchjob: more of training.step.Place, such as cpu, memory, image, secret
            namespace: where the InferenceService goes; empty: no cluster, `make run` serves it
            canary: percent of the requests that a new version gets at first; 0: all
            service: more fields of the InferenceService (serving.inference_service.Service)
            model_registry: address of a Kubeflow Model Registry to mirror versions to
            store: folder of downloads, which all steps see
            max_dropped: share of unfit pictures above which the run fails
            pictures_a_part: pictures of one shard
            offline: storage to which the features are added, such as s3://bucket/features
        """
        found = ingest(data=data, valid=valid, evaluation=evaluation, store=store, fingerprint=fingerprint)
        manifest, repository, shard = prepare_steps(
            placement,
            found,
            max_dropped=max_dropped,
            pictures_a_part=pictures_a_part,
            offline=offline,
            packing={"recipe": recipe},
        )
        seen = placement.place(reference(shards=dsl.Collected(shard)), memory="4Gi")
        trained = train(
            shards=dsl.Collected(shard),
            repository=repository,
            recipe=recipe,
            model=model,
            steps=steps,
            processes=processes,
            weighted=weighted,
            runner=runner,
            nodes=nodes,
            gpus=placement.gpus,
            storage=storage,
            pod=pod,
        )
        placement.place(trained, cpu="4", memory="8Gi", gpu=True)
        checkpoint = trained.outputs["checkpoint"]
        evaluated = evaluate(checkpoint=checkpoint, manifest=manifest, repository=repository, benchmarks=evaluation)
        placement.place(evaluated, cpu="2", memory="4Gi", gpu=True)
        assessment = evaluated.outputs["assessment"]
        judged = gate(
            checkpoint=checkpoint,
            manifest=manifest,
            assessment=assessment,
            model=model,
            storage=storage,
            benchmarks=evaluation,
            metric=metric,
            margin=margin,
            tolerance=tolerance,
            robust_tolerance=robust_tolerance,
            max_bytes=max_bytes,
            max_seconds_per_megapixel=max_seconds_per_megapixel,
        )
        placement.place(judged, cpu="2", memory="4Gi", gpu=True, cache=False)
        with dsl.If(judged.outputs["Output"] == "promote", name="better"):
            packed = package(
                checkpoint=checkpoint,
                assessment=assessment,
                reference=seen.outputs["reference"],
                storage=storage,
                run=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                recipe=recipe,
            )
            placement.place(packed, memory="4Gi", cache=False)
            published = publish(
                package=packed.outputs["package"],
                storage=storage,
                namespace=namespace,
                canary=canary,
                service=service,
                model_registry=model_registry,
            )
            placement.place(published, cache=False)
            tried = smoke(
                package=packed.outputs["package"],
                storage=storage,
                endpoint=published.output,
                namespace=namespace,
                service=service,
            )
            placement.place(tried, memory="4Gi", cache=False, retries=0)

    return dsl.pipeline(name="train-and-deploy")(pipeline)
