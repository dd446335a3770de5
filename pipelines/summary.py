"""A local run in one table and one page: its steps, what they made, and their own reports, from kfp's folders.

summary = summarize(pipeline, parameters, follower.steps, run=folder, root=Path("runs/pipelines"))
console.print(table_of(summary)); write_report(summary, folder / "report.html")
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from loupe.files import write_whole
from loupe.markup import Safe, escape, heading, html_table, page, paragraph
from pipelines.following import MARKS, State, Step

STYLE = """
iframe{width:100%;height:36rem;border:1px solid var(--line);border-radius:6px;background:var(--paper)}
pre{white-space:pre-wrap;padding:.8rem;border:1px solid var(--line);border-radius:6px}
"""
SHOWN = 4  # figures of a step in the table
FIRST = ("psnr_y", "ssim_y", "valid_psnr_y", "steps", "kept", "dropped")
DECISION = "decision"  # Markdown whose first line is the answer with its reason
WORDS = re.compile(r"(?=.*[A-Za-z])[^\[{].{0,60}")  # a returned answer that says something by itself


class Artifact(NamedTuple):
    """What a step wrote; ``kind`` is kfp's, such as system.HTML."""

    name: str
    kind: str
    path: Path
    metadata: Mapping[str, Any]


@dataclass
class Row:
    """All executions of one component: a loop's together."""

    name: str
    state: State
    seconds: float = 0.0
    times: int = 0
    output: str = ""
    said: str = ""  # its last line, if it ran
    error: str = ""
    artifacts: list[Artifact] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, Any]:
        """The metrics, whatever their artifact is called."""
        return {key: value for a in self.artifacts if a.kind == "system.Metrics" for key, value in a.metadata.items()}


@dataclass
class Summary:
    """A run: ``folder`` has what was made anew, the cache leads to the rest."""

    pipeline: str
    folder: Path
    parameters: Mapping[str, object]
    rows: list[Row]
    failure: str = ""

    @property
    def failed(self) -> str:
        """What went wrong, or nothing."""
        return next((f"{row.name}: {row.error}" for row in self.rows if row.state == "failed"), self.failure)

    @property
    def seconds(self) -> float:
        return sum(row.seconds for row in self.rows)


def summarize(
    pipeline: Any,  # kfp is untyped
    parameters: Mapping[str, object],
    steps: Sequence[Step],
    *,
    run: Path,
    root: Path,
    failure: str = "",
) -> Summary:
    """The steps with their artifacts, by component in the order in which they began."""
    spec = pipeline.pipeline_spec
    rows: dict[str, Row] = {}
    for step in steps:
        row = rows.setdefault(step.name, Row(step.name, step.state))
        row.seconds += step.seconds
        row.times += 1
        row.said = step.lines[-1].strip() if step.lines else row.said
        if step.state == "failed":
            row.state, row.error = "failed", step.error
        elif step.state == "done" and row.state == "cached":
            row.state = "done"
        if step.key:
            for entry in sorted((root / ".kfp_cache").glob(f"{step.key}*.json")):
                _add_cached(row, json.loads(entry.read_text()))
    for told in sorted(run.rglob("executor_output.json")):
        if row_ := rows.get(told.parent.name):
            made = spec.components[f"comp-{row_.name}"].output_definitions.artifacts
            kinds = {name: made[name].artifact_type.schema_title for name in made}
            _add_executed(row_, json.loads(told.read_text()), kinds)
    return Summary(spec.pipeline_info.name, run, parameters, list(rows.values()), failure)


def _add_executed(row: Row, told: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
    row.output = str(told.get("parameterValues", {}).get("Output", row.output))
    for name, made in told.get("artifacts", {}).items():
        for artifact in made["artifacts"]:
            row.artifacts.append(Artifact(name, kinds[name], Path(artifact["uri"]), artifact.get("metadata", {})))


def _add_cached(row: Row, outputs: Mapping[str, Any]) -> None:
    for name, value in outputs.items():
        if isinstance(value, dict) and value.get("__kfp_artifact__"):
            row.artifacts.append(Artifact(name, value["schema_title"], Path(value["uri"]), value["metadata"]))
        elif name == "Output":
            row.output = str(value)


def table_of(summary: Summary) -> Table:
    """For the terminal."""
    table = Table("step", "state", "seconds", "what came of it", title=summary.pipeline, title_justify="left", box=None)
    for row in summary.rows:
        name = f"{row.name} x{row.times}" if row.times > 1 else row.name
        seconds = "" if row.state == "cached" else f"{row.seconds:.1f}"
        table.add_row(name, MARKS.get(row.state, row.state), seconds, result_of(row))
    table.add_section()
    table.add_row("together", "", f"{summary.seconds:.1f}", "")
    return table


def result_of(row: Row) -> str:
    """One line: the error, the decision, or what was returned and the first figures; else what it said last."""
    if row.error:
        return row.error.splitlines()[0]
    decisions = [a.path for a in row.artifacts if a.kind == "system.Markdown" and a.name == DECISION]
    if decisions and decisions[0].is_file():
        lines = decisions[0].read_text().splitlines()
        return next((line for line in lines if line and not line.startswith("#")), "")
    # From the cache they come in another order; those that tell most, first.
    rank = {name: place for place, name in enumerate(FIRST)}
    known = sorted(row.figures.items(), key=lambda item: (rank.get(item[0], len(FIRST)), item[0]))
    figures = [f"{name} {_short(value)}" for name, value in known[:SHOWN]]
    output = [row.output] if WORDS.fullmatch(row.output) else []
    return ", ".join(output + figures) or row.said


def write_report(summary: Summary, path: Path) -> Path:
    """One HTML page that loads nothing: the table, and every step's own pages within it. Raises StorageError."""
    rows = [(_link(row.name), row.state, result_of(row), f"{row.seconds:.1f}") for row in summary.rows]
    given = [(name, str(value)) for name, value in summary.parameters.items()]
    parts = [
        paragraph(f"{summary.folder.name}, {summary.seconds:.0f} s in steps"),
        html_table(("step", "state", "what came of it", "seconds"), rows, numbers=1),
        *(part for row in summary.rows for part in _section(row)),
        heading("Parameters"),
        html_table(("parameter", "value"), given),
    ]
    write_whole(path, page(summary.pipeline, parts, style=STYLE).encode())
    return path


def _link(name: str) -> Safe:
    return Safe(f'<a href="#{escape(name)}">{escape(name)}</a>')


def _section(row: Row) -> list[Safe]:
    """What one step made; nothing for one that made nothing to look at."""
    parts = [Safe(f"<pre>{html.escape(row.error)}</pre>")] if row.error else []
    if row.figures:
        figures = [(name, _short(value)) for name, value in row.figures.items()]
        parts.append(html_table(("figure", "value"), figures, numbers=1))
    pages = [a for a in row.artifacts if a.kind == "system.HTML" and a.path.is_file()]
    # sandbox: a page of a step may hold what pictures are called, and runs no script
    frame = '<iframe sandbox title="{}" srcdoc="{}"></iframe>'
    parts += [Safe(frame.format(escape(a.name), html.escape(a.path.read_text()))) for a in pages]
    if not pages:
        texts = [a for a in row.artifacts if a.kind == "system.Markdown" and a.path.is_file()]
        parts += [Safe(f"<pre>{html.escape(a.path.read_text())}</pre>") for a in texts]
    files = [a for a in row.artifacts if a.kind not in ("system.Metrics", "system.HTML", "system.Markdown")]
    parts += [Safe(f"<p>{escape(a.name)}: <code>{escape(str(a.path))}</code></p>") for a in files]
    return [Safe(f'<h2 id="{escape(row.name)}">{escape(row.name)}</h2>'), *parts] if parts else []


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
