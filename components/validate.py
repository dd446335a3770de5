"""Drops unreadable, duplicate, small, flat and leaking pictures, and says which."""

from kfp import dsl

from components import component


@component
def validate(
    manifest: dsl.Input[dsl.Dataset],
    kept: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.Markdown],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    max_dropped: float = 0.2,
    pictures_a_part: int = 200,
) -> list[str]:
    """Fails when more than ``max_dropped`` of the pictures are unfit. Returns the names of the parts to pack."""
    from pathlib import Path

    from training.inspection import Rules, inspect_manifest, require_enough
    from training.inspection_page import render_html, render_markdown
    from training.manifest import read_manifest, with_validation, write_manifest
    from training.shards import plan_parts

    given = read_manifest(Path(manifest.path))
    seen = inspect_manifest(given, Rules(max_dropped=max_dropped))
    Path(report.path).write_text(render_markdown(seen))
    Path(page.path).write_text(render_html(seen))
    for name, count in [("kept", len(seen.kept)), ("dropped", len(seen.dropped)), *seen.counts.items()]:
        metrics.log_metric(name, count)
    require_enough(seen)
    remaining = with_validation(given.only(seen.kept))
    write_manifest(remaining, Path(kept.path))
    kept.metadata["version"] = remaining.version
    return plan_parts(remaining, pictures_a_part)
