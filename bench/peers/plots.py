"""Bars as SVG, readable on light and on dark pages."""

from collections.abc import Sequence
from html import escape
from math import log10
from typing import NamedTuple

WIDTH = 760
NAMES = 250
"""Where the bars begin."""

VALUES = 120
"""Room behind the longest bar for its number."""

ROW = 26
BAR = 16
HEAD = 58

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.unit { fill: #59636e }
.ours { fill: #0969da }
.peer { fill: #9a6700 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .unit { fill: #9198a1 }
  .ours { fill: #4493f8 }
  .peer { fill: #d29922 }
}"""


class Bar(NamedTuple):
    """Whose, how long, what is written behind it, and whether it is Clarion's."""

    name: str
    value: float
    shown: str
    ours: bool


def bars(title: str, unit: str, rows: Sequence[Bar], *, logarithmic: bool = False) -> str:
    """An SVG document."""
    height = HEAD + ROW * len(rows) + 8
    note = f"{unit}, logarithmic" if logarithmic else unit
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)} ({escape(unit)})</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="8" y="22">{escape(title)}</text>',
        f'<text class="unit" x="8" y="42">{escape(note)}</text>',
    ]
    lengths = _lengths([row.value for row in rows], logarithmic=logarithmic)
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        top = HEAD + ROW * number
        kind = "ours" if row.ours else "peer"
        parts += [
            f'<text x="{NAMES - 10}" y="{top + 13}" text-anchor="end">{escape(row.name)}</text>',
            f'<rect class="{kind}" x="{NAMES}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{NAMES + length + 8:.1f}" y="{top + 13}">{escape(row.shown)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _lengths(values: Sequence[float], *, logarithmic: bool) -> list[float]:
    room = WIDTH - NAMES - VALUES
    if logarithmic:
        # From a decade below the smallest, so that this too has a bar.
        lowest = min((value for value in values if value > 0), default=1.0) / 10
        values = [log10(value / lowest) if value > 0 else 0.0 for value in values]
    longest = max(values, default=0.0) or 1.0
    return [max(1.0, room * value / longest) for value in values]
