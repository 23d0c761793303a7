"""What a bind counts: whole batches, statuses by name and no more of them than are worth a series, the time of one submit at a time."""

import pytest
from msgspec.structs import replace

from clarion.carriers.interface import Answer, InboundText, Receipt, Submission
from clarion.carriers.meter import BUCKETS_S, NEVER_SENT, NO_ANSWER, OTHER, STATUSES_MAX, Meter, status_of
from clarion.carriers.smpp.status import NAMES, describe, outcome_of
from clarion.core.states import Outcome


def submissions(count: int) -> list[Submission]:
    return [Submission(number, 1, "ACME", 254_700_000_000, "Hi", "gsm7", 1, 1, 0, None) for number in range(1, count + 1)]


def answers(given: list[Submission], outcome: Outcome = Outcome.SENT, reason: str = "") -> list[Answer]:
    return [Answer(submission, outcome, "", reason) for submission in given]


@pytest.mark.parametrize("code", [*NAMES, 0x00000401, 0x12345678])
def test_every_status_has_a_name_or_its_number(code: int) -> None:
    reason = "" if code == 0 else describe(code)
    assert status_of(outcome_of(code), reason) == NAMES.get(code, f"0x{code:08x}")


def test_what_has_no_status_is_told_apart() -> None:
    assert status_of(Outcome.UNKNOWN, "no answer in 60 s") == NO_ANSWER
    assert status_of(Outcome.REFUSED, "the text takes 300 octets; a submit_sm carries 254") == NEVER_SENT


def test_answers_are_counted_by_status() -> None:
    meter, given = Meter(), submissions(10)
    meter.submitted(given, 10, 1.0)
    throttled = describe(0x58)
    meter.answered([*answers(given[:6]), *answers(given[6:8], Outcome.THROTTLED, throttled)], 1.5)
    meter.answered(answers(given[8:], Outcome.UNKNOWN, "connection lost"), 1.6)
    assert meter.submits == 10
    assert meter.answers == {"ESME_ROK": 6, "ESME_RTHROTTLED": 2, NO_ANSWER: 2}


def test_a_carrier_that_makes_statuses_up_fills_no_memory() -> None:
    meter, given = Meter(), submissions(1)
    for code in range(0x1000, 0x3000):
        meter.answered(answers(given, Outcome.REFUSED, describe(code)), 1.0)
        meter.answered(answers(given, Outcome.UNKNOWN, f"connection lost: {code}"), 1.0)
    meter.answered(answers(given), 1.0)
    assert len(meter.answers) <= STATUSES_MAX + 1
    assert meter.answers.total() == 2 * 0x2000 + 1
    assert meter.answers[OTHER] > 0x1F00
    assert len(meter._statuses) <= STATUSES_MAX


def test_one_round_trip_is_measured_at_a_time() -> None:
    meter, first, second = Meter(), submissions(5), submissions(5)
    meter.submitted(first, 3, 10.0)
    meter.submitted(second, 5, 10.1)
    meter.answered(answers(first[:2]), 10.2)
    assert sum(meter.round_trips) == 0, "the third one's answer is waited for"
    meter.answered(answers([*second, first[2]]), 10.25)
    assert meter.round_trips_s == pytest.approx(0.25)
    assert meter.round_trips[BUCKETS_S.index(0.25)] + meter.round_trips[BUCKETS_S.index(0.5)] == 1
    meter.submitted(second, 1, 20.0)
    meter.answered(answers(second[:1], Outcome.UNKNOWN, "no answer in 60 s"), 80.0)
    assert sum(meter.round_trips) == 1, "what was not answered has no round trip"
    meter.submitted(second, 1, 90.0)
    meter.answered(answers(second[:1]), 130.0)
    assert meter.round_trips[-1] == 1


def test_receipts_and_texts() -> None:
    receipt = Receipt("7", "254700000000", "ACME", "delivered", "", -1, b"", 1)
    text = InboundText(2, "254700000000", "ACME", "Hi", 0, b"")
    meter = Meter()
    meter.delivered([receipt, replace(receipt, state="undelivered", reason="UNDELIV err:1"), receipt, text])
    meter.delivered([replace(receipt, state="", reason=f"{word} err:0") for word in ("ENROUTE", "ACCEPTD", "UNKNOWN", "ODD")])
    assert meter.receipts == {"delivered": 2, "undelivered": 1, "intermediate": 2, "unknown": 2}
    assert meter.texts == 1


def test_connections() -> None:
    meter = Meter()
    states = ["connecting", "refused", "connecting", "bound", "connecting", "bound", "closed"]
    for before, state in zip(["closed", *states], states, strict=False):
        meter.changed(before, state)
    assert (meter.connects, meter.losses, meter.refusals) == (2, 1, 1)
