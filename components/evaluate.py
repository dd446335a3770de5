"""Measures a checkpoint: benchmarks, slices by features, robustness, speed and size, beside bicubic."""

from kfp import dsl

from components import component


@component
def evaluate(
    checkpoint: dsl.Input[dsl.Model],
    manifest: dsl.Input[dsl.Dataset],
    repository: dsl.Input[dsl.Dataset],
    assessment: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.Markdown],
    page: dsl.Output[dsl.HTML],
    benchmarks: list[str] = [],
    robust_pictures: int = 8,
) -> None:
    """``benchmarks`` are folders; without them, what the manifest holds out. Robustness: of a few pictures."""
    from pathlib import Path

    from loupe.assessment import write_assessment
    from loupe.assessment_page import render_html, render_markdown
    from training.benchmarks import evaluate_checkpoint
    from training.manifest import read_manifest

    given, model, folder = read_manifest(Path(manifest.path)), Path(checkpoint.path), Path(repository.path)
    made, sheet = evaluate_checkpoint(model, given, folder, benchmarks, robust_pictures=robust_pictures)
    write_assessment(made, Path(assessment.path))
    Path(report.path).write_text(render_markdown(made, sheet))
    Path(page.path).write_text(render_html(made, sheet))
    for name, figure in made.headline().items():
        metrics.log_metric(name, figure)
