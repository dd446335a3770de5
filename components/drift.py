"""Compares the pictures that servers are given with those that the serving version was trained on."""

from kfp import dsl

from components import component


@component
def drift(
    report: dsl.Output[dsl.Markdown],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    model: str,
    prometheus: str = "",
    servers: list[str] = [],
    window: str = "7d",
    storage: str = "",
    psi: float = 0.25,
    p_value: float = 0.01,
    min_pictures: int = 100,
) -> str:
    """From ``prometheus``, or without it from /metrics of ``servers``: drifted, steady or too few pictures."""
    from pathlib import Path

    from loupe.settings import Settings
    from loupe.storage import open_storage
    from training.drift import Rules, compare, read_reference
    from training.drift_page import render_html, render_markdown
    from training.monitoring import read_prometheus, read_servers

    version, reference = read_reference(open_storage(storage or Settings().storage), model)
    seen = read_prometheus(prometheus, model, window=window) if prometheus else read_servers(servers, model)
    found = compare(reference, seen, Rules(psi=psi, p_value=p_value, min_pictures=min_pictures))
    Path(report.path).write_text(render_markdown(found, title=f"{model} version {version}"))
    Path(page.path).write_text(render_html(found, title=f"{model} version {version}"))
    metrics.log_metric("pictures", found.observed)
    for feature in found.features:
        metrics.log_metric(f"psi_{feature.name}", feature.psi)
    return found.verdict
