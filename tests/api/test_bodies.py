"""What is said of a body that does not fit: the code, and the field."""

import json
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from clarion.api.bodies import DEPTH_MAX, decode
from clarion.api.refusals import Code, Refusal


class Colour(StrEnum):
    RED = "red"


class Inner(Struct):
    name: str


class Body(Struct):
    names: Annotated[list[str], Meta(min_length=1, max_length=3)]
    text: Annotated[str, Meta(pattern=r"\S", max_length=5)]
    sender: Annotated[str, Meta(pattern="^[a-z]+$")] | None = None
    id: UUID | None = None
    colour: Colour | None = None
    count: int = 1
    inner: list[Inner] = []
    variables: dict[str, str] = {}


GOOD = '"names": ["a"], "text": "x"'

REFUSED = [
    (b"", Code.BODY_MALFORMED, None),
    (b"   ", Code.BODY_MALFORMED, None),
    (b"{", Code.BODY_MALFORMED, None),
    (b'{"names": ["a"], "text": "x"} {}', Code.BODY_MALFORMED, None),
    (b"names=a&text=x", Code.BODY_MALFORMED, None),
    (b'{"names": ["a"], "text": "\xff"}', Code.BODY_MALFORMED, None),
    (b'{"names": ["a"], "text": "a\x00"}', Code.BODY_MALFORMED, None),
    (b'{"names": ["a"], "text": "\\ud800"}', Code.BODY_MALFORMED, None),
    (b'{"names": ["a"], "text": "\\udc00"}', Code.BODY_MALFORMED, None),
    (b'{"names": ["a"], "text": NaN}', Code.BODY_MALFORMED, None),
    (b'\xef\xbb\xbf{"names": ["a"], "text": "x"}', Code.BODY_MALFORMED, None),
    (b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Code.BODY_TOO_DEEP, None),
    (b"[" * 100_000, Code.BODY_NOT_OBJECT, None),
    (b'{"unknown": ' + b"[" * 100_000, Code.BODY_TOO_DEEP, None),
    (f'{{{GOOD}, "unknown": {"[" * DEPTH_MAX}{"]" * DEPTH_MAX}}}'.encode(), Code.BODY_TOO_DEEP, None),
    (f'{{{GOOD}, "unknown": {"[[[]]," * DEPTH_MAX}1{"]" * DEPTH_MAX}}}'.encode(), Code.BODY_TOO_DEEP, None),
    (f'{{{GOOD}, "unknown": {"""{"[": """ * DEPTH_MAX}1{"}" * DEPTH_MAX}}}'.encode(), Code.BODY_TOO_DEEP, None),
    (b"[]", Code.BODY_NOT_OBJECT, None),
    (b"null", Code.BODY_NOT_OBJECT, None),
    (b'"names"', Code.BODY_NOT_OBJECT, None),
    (b"1", Code.BODY_NOT_OBJECT, None),
    (b"{}", Code.FIELD_MISSING, "names"),
    (b'{"names": ["a"]}', Code.FIELD_MISSING, "text"),
    (b'{"names": null, "text": "x"}', Code.FIELD_NULL, "names"),
    (b'{"names": ["a"], "text": null}', Code.FIELD_NULL, "text"),
    (b'{"names": "a", "text": "x"}', Code.FIELD_NOT_LIST, "names"),
    (b'{"names": {"a": 1}, "text": "x"}', Code.FIELD_NOT_LIST, "names"),
    (b'{"names": [1], "text": "x"}', Code.FIELD_NOT_TEXTS, "names"),
    (b'{"names": ["a", null], "text": "x"}', Code.FIELD_NOT_TEXTS, "names"),
    (b'{"names": [["a"]], "text": "x"}', Code.FIELD_NOT_TEXTS, "names"),
    (b'{"names": [], "text": "x"}', Code.FIELD_EMPTY, "names"),
    (b'{"names": ["a","b","c","d"], "text": "x"}', Code.FIELD_TOO_MANY, "names"),
    (b'{"names": ["a"], "text": 5}', Code.FIELD_NOT_TEXT, "text"),
    (b'{"names": ["a"], "text": ["x"]}', Code.FIELD_NOT_TEXT, "text"),
    (b'{"names": ["a"], "text": "abcdef"}', Code.FIELD_TOO_LONG, "text"),
    (b'{"names": ["a"], "text": " \\n"}', Code.FIELD_PATTERN, "text"),
    (b'{"names": ["a"], "text": ""}', Code.FIELD_PATTERN, "text"),
    (f'{{{GOOD}, "sender": "A"}}'.encode(), Code.FIELD_PATTERN, "sender"),
    (f'{{{GOOD}, "sender": 7}}'.encode(), Code.FIELD_NOT_TEXT, "sender"),
    (f'{{{GOOD}, "id": "7"}}'.encode(), Code.FIELD_NOT_ID, "id"),
    (f'{{{GOOD}, "colour": "blue"}}'.encode(), Code.FIELD_NOT_CHOICE, "colour"),
    (f'{{{GOOD}, "count": "1"}}'.encode(), Code.FIELD_INVALID, "count"),
    (f'{{{GOOD}, "inner": [{{}}]}}'.encode(), Code.FIELD_MISSING, "inner"),
    (f'{{{GOOD}, "text": "a\\u0000"}}'.encode(), Code.FIELD_NUL, "text"),
    (b'{"names": ["a", "b\\u0000"], "text": "x"}', Code.FIELD_NUL, "names"),
    (f'{{{GOOD}, "variables": {{"a\\u0000": "b"}}}}'.encode(), Code.FIELD_NUL, "variables"),
]


@pytest.mark.parametrize(("body", "code", "field"), REFUSED, ids=lambda value: repr(value)[:40])
def test_what_does_not_fit_is_refused_by_name(body: bytes, code: str, field: str | None) -> None:
    refusal = decode(msgspec.json.Decoder(Body), body)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.field) == (code, field)
    assert "{" not in refusal.sentence()


def test_unknown_fields_are_ignored_and_escapes_of_nul_that_are_none_pass() -> None:
    body = decode(msgspec.json.Decoder(Body), rb'{"names": ["\\u0000"], "text": "x", "other": {"a": [1]}}')
    assert body == Body(names=["\\u0000"], text="x")


PASSING = [
    f'"unknown": {"[" * (DEPTH_MAX - 1)}{"]" * (DEPTH_MAX - 1)}',
    f'"unknown": {"""{"a": [""" * 15}{"]}" * 15}',
    f'"unknown": "{"[" * 1000}"',
    f'"unknown": "{"{[" * 1000}"',
    f'"unknown": "\\"{"[" * 1000}"',
    f'"unknown": "\\\\", "other": "{"[" * 1000}"',
    f'"unknown": "\\\\\\"{"[" * 1000}"',
    f'"{"[" * 1000}": ["]", "[", {{}}]',
]


@pytest.mark.parametrize("more", PASSING, ids=lambda value: repr(value)[:40])
def test_depth_is_that_of_the_json_and_not_of_its_texts(more: str) -> None:
    assert isinstance(decode(msgspec.json.Decoder(Body), f"{{{GOOD}, {more}}}".encode()), Body)


@example({'"': "][][]]]]", "": ["[[[]"], "[[": ""})
@given(st.recursive(st.text('[]{}\\"a'), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{"\\'), inner, max_size=3)))
def test_depth_is_counted_exactly(value: object) -> None:
    def depth(item: object) -> int:
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        return max(map(depth, children), default=0) + isinstance(item, dict | list)

    for more in (DEPTH_MAX - depth(value) - 1, DEPTH_MAX - depth(value)):
        nested = "[" * more + json.dumps(value, ensure_ascii=False) + "]" * more
        decoded = decode(msgspec.json.Decoder(Body), f'{{{GOOD}, "unknown": {nested}}}'.encode())
        assert isinstance(decoded, Body) is (more + depth(value) + 1 <= DEPTH_MAX)


def test_limits_are_told() -> None:
    refusal = decode(msgspec.json.Decoder(Body), b'{"names": ["a","b","c","d"], "text": "x"}')
    assert isinstance(refusal, Refusal)
    assert refusal.sentence() == "This field may have at most 3 items."
