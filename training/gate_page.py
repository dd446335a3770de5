"""A judgement for people, as Markdown and as one HTML page: why, every rule, all figures, and the pictures.

write_pages(judge(...), Path("decision.md"), Path("decision.html"))
"""

from collections.abc import Iterator
from pathlib import Path

from loupe.assessment import Group
from loupe.contact_sheet import SHEET_STYLE, sheet_html, sheet_markdown
from loupe.files import write_whole
from loupe.markup import code, escape, heading, html_table, markdown_table, page, paragraph, tinted
from training.gate import Decision
from training.incumbent import Judgement

WORDS = {True: "passed", False: "failed", None: "told"}
SHEET_NOTE = "The most textured square of each picture; PSNR-Y is that of the crop."


def write_pages(judgement: Judgement, markdown: Path, html: Path) -> None:
    """Both, each whole or not at all. Raises StorageError."""
    write_whole(markdown, render_markdown(judgement).encode())
    write_whole(html, render_html(judgement).encode())


def render_markdown(judgement: Judgement) -> str:
    """What the step writes down; names of files are code, so nothing in them is markup."""
    decision = judgement.decision
    rules = [(code(each.rule), WORDS[each.passed], escape(each.text)) for each in decision.reasons]
    head, rows = _head(judgement), [(code(name), *cells) for name, *cells in _figures(judgement)]
    return "\n".join(
        [
            f"# {_title(decision, judgement)}",
            "",
            escape(decision.summary),
            "",
            markdown_table(("rule", "verdict", "numbers"), rules),
            "",
            "## PSNR-Y in dB",
            "",
            markdown_table(head, rows, numbers=len(head) - 1),
            "",
            "## Contact sheet",
            "",
            SHEET_NOTE,
            "",
            sheet_markdown(judgement.sheet),
            "",
        ]
    )


def render_html(judgement: Judgement) -> str:
    """A whole page that loads nothing."""
    decision = judgement.decision
    rules = [(each.rule, tinted(WORDS[each.passed], each.passed), each.text) for each in decision.reasons]
    head = _head(judgement)
    parts: list[str] = [
        paragraph(tinted(decision.summary, decision.promote), "sum"),
        html_table(("rule", "verdict", "numbers"), rules),
        heading("PSNR-Y in dB"),
        html_table(head, list(_figures(judgement)), numbers=len(head) - 1),
        heading("Contact sheet"),
        paragraph(SHEET_NOTE, "soft"),
        sheet_html(judgement.sheet),
    ]
    return page(_title(decision, judgement), parts, style=SHEET_STYLE)


def _title(decision: Decision, judgement: Judgement) -> str:
    return f"{judgement.candidate.model}: {'promoted' if decision.promote else 'not promoted'}"


def _head(judgement: Judgement) -> list[str]:
    serving = [f"version {judgement.incumbent.version}"] if judgement.incumbent else []
    return ["on", "pictures", "candidate", *serving, "bicubic", "gain over what serves" if serving else "gain"]


def _figures(judgement: Judgement) -> Iterator[tuple[str, ...]]:
    """A row for each benchmark, slice and condition."""
    candidate, incumbent = judgement.candidate, judgement.incumbent
    before: dict[str, Group] = {}
    if incumbent:
        before = incumbent.groups | _named("slice", incumbent.slices) | _named("robustness", incumbent.robustness)
    groups = candidate.groups | _named("slice", candidate.slices) | _named("robustness", candidate.robustness)
    for name, group in groups.items():
        own, bicubic = group.model.psnr_y, group.bicubic.psnr_y
        others = [before[name].model.psnr_y] if incumbent else []
        numbers = (f"{value:.2f}" for value in (own, *others, bicubic))
        yield name, str(group.count), *numbers, f"{own - (*others, bicubic)[0]:+.2f}"


def _named(kind: str, groups: dict[str, Group]) -> dict[str, Group]:
    return {f"{kind} {name}": group for name, group in groups.items()}
