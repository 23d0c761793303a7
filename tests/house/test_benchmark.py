"""The page of the benchmark: a target that is missed comes with the figures that say why."""

from pathlib import Path
from typing import Any, cast

from bench.machine import Machine
from bench.peers import document
from bench.peers.aims import PEERS, POSTGRES, SQLITE, reaches
from bench.peers.gateway import Candidate, Sizes
from bench.peers.measured import LOOP, WRITER, Part, Report

FIGURES = {
    "rate": 10_000.0,
    "cpu": 0.09,
    "delayed_share": 90.0,
    "delayed_round": 55.0,
    "answered_p99": 40.0,
    "wire_p99": 90.0,
    "accept_p50": 150.0,
    "import_few_rows": 10_000,
    "import_few_s": 1.0,
    "import_few_mb": 75.0,
    "import_many_rows": 1_000_000,
    "import_many_s": 120.0,
    "import_many_mb": 100.0,
}


def report_of(loop_ms: float) -> Report:
    report = Report(Machine({}, loop_ms), quick=False, rounds=1, command="make bench-peers")
    for key in (SQLITE, POSTGRES, *PEERS):
        candidate = Candidate(key, key, cast("Any", None), Sizes(1, 1, 1), "")
        report.candidates.append(candidate)
        report.add(candidate, FIGURES | ({} if key == SQLITE else {"rate": 5_000.0}))
    report.shares = [Part(LOOP, "clarion/flow/accept.py", 0.6), Part(WRITER, "take", 0.4)]
    return report


def test_each_missed_target_says_why(tmp_path: Path) -> None:
    found = reaches(report_of(108))
    assert len(found) == 13
    assert all(not one.is_met and one.why.endswith(".") for one in found)
    page = document.write(report_of(108), tmp_path).read_text()
    assert all(f"- {one.text}: {one.why}" in page for one in found)
    assert "it would be 75 where that loop takes 54 ms" in page
    assert "By thread: event loop 60 %, writer 40 %." in page
    assert (tmp_path / "benchmark" / "dominates.svg").read_text().startswith("<svg")


def test_a_fast_interpreter_is_no_reason() -> None:
    assert "as fast here (40 ms)" in next(one.why for one in reaches(report_of(40)) if "p50" in one.text)
