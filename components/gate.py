"""Decides whether a checkpoint is to serve, and writes down why."""

from kfp import dsl

from components import component


@component
def gate(
    checkpoint: dsl.Input[dsl.Model],
    manifest: dsl.Input[dsl.Dataset],
    assessment: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Markdown],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    model: str = "",
    storage: str = "",
    benchmarks: list[str] = [],
    metric: str = "psnr_y",
    margin: float = 0.05,
    tolerance: float = 0.1,
    robust_tolerance: float = 0.3,
    max_bytes: int = 0,
    max_seconds_per_megapixel: float = 0,
) -> str:
    """``benchmarks`` as in ``evaluate``; the rules are those of ``training/gate.py``. Returns promote or keep."""
    from pathlib import Path

    from loupe.assessment import read_assessment
    from training import gate_page, incumbent
    from training.gate import GateRules
    from training.manifest import read_manifest

    rules = GateRules(metric=metric, margin=margin, tolerance=tolerance, robust_tolerance=robust_tolerance,
                      max_bytes=max_bytes, max_seconds_per_megapixel=max_seconds_per_megapixel)  # fmt: skip
    given, own = read_manifest(Path(manifest.path)), read_assessment(Path(assessment.path))
    made = incumbent.judge(Path(checkpoint.path), own, given, rules, model=model, storage=storage, folders=benchmarks)
    gate_page.write_pages(made, Path(decision.path), Path(page.path))
    metrics.metadata.update(promoted=int(made.decision.promote), gain=made.decision.gain)
    return made.decision.answer
