"""Text from anywhere, such as names of files, in Markdown and in HTML pages that load nothing.

page("Evaluation", [heading("Figures"), html_table(head, rows)])        # escapes what it is given
markdown_table(("picture", "PSNR"), [(code(name), "31.09")])
"""

import base64
import html
from collections.abc import Iterable, Sequence

STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1f;--soft:#5b5b66;--line:#d8d8de;--paper:#fff;--tint:#f4f4f7;--good:#11723f;
--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6ea;--soft:#a3a3ae;--line:#3a3a42;--paper:#17171a;--tint:#222227;
--good:#63d297;--bad:#ff8a80}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:var(--ink);
background:var(--paper)}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.2rem}p.sum{font-size:1.1rem}.soft{color:var(--soft)}
.good{color:var(--good)}.bad{color:var(--bad)}code{font-size:.9em}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}th{white-space:nowrap}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;
white-space:nowrap}
"""


class Safe(str):
    """HTML that is finished: it is not escaped again."""

    __slots__ = ()


def escape(text: str) -> Safe:
    """Any text as HTML, its unprintable characters replaced; what is ``Safe`` as it is."""
    return text if isinstance(text, Safe) else Safe(html.escape(printable(text)))


def printable(text: str) -> str:
    """Without line ends, control characters and those that turn the direction of writing."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def page(title: str, parts: Iterable[str], *, style: str = "") -> str:
    """A whole page that loads nothing. ``parts`` are escaped unless ``Safe``; ``style`` is CSS of our own."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "".join(escape(part) for part in parts)
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}{style}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )


def heading(text: str) -> Safe:
    """Of a section."""
    return Safe(f"<h2>{escape(text)}</h2>")


def paragraph(text: str, kind: str = "") -> Safe:
    """``kind`` is a class of STYLE: sum, soft, good, bad."""
    return Safe(f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>")


def tinted(text: str, good: bool | None) -> Safe:
    """``text`` as good or bad news; as it is for None."""
    kind = "" if good is None else "good" if good else "bad"
    return Safe(f'<span class="{kind}">{escape(text)}</span>') if kind else escape(text)


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> Safe:
    """A table that scrolls by itself; the last ``numbers`` columns are aligned as numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        words = len(cells) - numbers
        kinds = [' class="n"' if index >= words else "" for index in range(len(cells))]
        made = (f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return Safe(f'<div class="wide"><table>{line(head, "th")}{body}</table></div>')


def code(text: str) -> str:
    """``text`` in Markdown as code, in which nothing is markup, in a table's cell too."""
    return "`" + printable(text).replace("|", "\\|").replace("`", "'") + "`"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> str:
    """Cells are Markdown already: names go through ``code``. The last ``numbers`` columns are aligned as numbers."""
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def data_uri(data: bytes, media_type: str) -> str:
    """``data`` within the page."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
