"""Texts with places: a missing value is an error, never a gap."""

import pytest

from clarion.core.template import VALUE_CHARACTERS_MAX, MissingVariable, Template, unmatched_brace

RENDERED: list[tuple[str, dict[str, object], str]] = [
    ("Hello", {}, "Hello"),
    ("", {}, ""),
    ("Hi {name}", {"name": "Asha"}, "Hi Asha"),
    ("{a}{b}{a}", {"a": "x", "b": "y"}, "xyx"),
    ("{ name }!", {"name": "Asha"}, "Asha!"),
    ("{first name}", {"first name": "Asha"}, "Asha"),
    ("{a}", {"a": ""}, ""),  # the caller's own choice
    ("{a} {b} {c} {d}", {"a": 7, "b": 2.5, "c": True, "d": False}, "7 2.5 true false"),
    ("{a}", {"a": "{b} %s {a}", "b": "no"}, "{b} %s {a}"),
    ("100 % of {a}, %s, %(x)s", {"a": "x"}, "100 % of x, %s, %(x)s"),
    ("{} {1} { {a} } {", {"a": "x"}, "{} {1} { x } {"),
    ("{{a}}", {"a": "x"}, "{x}"),
    ("{naïve}", {}, "{naïve}"),  # no name: words of other alphabets stay
    ("Привет, {name} 👋", {"name": "Ася"}, "Привет, Ася 👋"),
    ("{a}\n{b}", {"a": "1", "b": "2", "c": "unused"}, "1\n2"),
]


@pytest.mark.parametrize(
    ("text", "brace"),
    [("Hi", None), ("{a} {{b}} {}", None), ("Hi {a", "{"), ("Hi {a} {", "{"), ("Hi a}", "}"), ("}{", "}"), ("{a}}", "}")],
)
def test_a_brace_without_its_partner(text: str, brace: str | None) -> None:
    assert unmatched_brace(text) == brace


@pytest.mark.parametrize(("text", "values", "expected"), RENDERED)
def test_values_take_their_places(text: str, values: dict[str, object], expected: str) -> None:
    assert Template(text).render(values) == expected


MISSING: list[tuple[dict[str, object], str]] = [
    ({}, "a"),
    ({"a": "x"}, "b"),
    ({"a": None, "b": "y"}, "a"),
    ({"a": "x", "b": {"deep": 1}}, "b"),
    ({"a": [], "b": "y"}, "a"),
    ({"A": "x", "b": "y"}, "a"),
]


@pytest.mark.parametrize(("values", "name"), MISSING)
def test_a_missing_value_is_an_error_that_names_it(values: dict[str, object], name: str) -> None:
    with pytest.raises(MissingVariable) as missing:
        Template("{a} {b}").render(values)
    assert missing.value.name == name


def test_the_places_are_known_before() -> None:
    assert Template("{b} {a} {b}").variables == ("b", "a", "b")
    assert Template("nothing").variables == ()


def test_double_braces_are_the_other_vendors() -> None:
    template = Template("Hi {{name}}, {name}", "{{")
    assert template.variables == ("name",)
    assert template.render({"name": "Asha"}) == "Hi Asha, {name}"


def test_a_long_value_in_many_places_does_not_fill_the_memory() -> None:
    assert len(Template("{a}" * 100).render({"a": "x" * 10_000_000})) == 100 * VALUE_CHARACTERS_MAX
