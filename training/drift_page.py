"""A comparison's report for people, as Markdown and as one HTML page that loads nothing.

Path("drift.html").write_text(render_html(comparison, title="edsr_x4 version 3"))
"""

import html
from collections.abc import Sequence

from loupe.quality import Quality
from training.drift import Comparison, FeatureDrift

STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1f;--paper:#fff;--soft:#5d5d68;--grid:#d8d8de;--then:#b9bcc8;--now:#2f5bd8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6ea;--paper:#17171a;--soft:#a3a3b0;--grid:#3a3a42;--then:#5a5e6e;
--now:#8fb0ff}}
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:var(--ink);
background:var(--paper)}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}p.sum{font-size:1.1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;
border-bottom:1px solid var(--grid);vertical-align:top}td.number{text-align:right;font-variant-numeric:tabular-nums}
.grid{display:grid;gap:2rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}figure{margin:0}
figcaption{font-weight:600}figcaption span{font-weight:400;color:var(--soft)}svg{width:100%;height:auto;display:block}
text{fill:var(--soft);font:11px system-ui,sans-serif}.rule{stroke:var(--grid)}.then{fill:var(--then)}
.now{fill:var(--now)}.key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}
.key.then{background:var(--then)}.key.now{background:var(--now)}
"""
HEADINGS = ("feature", "reading", "index", "KS", "p-value", "mean then", "mean now")
WIDTH, HEIGHT, TOP, BOTTOM = 480, 220, 18, 34


def render_markdown(found: Comparison, *, title: str) -> str:
    """Markdown with a table of the features."""
    lines = [f"# Drift: {title}", "", summary(found), ""]
    if found.features:
        lines += [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
        lines += [f"| {' | '.join(_cells(feature))} |" for feature in found.features]
    return "\n".join([*lines, "", *(f"- {text}" for text in _rules(found)), ""])


def render_html(found: Comparison, *, title: str) -> str:
    """A whole page: no script, no request."""
    shown = html.escape(f"Drift: {title}")
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{shown}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<style>{STYLE}</style></head><body><h1>{shown}</h1><p class="sum">{html.escape(summary(found))}</p>',
    ]
    if found.features:
        rows = "".join(_row(_cells(feature)) for feature in found.features)
        head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
        parts += [
            f"<table><tr>{head}</tr>{rows}</table><h2>Shares of pictures</h2>",
            '<p><span class="key then"></span>trained on<span class="key now"></span>observed</p><div class="grid">',
            *(_figure(feature) for feature in found.features),
            "</div>",
        ]
    rules = "".join(f"<li>{html.escape(text)}</li>" for text in _rules(found))
    return "".join([*parts, f"<h2>Rules</h2><ul>{rules}</ul></body></html>"])


def summary(found: Comparison) -> str:
    """The verdict in a sentence."""
    if found.verdict == "too few pictures":
        return (
            f"Too few pictures: {found.observed:.0f} were observed, expected {found.rules.min_pictures} or more. "
            "Wait, or take a longer window; none at all may mean that nothing scrapes the servers."
        )
    seen = f"{found.observed:.0f} pictures observed against {found.reference:.0f} of the training"
    if found.verdict == "steady":
        return f"Steady: {seen}, and no feature has drifted."
    return f"Drifted in {', '.join(found.drifted)}: {seen}."


def _cells(feature: FeatureDrift) -> tuple[str, ...]:
    p_value = "< 0.0001" if feature.p_value < 0.0001 else f"{feature.p_value:.4f}"
    figures = (f"{feature.psi:.3f}", f"{feature.statistic:.3f}", p_value)
    return feature.name, feature.reading, *figures, f"{feature.reference.mean:.4g}", f"{feature.observed.mean:.4g}"


def _row(cells: Sequence[str]) -> str:
    kinds = ("", "", *('class="number"' for _ in cells[2:]))
    return f"<tr>{''.join(f'<td {k}>{html.escape(c)}</td>' for k, c in zip(kinds, cells, strict=True))}</tr>"


def _rules(found: Comparison) -> list[str]:
    return [
        f"A feature has drifted from a population stability index of {found.rules.psi:g} on, if the Kolmogorov-Smirnov "
        f"test is sure of a difference as well: below {found.rules.p_value:g} for all features together.",
        "The usual reading of the index: below 0.1 steady, from 0.1 on look, from 0.25 on another kind of pictures.",
        "The test sees buckets only, so its statistic is at most, and its p-value at least, that of the pictures.",
    ]


def _figure(feature: FeatureDrift) -> str:
    """Two bars a bucket; buckets are drawn equally wide, with their upper ends below."""
    then, now = ([count / h.count for count in h.counts] for h in (feature.reference, feature.observed))
    most = max(*then, *now)
    step = WIDTH / len(then)
    ground = HEIGHT - BOTTOM
    parts = [f'<line class="rule" x1="0" x2="{WIDTH}" y1="{ground}" y2="{ground}"/>']
    for index, shares in enumerate(zip(then, now, strict=True)):
        for which, share in enumerate(shares):
            height = share / most * (ground - TOP)
            x = index * step + step * (0.1 + 0.4 * which)
            told = f"{('trained on', 'observed')[which]}: {share:.1%}"
            parts.append(
                f'<rect class="{("then", "now")[which]}" x="{x:.1f}" y="{ground - height:.1f}" '
                f'width="{step * 0.4:.1f}" height="{height:.1f}"><title>{told}</title></rect>'
            )
        if index < len(feature.reference.edges):
            x = (index + 1) * step
            parts.append(
                f'<text x="{x:.1f}" y="{ground + 14}" text-anchor="middle">{feature.reference.edges[index]:g}</text>'
            )
    unit = html.escape((Quality.model_fields[feature.name].description or "").split(";")[0])
    label = html.escape(f"{feature.name}, trained on and observed")
    return (
        f"<figure><figcaption>{html.escape(feature.name)} <span>index {feature.psi:.3f}, {feature.reading}; {unit}"
        f'</span></figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f'<text x="0" y="{TOP - 6}">{most:.0%} of the pictures</text>{"".join(parts)}</svg></figure>'
    )
