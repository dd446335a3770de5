"""An assessment for people: as Markdown, and as one HTML page with its contact sheet.

Path("report.md").write_text(render_markdown(assessment, sheet))
Path("report.html").write_text(render_html(assessment, sheet))
"""

from collections.abc import Iterator, Mapping, Sequence

from loupe.assessment import Assessment, Group
from loupe.contact_sheet import SHEET_STYLE, Sheet, sheet_html, sheet_markdown
from loupe.markup import code, heading, html_table, markdown_table, page, paragraph, tinted
from loupe.robustness import CONDITIONS
from loupe.slices import SLICES

HEAD = ("pictures", "PSNR-Y", "bicubic", "gain", "SSIM-Y", "bicubic")
PROTOCOL = "PSNR (dB) and SSIM on luma (BT.601), border of the factor cut, beside MATLAB's bicubic."


def render_markdown(assessment: Assessment, sheet: Sheet | None = None) -> str:
    """Tables, and the contact sheet with its pictures inside."""
    lines = [f"# {_title(assessment)}", "", _summary(assessment), "", PROTOCOL, ""]
    for title, note, groups in _sections(assessment):
        rows = [(code(name), *_cells(group)) for name, group in groups.items()]
        lines += [f"## {title}", "", *([note, ""] if note else []), markdown_table(("", *HEAD), rows, numbers=6), ""]
    lines += ["## Size and speed", "", markdown_table(("property", "value"), _properties(assessment), numbers=1), ""]
    if sheet:
        lines += ["## Contact sheet", "", SHEET_NOTE, "", sheet_markdown(sheet), ""]
    return "\n".join(lines)


def render_html(assessment: Assessment, sheet: Sheet | None = None) -> str:
    """A whole page; everything from files is escaped."""
    parts: list[str] = [paragraph(_summary(assessment), "sum"), paragraph(PROTOCOL, "soft")]
    for title, note, groups in _sections(assessment):
        parts += [heading(title), *([paragraph(note, "soft")] if note else [])]
        parts.append(html_table(("", *HEAD), [_row(name, group) for name, group in groups.items()], numbers=6))
    parts += [heading("Size and speed"), html_table(("property", "value"), _properties(assessment), numbers=1)]
    if sheet:
        parts += [heading("Contact sheet"), paragraph(SHEET_NOTE, "soft"), sheet_html(sheet)]
    rows = [
        (name, row.name, *_cells(Group(count=1, model=row.model, bicubic=row.bicubic))[1:])
        for name, group in assessment.benchmarks.items()
        for row in group[:MOST_ROWS]
    ]
    parts += [heading("Pictures"), html_table(("benchmark", "picture", *HEAD[1:]), rows, numbers=5)]
    return page(_title(assessment), parts, style=SHEET_STYLE)


MOST_ROWS = 100  # of a benchmark; all are in the assessment itself
SHEET_NOTE = "The most textured square of each picture; PSNR-Y is that of the crop."


def _title(assessment: Assessment) -> str:
    return f"Evaluation of {assessment.model} version {assessment.version}"


def _summary(assessment: Assessment) -> str:
    figures, baseline = assessment.figures(), assessment.figures("bicubic")
    gain = figures["psnr_y"] - baseline["psnr_y"]
    word = "above" if gain >= 0 else "below"
    return f"Factor {assessment.scale}: {figures['psnr_y']:.2f} dB on average, {abs(gain):.2f} dB {word} bicubic."


def _sections(assessment: Assessment) -> Iterator[tuple[str, str, Mapping[str, Group]]]:
    """Title, note, rows."""
    yield "Benchmarks", "", assessment.groups
    if assessment.slices:
        yield (
            "Slices",
            _legend({name: SLICES[name].told for name in assessment.slices if name in SLICES}),
            (assessment.slices),
        )
    if assessment.robustness:
        note = f"The low-resolution picture is changed, in the middle {assessment.robust_side} pixels. "
        told = {name: CONDITIONS[name].told for name in assessment.robustness if name in CONDITIONS}
        yield "Robustness", note + _legend(told), assessment.robustness


def _legend(told: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in told.items()) + "." if told else ""


def _cells(group: Group) -> tuple[str, ...]:
    model, bicubic = group.model, group.bicubic
    gain = f"{model.psnr_y - bicubic.psnr_y:+.2f}"
    dB = (f"{model.psnr_y:.2f}", f"{bicubic.psnr_y:.2f}", gain)  # noqa: N806
    return str(group.count), *dB, f"{model.ssim_y:.4f}", f"{bicubic.ssim_y:.4f}"


def _row(name: str, group: Group) -> Sequence[str]:
    cells = list(_cells(group))
    cells[3] = tinted(cells[3], group.model.psnr_y >= group.bicubic.psnr_y)
    return (name, *cells)


def _properties(assessment: Assessment) -> list[tuple[str, str]]:
    speed = assessment.speed
    return [
        ("parameters", f"{assessment.parameters:,}"),
        ("bytes of the checkpoint", f"{assessment.bytes:,}"),
        (
            f"seconds for a megapixel of results, by {speed.backend} with {speed.threads} threads (median)",
            f"{speed.seconds_per_megapixel:.3f}",
        ),
        ("SHA-256 of the weights", assessment.weights_sha256[:16]),
        ("evaluated on", assessment.evaluated_on[:16]),
    ]
