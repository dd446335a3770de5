"""An inspection's report for people, as Markdown and as one HTML page that loads nothing.

Path("report.html").write_text(render_html(report))
"""

from loupe.markup import Safe, code, heading, html_table, markdown_table, page, paragraph
from training.inspection import Finding, Report, Rules

TITLE = "Inspection of the data"
COLUMNS = ("picture", "split", "reason", "detail")


def render_markdown(report: Report) -> str:
    """Markdown with tables; names are code, so nothing in them is markup."""
    lines = [f"# {TITLE}", "", _summary(report), "", f"Manifest `{report.version}`.", ""]
    if report.counts:
        rows = [(reason, str(count)) for reason, count in report.counts.items()]
        lines += [markdown_table(("reason", "pictures"), rows, numbers=1), ""]
    for title, findings in _tables(report):
        cells = [(code(f.entry.name), f.entry.split, f.reason, code(f.detail)) for f in findings]
        lines += [f"## {title}", "", markdown_table(COLUMNS, cells), ""]
    lines += ["## Rules", "", *(f"- {text}" for text in _rules(report.rules)), ""]
    return "\n".join(lines)


def render_html(report: Report) -> str:
    """A whole page: no script, no request; everything from files is escaped."""
    parts = [paragraph(_summary(report), "sum"), Safe(f"<p>Manifest <code>{report.version}</code></p>")]
    if report.counts:
        rows = [(reason, str(count)) for reason, count in report.counts.items()]
        parts.append(html_table(("reason", "pictures"), rows, numbers=1))
    for title, findings in _tables(report):
        cells = [(f.entry.name, f.entry.split, f.reason, f.detail) for f in findings]
        parts += [heading(title), html_table(COLUMNS, cells)]
    parts += [heading("Rules"), *(paragraph(text) for text in _rules(report.rules))]
    return page(TITLE, parts)


def _summary(report: Report) -> str:
    total = len(report.kept) + len(report.dropped)
    splits = [f"{sum(e.split == split for e in report.kept)} {split}" for split in ("train", "valid", "eval")]
    return f"{len(report.kept)} of {total} pictures kept ({', '.join(splits)}), {len(report.dropped)} dropped."


def _tables(report: Report) -> list[tuple[str, tuple[Finding, ...]]]:
    both = (("Dropped", report.dropped), ("Kept, but look at them", report.noted))
    return [(title, findings) for title, findings in both if findings]


def _rules(rules: Rules) -> list[str]:
    return [f"{name} = {getattr(rules, name)}: {field.description}" for name, field in Rules.model_fields.items()]
