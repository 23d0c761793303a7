"""Lengths of time as people write them, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.core.durations import parse_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("30m", 1_800), ("72h", 259_200), ("3d", 259_200), ("0s", 0), ("007d", 604_800)]
)
def test_what_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "72", "h", "72 h", "-1h", "1.5h", "1w", "72H", "1h30m", "١h", "9999999999s", "72h\n"])
def test_what_is_not(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(("seconds", "text"), [(259_200, "72h"), (345_600, "4d"), (1_800, "30m"), (90, "90s"), (0, "0s"), (3_600, "1h")])
def test_how_it_is_written(seconds: int, text: str) -> None:
    assert write_duration(seconds) == text


@given(st.integers(0, 999_999_999))
def test_what_is_written_reads_the_same(seconds: int) -> None:
    assert parse_duration(write_duration(seconds)) == seconds
