"""Figures that the tests of this room leave are printed at the end, whether output is captured or not."""

from collections.abc import Callable

import pytest

FIGURES = pytest.StashKey[list[str]]()

Note = Callable[[str], None]


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Keeps lines for the end of the run."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if lines := terminalreporter.config.stash.get(FIGURES, []):
        terminalreporter.section("figures of the acceptance tests")
        for line in lines:
            terminalreporter.write_line(line)
