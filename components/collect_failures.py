"""Says which pictures of a batch have no result, and why."""

from kfp import dsl

from components import component


@component
def collect_failures(
    plan: dsl.Input[dsl.Artifact],
    outcomes: dsl.Input[list[dsl.Artifact]],
    failures: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
) -> int:
    """Write the list as JSON and as Markdown. Returns the number of failed pictures."""
    import json
    from pathlib import Path

    from loupe.batch import Outcome, Plan, failures_of, render_markdown

    given = Plan.model_validate_json(Path(plan.path).read_text())
    came = [Outcome.model_validate_json(Path(each.path).read_text()) for each in outcomes]
    failed = failures_of(given, came)
    Path(failures.path).write_text(json.dumps([failure.model_dump() for failure in failed], indent=2))
    Path(report.path).write_text(render_markdown(given, came))
    for name, count in (("made", sum(o.made for o in came)), ("skipped", sum(o.skipped for o in came))):
        metrics.log_metric(name, count)
    metrics.log_metric("failed", len(failed))
    return len(failed)
