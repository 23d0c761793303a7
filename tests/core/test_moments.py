"""Times as people write them, and what daylight saving does to them."""

import pytest

from clarion.core.moments import parse_moment, write_moment

READ: list[tuple[str, str, str]] = [
    ("2026-03-28T20:00:00Z", "Europe/Berlin", "2026-03-28T20:00:00.000Z"),
    ("2026-03-28T20:00:00+02:00", "Europe/Berlin", "2026-03-28T18:00:00.000Z"),
    ("2026-03-28T20:00:00.123456-05:30", "UTC", "2026-03-29T01:30:00.123Z"),
    ("2026-03-28T20:00", "Africa/Nairobi", "2026-03-28T17:00:00.000Z"),
    ("2026-03-28 20:00", "UTC", "2026-03-28T20:00:00.000Z"),
    ("20260328T200000Z", "UTC", "2026-03-28T20:00:00.000Z"),
    ("2026-03-28t20:00z", "UTC", "2026-03-28T20:00:00.000Z"),
    # Clocks went from 02:00 to 03:00: a time between them moves forward by that hour.
    ("2026-03-29T01:59:59", "Europe/Berlin", "2026-03-29T00:59:59.000Z"),
    ("2026-03-29T02:00:00", "Europe/Berlin", "2026-03-29T01:00:00.000Z"),
    ("2026-03-29T02:30:00", "Europe/Berlin", "2026-03-29T01:30:00.000Z"),
    ("2026-03-29T03:00:00", "Europe/Berlin", "2026-03-29T01:00:00.000Z"),
    # By half an hour on Lord Howe Island.
    ("2026-10-04T02:15:00", "Australia/Lord_Howe", "2026-10-03T15:45:00.000Z"),
    # Clocks went from 03:00 back to 02:00: of two times the first, and with an offset the one that is meant.
    ("2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T00:30:00.000Z"),
    ("2026-10-25T02:30:00+01:00", "Europe/Berlin", "2026-10-25T01:30:00.000Z"),
    ("2026-10-25T03:00:00", "Europe/Berlin", "2026-10-25T02:00:00.000Z"),
    # A day that Samoa left out.
    ("2011-12-30T12:00:00", "Pacific/Apia", "2011-12-30T22:00:00.000Z"),
]


@pytest.mark.parametrize(("text", "zone", "expected"), READ)
def test_iso_8601_with_and_without_offset(text: str, zone: str, expected: str) -> None:
    moment = parse_moment(text, zone)
    assert moment is not None
    assert write_moment(moment) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-03-28",
        "20:00",
        "2026-03-28T",
        "2026-02-29T10:00:00Z",
        "2026-03-28T25:00:00Z",
        "2026-03-28T23:59:60Z",
        "2026-03-28T20:00:00+25:00",
        "2026-03-28T20:00:00Z" + " " * 100,
        "1764000000",
        "２０２６-03-28T20:00:00Z",
    ],
)
def test_what_is_no_date_with_a_time_is_none(text: str) -> None:
    assert parse_moment(text, "UTC") is None


def test_the_ends_of_the_calendar_do_not_break_it() -> None:
    for text in ("0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        for zone in ("Pacific/Kiritimati", "America/Los_Angeles", "UTC"):
            parse_moment(text, zone)
