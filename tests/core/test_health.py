"""Out, probed and well again: one process's view of a carrier, second by second."""

from typing import Any

from clarion.core.health import Change, Course, Patience, Seen
from clarion.core.routes import Health

PATIENCE = Patience(unbound_s=10, rest_s=(10, 35), probing_s=300, steady_s=600)
UP: dict[str, Any] = {"held": True, "bound": True, "working": True}
DOWN: dict[str, Any] = {"held": True, "reason": "connection refused"}
ILL: dict[str, Any] = {"held": True, "bound": True, "trouble": "50 of 50 submits failed"}


class Carrier:
    """A carrier whose rows change as its course says."""

    def __init__(self) -> None:
        self.course = Course(PATIENCE)
        self.seen = Seen(1, "north", Health.WELL, 0)
        self.now = 1_000.0
        self.told: list[tuple[float, str]] = []

    def go(self, seconds: int, *, proven: bool = False, **seen: Any) -> None:
        for _ in range(seconds):
            self.now += 1
            now = Seen(1, "north", self.seen.health, self.seen.outages, **seen)
            due = self.course.look(now, self.now, proven=proven)
            if due is not None:
                assert due == Change(now, due.health, due.reason, due.outages)
                self.seen = now._replace(health=due.health, outages=due.outages)
                self.told.append((self.now - 1_000, str(due.health)))
                self.reason = due.reason


def test_it_is_out_after_ten_seconds_without_a_bind_and_well_after_ten_with_one() -> None:
    carrier = Carrier()
    carrier.go(5, **UP)
    carrier.go(9, **DOWN)
    carrier.go(1, **UP)
    assert carrier.told == []
    carrier.go(20, **DOWN)
    assert (carrier.told, carrier.reason) == ([(26, "out")], "not bound: connection refused")
    carrier.go(9, **UP)
    carrier.go(1, **DOWN)
    carrier.go(11, **UP)
    assert carrier.told == [(26, "out"), (56, "well")]


def test_a_carrier_that_nobody_tries_is_not_out() -> None:
    carrier = Carrier()
    carrier.go(100)
    assert carrier.told == []
    # A server starts: its first ten seconds are for trying.
    carrier.go(10, **DOWN)
    assert carrier.told == []
    carrier.go(1, **DOWN)
    assert carrier.told == [(111, "out")]


def test_answers_that_speak_against_it_count_at_once_and_are_tried_after_a_rest() -> None:
    carrier = Carrier()
    carrier.go(5, **UP)
    carrier.go(1, **ILL)
    assert (carrier.told, carrier.reason) == ([(6, "out")], "50 of 50 submits failed")
    carrier.go(11, **ILL)
    assert carrier.told == [(6, "out"), (17, "probing")]
    carrier.go(50, **UP)
    assert len(carrier.told) == 2
    carrier.go(1, **UP, proven=True)
    assert carrier.told[2:] == [(68, "well")]


def test_probing_ends_with_the_first_bad_answers_and_the_rest_doubles_up_to_its_most() -> None:
    carrier = Carrier()
    for _ in range(4):
        carrier.go(1, **ILL)
        while carrier.seen.health is Health.OUT:
            carrier.go(1, **ILL)
    times = [at for at, _ in carrier.told]
    assert [state for _, state in carrier.told] == ["out", "probing"] * 4
    assert [after - before for before, after in zip(times[::2], times[1::2], strict=True)] == [11, 21, 36, 36]


def test_probing_that_nobody_answers_ends_by_itself() -> None:
    carrier = Carrier()
    carrier.go(12, **ILL)
    carrier.go(310, **UP)
    assert [state for _, state in carrier.told] == ["out", "probing", "well"]


def test_outages_are_counted_until_it_was_well_for_long() -> None:
    carrier = Carrier()
    for well_s, outages in ((5, 1), (100, 2), (500, 3), (700, 1)):
        carrier.go(well_s, **UP)
        carrier.go(11, **DOWN)
        assert (carrier.seen.health, carrier.seen.outages) == (Health.OUT, outages)
        carrier.go(36, **UP)
        assert carrier.seen.health is Health.WELL
