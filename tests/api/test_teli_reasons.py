"""What Teli's item errors say of our reasons and of a carrier's."""

import pytest

from clarion.api.faces.teli.choices import micros, row_id, time
from clarion.api.faces.teli.reasons import words

WORDS = [
    # Choices, "Teli": other item errors.
    ("refused", "invalid_number", "Invalid phone number"),
    ("refused", "opted_out", "Client 0712 has opted out"),
    ("suppressed", "opted_out: STOP", "Client 0712 has opted out"),
    ("refused", "insufficient_balance", "Insufficient balance"),
    ("refused", "skipped", "Insufficient balance"),
    ("refused", "no_route", "No route to 0712"),
    ("refused", "too_long", "Message is too long"),
    ("expired", "validity_over", "Message expired before it could be sent"),
    ("cancelled", "anything", "Message was cancelled"),
    # SMPP 3.4, 5.1.3.
    ("refused", "ESME_RINVDSTADR (0x0000000b)", "The carrier refused the message: invalid destination number (0x0000000b)"),
    ("refused", "ESME_RUNKNOWNERR (0x000000ff)", "The carrier refused the message: ESME_RUNKNOWNERR (0x000000ff)"),
    ("refused", "vendor status (0x00000401)", "The carrier refused the message: vendor status (0x00000401)"),
    ("refused", None, "The carrier refused the message"),
    # SMPP 3.4, appendix B.
    ("undelivered", "UNDELIV err:001", "The carrier could not deliver the message: not deliverable (err:001)"),
    ("undelivered", "EXPIRED", "The carrier could not deliver the message: expired at the carrier"),
    ("undelivered", "", "The carrier could not deliver the message"),
]


@pytest.mark.parametrize(("state", "reason", "said"), WORDS)
def test_words(state: str, reason: str | None, said: str) -> None:
    assert words(state, reason, "0712") == said


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01T01:00:01+01:00", 1_000_000),
        ("1970-01-01T01:00:01 01:00", 1_000_000),
        ("1970-01-01 00:00:01", 1_000_000),
        ("1969-12-31T23:59:59Z", -1_000_000),
        ("soon", None),
        ("", None),
    ],
)
def test_times_of_a_caller(text: str, at: int | None) -> None:
    assert micros(text) == at


def test_times_of_ours_have_a_z() -> None:
    assert time(1_763_856_000_123_456) == "2025-11-23T00:00:00.123456Z"


def test_ids_have_the_vendors_form_and_do_not_count() -> None:
    first, second = (row_id("contact", number, 1_763_856_000_123_456) for number in (1, 2))
    assert first.startswith("1763856000123x")
    assert len(first) == len(second) == 32
    assert abs(int(first[14:]) - int(second[14:])) > 1_000
