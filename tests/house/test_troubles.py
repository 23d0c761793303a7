"""docs/troubles.md promises nothing that no test proves: every row names tests, and they are there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubles.md"
PROOFS = re.compile(r"<!--(.*?)-->")
PROOF = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")


def rows() -> list[str]:
    """All tables' rows: what follows the line under a heading."""
    found, inside = [], False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if inside and line.startswith("|"):
            found.append(line)
        inside = line.startswith("|---") or (inside and line.startswith("|"))
    return found


def name_of(row: str) -> str:
    """Its first cell as a test id."""
    return row.split("|")[1].strip()


def proofs(row: str) -> Iterator[str]:
    """Everything that its comments name."""
    for comment in PROOFS.findall(row):
        yield from comment.split()


@cache
def functions(path: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", rows(), ids=name_of)
def test_every_row_is_proved_by_tests_that_are_there(row: str) -> None:
    named = list(proofs(row))
    assert named, "a row without a test"
    for each in named:
        proof = PROOF.fullmatch(each)
        assert proof, f"{each} is no tests/….py::test_…"
        path = ROOT / proof[1]
        assert path.exists(), f"{path} is not there"
        assert proof[2] in functions(path), f"{path} has no {proof[2]}"


def test_a_row_has_as_many_cells_as_its_heading() -> None:
    assert {row.count("|") for row in rows()} == {5}
    assert len(rows()) > 30
