"""Token buckets and sliding windows."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.core.rates import UNLIMITED, Admission, SlidingWindow, TokenBucket


def test_a_bucket_begins_full_and_fills_at_its_rate() -> None:
    bucket = TokenBucket(10, burst=5)
    assert bucket.available(100.0) == 5
    assert [bucket.take(1, 100.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.wait_s(1, 100.0) == pytest.approx(0.1)
    assert not bucket.take(1, 100.09)
    assert bucket.take(1, 100.1)
    assert bucket.available(100.35) == 2
    assert bucket.available(200.0) == 5


def test_a_message_larger_than_the_burst_passes_and_is_paid_for() -> None:
    bucket = TokenBucket(2, burst=3)
    assert bucket.take(1, 0.0)
    assert not bucket.take(10, 0.0)
    assert bucket.wait_s(10, 0.0) == pytest.approx(0.5)
    assert bucket.take(10, 0.5)
    assert bucket.available(0.5) == 0
    assert bucket.wait_s(1, 0.5) == pytest.approx(4.0)
    assert not bucket.take(1, 4.4)
    assert bucket.take(1, 4.5)


def test_rate_zero_is_no_limit() -> None:
    bucket = TokenBucket(0, burst=1)
    assert all(bucket.take(1000, 0.0) for _ in range(100))
    assert bucket.wait_s(1000, 0.0) == 0
    assert bucket.available(0.0) == UNLIMITED


def test_a_rate_changes_in_flight() -> None:
    bucket = TokenBucket(10, burst=10)
    assert bucket.take(10, 0.0)
    bucket.set_rate(1, 0.5)
    assert bucket.available(0.5) == 5
    assert bucket.available(2.5) == 7
    bucket.set_rate(1, 2.5, burst=2)
    assert bucket.available(2.5) == 2
    bucket.set_rate(0, 3.0)
    assert bucket.available(3.0) == UNLIMITED
    bucket.set_rate(4, 4.0)
    assert bucket.rate_per_second == 4
    assert [bucket.take(1, 4.0) for _ in range(3)] == [True, True, False]


def test_a_debt_outlives_a_change_of_rate() -> None:
    bucket = TokenBucket(1, burst=1)
    assert bucket.take(11, 0.0)
    bucket.set_rate(10, 0.0)
    assert bucket.wait_s(1, 0.0) == pytest.approx(1.1)


def test_time_never_runs_back() -> None:
    bucket = TokenBucket(1, burst=2)
    assert bucket.take(2, 10.0)
    assert not bucket.take(1, 5.0)
    assert bucket.take(1, 11.0)
    assert not bucket.take(1, 11.0)


@pytest.mark.parametrize(("rate", "burst"), [(-1, 1), (1, 0), (1, -1), (float("nan"), 1), (1, float("nan"))])
def test_senseless_buckets_are_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="is"):
        TokenBucket(rate, burst)
    with pytest.raises(ValueError, match="is"):
        TokenBucket(1, 1).set_rate(rate, 0.0, burst)


@given(
    rate=st.floats(0.1, 100_000),
    burst=st.integers(1, 1000),
    start=st.floats(0, 1e6),
    asks=st.lists(st.tuples(st.integers(1, 12), st.floats(0, 5)), max_size=60),
)
def test_a_bucket_keeps_its_rate_and_its_word(rate: float, burst: int, start: float, asks: list[tuple[int, float]]) -> None:
    bucket = TokenBucket(rate, burst)
    now = start
    bucket.available(now)
    taken = 0
    for units, pause in asks:
        now += pause
        if not bucket.take(units, now):
            now += bucket.wait_s(units, now)
            assert bucket.take(units, now), "the wait it named was enough"
        taken += units
        # A message beyond the burst may go early, by no more than itself; the last term is rounding of the clock.
        assert taken <= burst + rate * (now - start) + max(0, units - burst) + 1e-3


def test_a_window_slides() -> None:
    window = SlidingWindow(limit=3, span_s=60)
    assert window.admit(0.0) == Admission(allowed=True, remaining=2, retry_after_s=0)
    assert window.admit(10.0) == Admission(allowed=True, remaining=1, retry_after_s=0)
    assert window.admit(30.0) == Admission(allowed=True, remaining=0, retry_after_s=0)
    assert window.admit(45.0) == Admission(allowed=False, remaining=0, retry_after_s=15)
    assert window.admit(59.0) == Admission(allowed=False, remaining=0, retry_after_s=1)
    assert window.admit(60.0) == Admission(allowed=True, remaining=0, retry_after_s=0)
    assert window.admit(61.0) == Admission(allowed=False, remaining=0, retry_after_s=9)


def test_a_window_forgets_and_is_idle() -> None:
    window = SlidingWindow(limit=2, span_s=10)
    assert window.is_idle(0.0)
    window.admit(0.0)
    assert not window.is_idle(9.0)
    assert window.is_idle(10.0)


@pytest.mark.parametrize(("limit", "span_s"), [(0, 60), (-1, 60), (1, 0), (1, -1), (1, float("nan"))])
def test_senseless_windows_are_refused(limit: int, span_s: float) -> None:
    with pytest.raises(ValueError, match="window"):
        SlidingWindow(limit, span_s)


@given(
    limit=st.integers(1, 8),
    span_s=st.integers(1, 30),
    pauses=st.lists(st.integers(0, 12_000), max_size=80),
)
def test_a_window_is_exact(limit: int, span_s: int, pauses: list[int]) -> None:
    """Against the definition, on times of whole milliseconds."""
    window = SlidingWindow(limit, span_s)
    admitted_ms: list[int] = []
    now_ms = 123_456_789
    for pause_ms in pauses:
        now_ms += pause_ms
        recent = [at for at in admitted_ms if at > now_ms - span_s * 1000]
        answer = window.admit(now_ms / 1000)
        assert answer.allowed == (len(recent) < limit)
        if answer.allowed:
            admitted_ms.append(now_ms)
            assert answer.remaining == limit - len(recent) - 1
            assert answer.retry_after_s == 0
        else:
            assert answer.remaining == 0
            assert answer.retry_after_s * 1000 == pytest.approx(recent[0] + span_s * 1000 - now_ms, abs=1e-3)


@given(st.floats(0, 1e6), st.floats(0.001, 1000), st.floats(0, 1))
def test_retry_after_is_enough(start: float, span_s: float, share: float) -> None:
    window = SlidingWindow(1, span_s)
    window.admit(start)
    now = start + span_s * share * 0.999
    answer = window.admit(now)
    if not answer.allowed:
        assert window.admit(now + answer.retry_after_s).allowed
        assert math.isfinite(answer.retry_after_s)
