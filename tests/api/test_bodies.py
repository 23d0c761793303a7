"""What is said of a body that does not fit: the code, and the field."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from clarion.api.bodies import decode
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
    (b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Code.BODY_MALFORMED, None),
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


def test_limits_are_told() -> None:
    refusal = decode(msgspec.json.Decoder(Body), b'{"names": ["a","b","c","d"], "text": "x"}')
    assert isinstance(refusal, Refusal)
    assert refusal.sentence() == "This field may have at most 3 items."
