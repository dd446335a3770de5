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
from pipelines.following import MARKS, State, Step

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d8d8de;vertical-align:top;overflow-wrap:anywhere}
td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em}
iframe{width:100%;height:34rem;border:1px solid #d8d8de;border-radius:6px;background:#fff}
pre{white-space:pre-wrap;padding:.8rem;border:1px solid #d8d8de;border-radius:6px}
@media (prefers-color-scheme:dark){
body{color:#e6e6ea;background:#17171a}th,td,iframe,pre{border-color:#3a3a42}iframe{background:#17171a}}
"""
SHOWN = 4  # figures of a step in the table
FIRST = ("psnr_y", "ssim_y", "valid_psnr_y", "steps", "kept", "dropped")
DECISION = "decision"  # Markdown whose first line is the answer with its reason
WORDS = re.compile(r"(?=.*[^\d])[^\[{].{0,60}")  # a returned answer that says something by itself


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
    """One line: the error, or what was returned and the first figures."""
    if row.error:
        return row.error.splitlines()[0]
    decisions = [a.path for a in row.artifacts if a.kind == "system.Markdown" and a.name == DECISION]
    if decisions and decisions[0].is_file():
        lines = decisions[0].read_text().splitlines()
        return next((line for line in lines if line and not line.startswith("#")), "")
    # From the cache they come in another order; those that tell most, first.
    known = sorted(row.figures.items(), key=lambda item: (item[0] not in FIRST, item[0]))
    figures = [f"{name} {_short(value)}" for name, value in known[:SHOWN]]
    output = [row.output] if WORDS.fullmatch(row.output) else []
    return ", ".join(output + figures)


def write_report(summary: Summary, path: Path) -> Path:
    """One HTML page that loads nothing: the table, and every step's own pages within it. Raises StorageError."""
    rows = "".join(
        f"<tr><td><a href='#{_e(row.name)}'>{_e(row.name)}</a></td><td>{_e(row.state)}</td>"
        f"<td class=n>{row.seconds:.1f}</td><td>{_e(result_of(row))}</td></tr>"
        for row in summary.rows
    )
    parameters = "".join(
        f"<tr><td>{_e(k)}</td><td><code>{_e(v)}</code></td></tr>" for k, v in summary.parameters.items()
    )
    body = (
        f"<h1>{_e(summary.pipeline)}</h1><p>{_e(summary.folder.name)}, {summary.seconds:.0f} s in steps</p>"
        f"<table><tr><th>step</th><th>state</th><th>seconds</th><th>what came of it</th></tr>{rows}</table>"
        f"{''.join(_section(row) for row in summary.rows)}<h2>Parameters</h2><table>{parameters}</table>"
    )
    head = f'<meta charset="utf-8"><title>{_e(summary.pipeline)}</title><style>{STYLE}</style>'
    page = f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
    write_whole(path, page.encode())
    return path


def _section(row: Row) -> str:
    parts = [f"<h2 id='{_e(row.name)}'>{_e(row.name)}</h2>"]
    if row.error:
        parts.append(f"<pre>{_e(row.error)}</pre>")
    if row.figures:
        cells = "".join(f"<tr><td>{_e(k)}</td><td class=n>{_e(_short(v))}</td></tr>" for k, v in row.figures.items())
        parts.append(f"<table>{cells}</table>")
    pages = [a for a in row.artifacts if a.kind == "system.HTML" and a.path.is_file()]
    # sandbox: a page of a step may hold what pictures are called, and runs no script
    parts += [f'<iframe sandbox title="{_e(a.name)}" srcdoc="{_e(a.path.read_text())}"></iframe>' for a in pages]
    if not pages:
        texts = [a for a in row.artifacts if a.kind == "system.Markdown" and a.path.is_file()]
        parts += [f"<pre>{_e(a.path.read_text())}</pre>" for a in texts]
    files = [a for a in row.artifacts if a.kind not in ("system.Metrics", "system.HTML", "system.Markdown")]
    parts += [f"<p>{_e(a.name)}: <code>{_e(a.path)}</code></p>" for a in files]
    return "".join(parts) if len(parts) > 1 else ""


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _e(value: object) -> str:
    return html.escape(str(value), quote=True)
