"""The longest prefix that fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.core import routing
from clarion.core.routing import LongestPrefix


def test_the_longest_prefix_wins_and_the_shorter_ones_follow() -> None:
    routes = LongestPrefix([("", "anywhere"), ("254", "kenya"), ("2547", "mobile"), ("254", "kenya too"), ("1", "america")])
    assert routes.find(254712345678) == ["mobile"]
    assert routes.candidates(254712345678) == ["mobile", "kenya", "kenya too", "anywhere"]
    assert routes.find(254202012345) == ["kenya", "kenya too"]
    assert routes.find(14155552671) == ["america"]
    assert routes.find(447911123456) == ["anywhere"]
    assert routes.candidates(447911123456) == ["anywhere"]


def test_without_a_prefix_that_fits_there_is_none() -> None:
    routes = LongestPrefix([("254", 1)])
    assert routes.find(447911123456) == []
    assert routes.candidates(447911123456) == []
    assert LongestPrefix[int]([]).find(1) == []


def test_a_number_shorter_than_a_prefix() -> None:
    routes = LongestPrefix([("25471234", "long"), ("25", "short")])
    assert routes.find(254) == ["short"]
    assert routes.find(2) == []


@pytest.mark.parametrize("prefix", ["+254", "25a", " 1", "٢"])
def test_a_prefix_is_digits(prefix: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        LongestPrefix([(prefix, 1)])


prefixes = st.text("123", max_size=5)


@given(st.lists(st.tuples(prefixes, st.integers())), st.lists(st.integers(1, 4_000_000), max_size=30))
def test_against_the_definition(pairs: list[tuple[str, int]], numbers: list[int]) -> None:
    found = LongestPrefix(pairs)
    for number in numbers + numbers:  # the second time from memory
        fitting = sorted((pair for pair in pairs if str(number).startswith(pair[0])), key=lambda pair: -len(pair[0]))
        assert found.candidates(number) == [value for _, value in fitting]
        assert found.find(number) == [value for prefix, value in fitting if len(prefix) == len(fitting[0][0])]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "_REMEMBERED_MAX", 10)
    routes = LongestPrefix([("123456", "long"), ("1", "short")])
    for number in range(100_000, 200_000, 97):
        assert routes.find(number) == (["long"] if number == 123456 else ["short"])
        assert len(routes._remembered) <= 10
