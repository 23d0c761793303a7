"""Writes docs/metrics.md from the table that `/metrics` is made of: `python tools/metrics.py`."""

from collections.abc import Mapping
from pathlib import Path

from clarion.api.metrics import HTTP_FAMILIES, Family
from clarion.wiring.metrics import COUNTERS, GAUGES, HEALTH, HISTOGRAMS, STORE

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"

HEAD = """# Metrics

Made by `tools/metrics.py` from the table that `/metrics` itself is made of; a test keeps it current. The form is Prometheus' text format.
Counters begin at 0 with the process; those of a bind go on when its connection is made anew, and end when its carrier is
removed. `carrier` is the carrier's name, `bind` which of its binds, from 0. Each server tells of the binds that it holds itself, and of the
health of every carrier, which all of them share.

| question | answer |
|---|---|
| how fast do messages go out | `sum by (carrier) (rate(clarion_bind_submits_total[1m]))` |
| what does the carrier refuse | `sum by (carrier, status) (rate(clarion_bind_answers_total{status!="ESME_ROK"}[5m]))` |
| is the window the limit | `clarion_bind_unanswered_submits / clarion_bind_window_submits` close to 1: ask for a larger one |
| is the database the limit | `clarion_bind_doubt_messages` close to twice the window while `clarion_bind_unanswered_submits` is small |
| how long does the carrier take | `histogram_quantile(0.99, sum by (carrier, le) (rate(clarion_bind_round_trip_seconds_bucket[5m])))` |
| do receipts keep up | `rate(clarion_bind_receipts_total[5m])` beside `rate(clarion_bind_answers_total{status="ESME_ROK"}[5m])` |
| is a link unsteady | `increase(clarion_bind_losses_total[1h]) > 2` |
| does a carrier not work | `clarion_carrier_well < 1`: others take what they can; `clarion carriers list` says why |
| is somebody to be woken | `/readyz` answers 503, `sum by (carrier) (clarion_bind_bound) == 0`, or `clarion_store_blocked == 1` |
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole document."""
    tables = {"Carriers": HEALTH, "Binds": GAUGES | COUNTERS | HISTOGRAMS, "The database": STORE, "HTTP": HTTP_FAMILIES}
    return HEAD + "".join(f"\n## {title}\n\n{table(families)}" for title, families in tables.items())


def table(families: Mapping[str, Family]) -> str:
    """A line for each."""
    rows = [f"| `{shown(name, family)}` | {family.kind} | {labels(family)} | {family.help} |\n" for name, family in families.items()]
    return "| name | kind | labels | meaning |\n|---|---|---|---|\n" + "".join(rows)


def shown(name: str, family: Family) -> str:
    """As it stands in the text: counters end in `_total`."""
    return f"{name}_total" if family.kind == "counter" else name


def labels(family: Family) -> str:
    """Their names."""
    return ", ".join(f"`{label}`" for label in family.labels)


if __name__ == "__main__":
    main()
