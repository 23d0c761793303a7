"""Paces: exact over minutes whoever looks and however often, no burst after a rest, no stall after a change."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clarion.core.pace import MINUTE, SAVED_MICROS, allowance, read_pace, spend

START = 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("text", "per_minute"), [("600/min", 600), ("10/s", 600), ("600/h", 10), (" 1 / Minute ", 1), ("off", None), ("6000000/min", 6_000_000)]
)
def test_it_is_written_as_people_say_it(text: str, per_minute: int | None) -> None:
    assert read_pace(text) == per_minute


@pytest.mark.parametrize("text", ["", "600", "0/min", "-1/min", "1.5/min", "7/h", "6000001/min", "600/day", "٣/min", "9" * 5_000 + "/min"])
def test_what_is_no_pace_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="A pace"):
        read_pace(text)


def looked(per_minute: int, looks: list[int]) -> list[tuple[int, int]]:
    """(time, messages) of looks at these times, each of which takes all it gets."""
    paid_until: int | None = None
    gone = []
    for at in looks:
        allowed = allowance(per_minute, paid_until, at, 0)
        if allowed.messages:
            paid_until = spend(per_minute, allowed.paid_until, allowed.messages)
            gone.append((at, allowed.messages))
    return gone


@given(per_minute=some.integers(1, 100_000), gaps=some.lists(some.integers(1, SAVED_MICROS * 7 // 10), min_size=60, max_size=120))
def test_looks_at_any_times_let_the_pace_go_and_not_more(per_minute: int, gaps: list[int]) -> None:
    looks = [START]
    for gap in gaps:
        looks.append(looks[-1] + gap)
    gone = looked(per_minute, looks)
    lasted = looks[-1] - START
    gathered = max(1, per_minute // 240)
    total = sum(messages for _, messages in gone)
    owed = lasted * per_minute // MINUTE + gathered
    assert owed - (per_minute * SAVED_MICROS // MINUTE) - gathered - 1 <= total <= owed, "what a look came late for is made up"
    for first, (begun, _) in enumerate(gone):
        within = sum(messages for at, messages in gone[first:] if at < begun + MINUTE)
        assert within <= per_minute + per_minute * SAVED_MICROS // MINUTE + 1


def test_after_an_hour_there_is_a_second_to_make_up_and_no_more() -> None:
    allowed = allowance(6_000, START - 60 * MINUTE, START, 0)
    assert allowed.messages == 101
    assert allowance(6_000, START - 60 * MINUTE, START, 101).messages <= 1, "what was let go before and not used is that second"


def test_another_pace_is_taken_up_at_once() -> None:
    slow = spend(1, START, 1)
    assert allowance(1, slow, START + 1, 0).messages == 0
    raised = allowance(600, slow, START + 1, 0)
    assert raised.next_at <= START + 1_000_000
    assert allowance(600, slow, raised.next_at, 0).messages or allowance(600, raised.paid_until, raised.next_at, 0).messages


def test_a_clock_that_was_set_back_stalls_nothing() -> None:
    allowed = allowance(60, START + 60 * MINUTE, START, 0)
    assert allowed.paid_until <= START + MINUTE // 60


@given(per_minute=some.integers(1, 6_000_000))
def test_whoever_took_what_there_was_need_not_look_for_a_while(per_minute: int) -> None:
    first = allowance(per_minute, None, START, 0)
    again = allowance(per_minute, spend(per_minute, first.paid_until, first.messages), START, 0)
    assert again.messages == 0
    assert again.next_at - START >= min(MINUTE // per_minute, 200_000)
    assert 0 <= first.next_at - again.next_at <= 1
    late = allowance(per_minute, again.paid_until, again.next_at, 0)
    assert late.messages == max(1, per_minute // 240), "and finds enough then"
