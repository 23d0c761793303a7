"""Files of recipients as spreadsheets and people write them."""

from typing import Any

import pytest

from clarion.core.sheet import INVALID_UTF8, LINE_CHARACTERS_MAX, TOO_MANY_CELLS, UNMATCHED_QUOTE, UNREADABLE, NoHeader, Row, Sheet


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
    assert Sheet([header + "\n"]).recipient_columns[0] == column


@pytest.mark.parametrize(
    ("header", "columns"),
    [("mobile,name,Phone,recipient_name", ("Phone", "mobile")), ("phone,phone", ("phone", "phone")), ("number", ("number",))],
)
def test_several_columns_can_have_the_recipients(header: str, columns: tuple[str, ...]) -> None:
    assert Sheet([header + "\n"]).recipient_columns == columns


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


def test_a_row_has_the_number_of_its_line() -> None:
    rows = read('\nphone,note\n\n1,"a, ""b"""\n,,\n2,x\n', "note")
    assert [(row.line, row.recipient, row.values) for row in rows] == [(4, "1", {"note": 'a, "b"'}), (6, "2", {"note": "x"})]


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        (['1,"Ann', "2,Bob", "3,Cy", '4,"Zed', "5,Dot"], [1, 4]),
        (['1,"Ann', "2,Bob", "3,Cy", '4,Zed"', "5,Dot"], [1, 4]),
        (['"1,Ann', "2,Bob"], [1]),
        (['1,5" pipe "of","Ann', "2,Bob"], [1]),
        (["1,Ann", '2,"Bob'], [2]),
        (['1,""Ann""', '2,"Bob"', '3,"B""o""b"'], []),
    ],
    ids=["two stray ones", "a cell of several lines", "before the number", "one that is matched before", "at the end", "none"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_quote_without_its_partner_spoils_its_line_only(lines: list[str], faults: list[int], end: str) -> None:
    rows = read(end.join(["phone,name", *lines]), "name")
    assert [row.line for row in rows] == list(range(2, len(lines) + 2)), "no line is lost"
    assert {row.line - 1: row.fault for row in rows if row.fault} == dict.fromkeys(faults, UNMATCHED_QUOTE)
    assert all(len(row.values) == (row.fault is None) for row in rows)
    assert not any("\n" in str(row) or "\r" in str(row) for row in rows)


CASES: list[tuple[str, Any]] = [
    ("1,a,b\n", TOO_MANY_CELLS),
    ("1,a,,\n", None),
    ("1,caf\udce9\n", INVALID_UTF8),
    ("\udce9,x\n", INVALID_UTF8),
    ('1,"' + "x" * 200_000 + '"\n', UNREADABLE),
    ("1," * (LINE_CHARACTERS_MAX // 2), UNREADABLE),
]


@pytest.mark.parametrize(
    ("line", "fault"), CASES, ids=["many", "empty cells", "latin-1", "latin-1 recipient", "endless cell", "endless line"]
)
def test_a_row_that_cannot_be_used_fails_alone(line: str, fault: str | None) -> None:
    first, bad, last = list(Sheet(["phone,name\n", "0,z\n", line, "2,y\n"]).rows())
    assert (first.fault, bad.fault, bad.line) == (None, fault, 3)
    assert (last.recipient, last.fault) == ("2", None)
    assert bad.recipient.encode() is not None, "nothing that cannot be written to a report"
