"""A run's curves as one HTML page that loads nothing: loss, validation, learning rate and speed, as inline SVG.

Of a run by likelihood, loss and validation are in bits per subpixel.

Path("curves.html").write_text(render_curves(read_log(path), "edsr_x4"))
"""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1f;--paper:#fff;--soft:#5d5d68;--grid:#e3e3e9;--line:#2f5bd8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6ea;--paper:#17171a;--soft:#a3a3b0;--grid:#2e2e36;--line:#8fb0ff}}
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:var(--ink);
background:var(--paper)}
h1{font-size:1.5rem;overflow-wrap:anywhere}.grid{display:grid;gap:2rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}
figure{margin:0}figcaption{font-weight:600}figcaption span{font-weight:400;color:var(--soft)}
svg{width:100%;height:auto;display:block}text{fill:var(--soft);font:12px system-ui,sans-serif}
.rule{stroke:var(--grid)}.curve{fill:none;stroke:var(--line);stroke-width:1.75;stroke-linejoin:round}
.dot{fill:var(--line)}
"""
WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 30, 12, 44
POINTS = 400  # of a curve; a longer log is averaged, since more could not be seen


class Panel(NamedTuple):
    """One plot: a field of the log, its name for people, and its unit."""

    field: str
    title: str
    unit: str


PIXEL = (
    Panel("loss", "Training loss", "L1 or L2, samples in [0,1]"),
    Panel("valid_psnr_y", "Validation", "PSNR on luma, dB"),
)
LIKELIHOOD = (
    Panel("bits", "Training", "bits per subpixel"),
    Panel("conditioning_bits", "Training of the conditioning network alone", "bits per subpixel"),
    Panel("valid_bits_per_subpixel", "Validation", "bits per subpixel"),
)
ALWAYS = (
    Panel("learning_rate", "Learning rate", "of Adam"),
    Panel("images_per_second", "Speed", "images per second"),
)
Point = tuple[float, float]


def render_curves(records: Sequence[dict[str, float]], name: str) -> str:
    """The whole page; what the log does not have is said to be missing."""
    steps = int(max((record["step"] for record in records), default=0))
    panels = (LIKELIHOOD if any("bits" in record for record in records) else PIXEL) + ALWAYS
    figures = "".join(_figure(panel, records, steps) for panel in panels)
    title = html.escape(f"Training of {name}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1><p>{steps:,} steps.</p>"
        f'<div class="grid">{figures}</div></body></html>'
    )


def _figure(panel: Panel, records: Sequence[dict[str, float]], steps: int) -> str:
    points = [(r["step"], r[panel.field]) for r in records if math.isfinite(r.get(panel.field, math.nan))]
    caption = f"{panel.title} <span>({panel.unit})</span>"
    if not points:
        return f"<figure><figcaption>{caption}</figcaption><p>Not in the log.</p></figure>"
    caption += f" <span>at the end {_told(points[-1][1])}</span>"
    return f"<figure><figcaption>{caption}</figcaption>{_plot(panel, points, steps)}</figure>"


def _plot(panel: Panel, points: list[Point], steps: int) -> str:
    ticks = choose_ticks(min(y for _, y in points), max(y for _, y in points))
    across = [tick for tick in choose_ticks(0, steps, whole=True) if tick <= steps]
    low, high = ticks[0], ticks[-1]

    def at_x(step: float) -> float:
        return LEFT + step / max(1, steps) * (WIDTH - LEFT - RIGHT)

    def at_y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for tick in ticks:
        y = at_y(tick)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_told(tick)}</text>')
    for tick in across:
        parts.append(f'<text x="{at_x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_told(tick)}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">step</text>')
    curve = [(at_x(x), at_y(y)) for x, y in thin_out(points, POINTS)]
    if len(curve) <= 12:  # few enough to be seen one by one
        parts += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in curve]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in curve)
    label = html.escape(f"{panel.title}: from {_told(points[0][1])} to {_told(points[-1][1])} in {steps} steps")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f'{"".join(parts)}<polyline class="curve" points="{drawn}"/></svg>'
    )


def choose_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Four to eight round numbers, the first at or below ``low`` and the last at or above ``high``."""
    if high <= low:
        margin = abs(low) * 0.05 or 1.0
        low, high = (low, high + 1.0) if whole else (low - margin, high + margin)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    if whole:
        step = max(1.0, float(round(step)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def thin_out(points: list[Point], limit: int) -> list[Point]:
    """At most ``limit`` points, each the mean of its neighbours; the first and the last stay themselves."""
    if len(points) <= limit:
        return points
    inner, count = points[1:-1], limit - 2
    out = [points[0]]
    for index in range(count):
        group = inner[index * len(inner) // count : (index + 1) * len(inner) // count]
        out.append((sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)))
    return [*out, points[-1]]


def _told(value: float) -> str:
    """Short, and as exact as an axis needs."""
    if value and not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.3g}".split("e") if "e" in f"{value:.3g}" else (f"{value:.3g}", "")
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
