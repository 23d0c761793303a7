"""The machine's clocks, ids and randomness."""

import time

import pytest

from clarion.core import public_id
from clarion.wiring.machine import ScaledClock, SystemClock, SystemIds, SystemRandom, SystemTimer, clock_from


def test_the_calendar_is_the_machines_unless_asked_otherwise() -> None:
    for clock in (clock_from(None), clock_from("")):
        assert isinstance(clock, SystemClock)
        assert abs(clock.now() / 1e6 - time.time()) < 3600


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("start=2026-03-28T20:00Z,rate=3600", 1_774_728_000),
        ("start=2026-03-28T20:00:00+00:00", 1_774_728_000),
        ("start=2026-03-28T23:00+03:00,rate=0.5", 1_774_728_000),
    ],
)
def test_another_calendar_starts_where_it_is_told(text: str, start: int) -> None:
    now = clock_from(text).now()
    assert start * 1_000_000 <= now < (start + 3600 * 3600) * 1_000_000


def test_a_fast_calendar_outruns_real_time() -> None:
    clock, timer = ScaledClock(0, 360_000), SystemTimer()
    begun, real = clock.now(), timer.monotonic()
    while clock.now() - begun < 3_600_000_000:
        time.sleep(0.001)
    assert timer.monotonic() - real < 3600


@pytest.mark.parametrize(
    "text",
    ["2026-03-28", "start=tomorrow", "start=2026-03-28T20:00", "start=2026-03-28T20:00Z,rate=0", "start=2026-03-28T20:00Z,rate=1e9",
     "start=2026-03-28T20:00Z,rate=-1", "rate=3600", "start=2026-03-28T20:00Z,rate=99999999"],
)  # fmt: skip
def test_a_calendar_that_cannot_be_read_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"CLARION_CLOCK"):
        clock_from(text)


def test_ids_carry_their_time_and_room_for_offsets() -> None:
    ids = SystemIds()
    made = {ids.broadcast(1_774_728_000_000_000) for _ in range(100)}
    assert len(made) == 100
    for one in made:
        assert one.version == 7
        assert one.int >> 80 == 1_774_728_000_000
        assert public_id.split(one) == (one, 0)


def test_tokens_are_letters_and_digits() -> None:
    token = SystemIds().token(32)
    assert len(token) == 32
    assert token.isascii()
    assert token.isalnum()
    assert token != SystemIds().token(32)


def test_seeded_randomness_repeats() -> None:
    one, other = SystemRandom(7), SystemRandom(7)
    assert [one.random() for _ in range(5)] == [other.random() for _ in range(5)]
    assert 0 <= SystemRandom().random() < 1
