"""Files of recipients as spreadsheets and people write them."""

from typing import Any

import pytest

from clarion.core.sheet import INVALID_UTF8, TOO_MANY_CELLS, UNREADABLE, NoHeader, Row, Sheet


def read(text: str, *wanted: str) -> list[Row]:
    return list(Sheet(text.splitlines(keepends=True)).rows(wanted))


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("phone", "phone"),
        ("name,Mobile", "Mobile"),
        ("number;name", "number"),
        ("phone,recipient", "recipient"),
        ("\ufeffPhone Number\tname", "Phone Number"),
        ('"name, first";" recipient "', "recipient"),
    ],
)
def test_the_column_of_recipients(header: str, column: str) -> None:
    assert Sheet([header + "\n"]).recipient_column == column


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing in it"),
        ("\n \n", "nothing in it"),
        ("name,city\n", "it has 'name', 'city'"),
        ("0712345678\n", "it has '0712345678'"),
        ("\udcff\n", "it has '?'"),
    ],
)
def test_without_one_it_is_refused(text: str, words: str) -> None:
    with pytest.raises(NoHeader, match=words.replace("?", r"\?")):
        Sheet(text.splitlines(keepends=True))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_that_were_asked_for_and_are_not_empty(delimiter: str) -> None:
    lines = ["name,phone,city", 'Ann,0712000001,"Kisumu"', ",0712000002,Nairobi", "Bob,0712000003"]
    rows = read("\r\n".join(line.replace(",", delimiter) for line in lines), "name", "city")
    assert rows == [
        Row(2, "0712000001", {"name": "Ann", "city": "Kisumu"}),
        Row(3, "0712000002", {"city": "Nairobi"}),
        Row(4, "0712000003", {"name": "Bob"}),
    ]


def test_a_row_is_where_it_begins() -> None:
    rows = read('\nphone,note\n\n1,"two\nlines"\n,,\n2,x\n', "note")
    assert [(row.line, row.recipient, row.values) for row in rows] == [(4, "1", {"note": "two\nlines"}), (7, "2", {"note": "x"})]


CASES: list[tuple[str, Any]] = [
    ("1,a,b\n", TOO_MANY_CELLS),
    ("1,a,,\n", None),
    ("1,caf\udce9\n", INVALID_UTF8),
    ("\udce9,x\n", INVALID_UTF8),
    ('1,"' + "x" * 200_000 + '"\n', UNREADABLE),
    ('1,"' + "7\n" * 50 + '"\n', UNREADABLE),
]


@pytest.mark.parametrize(
    ("line", "fault"), CASES, ids=["many", "empty cells", "latin-1", "latin-1 recipient", "endless cell", "quote without an end"]
)
def test_a_row_that_cannot_be_used_fails_alone(line: str, fault: str | None) -> None:
    first, bad, last = read(f"phone,name\n0,z\n{line}2,y\n")
    assert (first.fault, bad.fault, bad.line) == (None, fault, 3)
    assert (last.recipient, last.fault) == ("2", None)
    assert bad.recipient.encode() is not None, "nothing that cannot be written to a report"
