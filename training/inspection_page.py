"""An inspection's report for people, as Markdown and as one HTML page that loads nothing.

Path("report.html").write_text(render_html(report))
"""

import html
from collections.abc import Sequence

from training.inspection import Finding, Report, Rules

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d8d8de;vertical-align:top;overflow-wrap:anywhere}
p.sum{font-size:1.1rem}code{font-size:.9em}
@media (prefers-color-scheme:dark){body{color:#e6e6ea;background:#17171a}th,td{border-color:#3a3a42}}
"""


def render_markdown(report: Report) -> str:
    """Markdown with tables; names are code, so nothing in them is markup."""

    def cell(text: str) -> str:
        return "".join(c if c.isprintable() else "\ufffd" for c in text).replace("|", "\\|")

    def code(name: str) -> str:
        return "`" + cell(name).replace("`", "'") + "`"

    lines = ["# Inspection of the data", "", _summary(report), "", f"Manifest `{report.version}`.", ""]
    if report.counts:
        lines += ["| reason | pictures |", "|---|---|", *(f"| {r} | {n} |" for r, n in report.counts.items()), ""]
    for title, findings in _tables(report):
        lines += [f"## {title}", "", "| picture | split | reason | detail |", "|---|---|---|---|"]
        lines += [f"| {code(f.entry.name)} | {f.entry.split} | {f.reason} | {code(f.detail)} |" for f in findings]
        lines += [""]
    lines += ["## Rules", "", *(f"- {text}" for text in _rules(report.rules)), ""]
    return "\n".join(lines)


def render_html(report: Report) -> str:
    """A whole page: no script, no request; everything from files is escaped."""

    def row(cells: Sequence[str], kind: str = "td") -> str:
        return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Inspection of the data</title>',
        f"<style>{STYLE}</style></head><body><h1>Inspection of the data</h1>",
        f'<p class="sum">{html.escape(_summary(report))}</p><p>Manifest <code>{report.version}</code></p>',
    ]
    if report.counts:
        rows = [row((reason, str(count))) for reason, count in report.counts.items()]
        parts += ["<table>", row(("reason", "pictures"), "th"), *rows, "</table>"]
    for title, findings in _tables(report):
        rows = [row((f.entry.name, f.entry.split, f.reason, f.detail)) for f in findings]
        parts += [f"<h2>{title}</h2><table>", row(("picture", "split", "reason", "detail"), "th"), *rows, "</table>"]
    rules = "".join(f"<li>{html.escape(text)}</li>" for text in _rules(report.rules))
    return "".join([*parts, f"<h2>Rules</h2><ul>{rules}</ul></body></html>"])


def _summary(report: Report) -> str:
    total = len(report.kept) + len(report.dropped)
    splits = [f"{sum(e.split == split for e in report.kept)} {split}" for split in ("train", "valid", "eval")]
    return f"{len(report.kept)} of {total} pictures kept ({', '.join(splits)}), {len(report.dropped)} dropped."


def _tables(report: Report) -> list[tuple[str, tuple[Finding, ...]]]:
    both = (("Dropped", report.dropped), ("Kept, but look at them", report.noted))
    return [(title, findings) for title, findings in both if findings]


def _rules(rules: Rules) -> list[str]:
    return [f"{name} = {getattr(rules, name)}: {field.description}" for name, field in Rules.model_fields.items()]
