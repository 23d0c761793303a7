"""What answers say against a carrier."""

from collections import Counter

import pytest

from clarion.carriers.verdict import Bounds, Verdict, complaint_of

OK, SYSTEM, THROTTLED, DESTINATION = "ESME_ROK", "ESME_RSYSERR", "ESME_RTHROTTLED", "ESME_RINVDSTADR"
BOUNDS = Bounds(answers=10, span_s=5, spans=2, stale_s=60, silent_s=15)


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({OK: 49, SYSTEM: 50}, "50 of 99 submits failed: 50 ESME_RSYSERR"),
        ({OK: 50, SYSTEM: 50}, ""),
        ({SYSTEM: 3, "none": 7, THROTTLED: 5}, "15 of 15 submits failed: 7 without an answer, 5 ESME_RTHROTTLED, 3 ESME_RSYSERR"),
        ({DESTINATION: 100}, ""),
        ({DESTINATION: 90, SYSTEM: 10}, ""),
        ({THROTTLED: 100}, "100 of 100 submits failed: 100 ESME_RTHROTTLED"),
        # It takes messages at its own rate.
        ({THROTTLED: 199, OK: 1}, ""),
        ({THROTTLED: 50, SYSTEM: 2, OK: 1}, "52 of 53 submits failed: 50 ESME_RTHROTTLED, 2 ESME_RSYSERR"),
        ({"not_sent": 100}, ""),
        ({"not_sent": 100, SYSTEM: 1}, "1 of 1 submits failed: 1 ESME_RSYSERR"),
        ({}, ""),
    ],
)
def test_complaints(answers: dict[str, int], complaint: str) -> None:
    assert complaint_of(answers) == complaint


class Bind:
    def __init__(self) -> None:
        self.verdict, self.answers, self.now = Verdict(BOUNDS, 0), Counter[str](), 0

    def go(self, seconds: int, unanswered: int = 0, **answers: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.answers.update({OK if status == "ok" else SYSTEM: count for status, count in answers.items()})
            self.verdict.look(self.answers, unanswered, self.now)

    def trouble(self) -> str:
        return self.verdict.trouble


def test_two_bad_spans_in_a_row_count_and_a_good_one_takes_it_back() -> None:
    bind = Bind()
    bind.go(1)
    bind.go(5, failed=20)
    assert not bind.trouble()
    bind.go(5, failed=20)
    assert bind.trouble() == "100 of 100 submits failed: 100 ESME_RSYSERR"
    bind.go(4, ok=100)
    assert bind.trouble()
    bind.go(1, ok=100)
    assert (bind.trouble(), bind.verdict.proven) == ("", True)


def test_one_burst_of_failures_is_an_event_not_a_state() -> None:
    bind = Bind()
    bind.go(1)
    for _ in range(10):
        bind.go(1, failed=500)
        bind.go(4)
        bind.go(5, ok=10)
    assert not bind.trouble()


def test_few_answers_say_nothing_and_are_forgotten() -> None:
    bind = Bind()
    bind.go(1)
    for _ in range(20):
        bind.go(1, failed=9)
        bind.go(60)
    assert (bind.trouble(), bind.verdict.proven) == ("", False)


def test_silence_with_submits_unanswered_counts() -> None:
    bind = Bind()
    bind.go(1, ok=1, unanswered=200)
    bind.go(14, unanswered=200)
    assert not bind.trouble()
    bind.go(1, unanswered=200)
    assert bind.trouble() == "200 submits are unanswered, and nothing was answered for 15 s"
    few = Bind()
    few.go(100, unanswered=9)
    assert not few.trouble()


def test_after_probation_begins_the_first_bad_span_is_enough_and_the_past_is_forgotten() -> None:
    bind = Bind()
    bind.go(11, failed=20)
    assert bind.trouble()
    bind.verdict.begin_anew(bind.now, on_probation=True)
    bind.go(1, unanswered=200)
    assert not bind.trouble()
    bind.go(5, failed=2)
    assert bind.trouble()
    bind.verdict.begin_anew(bind.now, on_probation=False)
    bind.go(6, failed=2)
    assert not bind.trouble()
