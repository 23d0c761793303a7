"""The style of the house, where no linter knows it: sizes, names of rooms, law 6 in SQL, nothing of anybody's machine."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted((ROOT / "src").rglob("*.py"))
FOLDERS = ("src", "tests", "bench", "tools")
PYTHON = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")) if "node_modules" not in path.parts]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
ROOMS_WITHOUT_A_SUBJECT = re.compile(r"^(utils?|helpers?|commons?|managers?|misc)$")

SQL_TIME = re.compile(
    r"\b(now|clock_timestamp|transaction_timestamp|statement_timestamp|unixepoch|julianday)\s*\(|\bcurrent_(time|date|timestamp)\b",
    re.IGNORECASE,
)
LEASES = ROOT / "src/clarion/store/owners.py"
"""Leases are compared with the one clock that all processes share, the database's: its home in SQL."""

MIGRATIONS = ROOT / "src/clarion/store/migrations/versions"
"""A migration is a list of what is made, read once and never changed: its functions are as long as the list."""

MACHINE = re.compile(
    r"(?<![\w.])/(?:home|root|Users|work|opt)/\w"  # folders of one machine
    r"|files\.pythonhosted\.org|pypi\.org/simple|registry\.npmjs\.org"  # registries: a lock names hashes, not hosts
    r"|file:///"
)


def name_of(path: Path) -> str:
    """The path as a test id."""
    return str(path.relative_to(ROOT))


def tracked_texts() -> list[Path]:
    """What git keeps, or would keep, and is text; this file holds the patterns themselves."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file() and path != Path(__file__) and b"\0" not in path.read_bytes()[:8000]]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, inner ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string constant with its line, docstrings aside."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_sizes(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    lines = source.count("\n")
    assert lines <= FILE_LINES_MAX, f"{lines} lines: a file this long has two subjects"
    if path.parent == MIGRATIONS:
        return
    too_long = [
        f"{function.name} ({function.end_lineno - function.lineno + 1} lines)"
        for function in functions(ast.parse(source))
        if function.end_lineno is not None and function.end_lineno - function.lineno >= FUNCTION_LINES_MAX
    ]
    assert not too_long


def test_rooms_have_a_subject() -> None:
    parts = {part for path in PYTHON for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not {part for part in parts if ROOMS_WITHOUT_A_SUBJECT.match(part)}


@pytest.mark.parametrize("path", sorted((ROOT / "src/clarion/store").rglob("*.py")), ids=name_of)
def test_sql_is_given_the_time(path: Path) -> None:
    found = [
        f"line {line}: {match[0]}" for line, text in texts(ast.parse(path.read_text(encoding="utf-8"))) if (match := SQL_TIME.search(text))
    ]
    assert not found or path == LEASES, "law 6: the caller passes the time in"


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_randomness_has_a_seed(path: Path) -> None:
    """`random.Random()` without a seed asks the machine; the linter cannot tell it from one with a seed."""
    unseeded = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and not node.args and ast.unparse(node.func) in {"Random", "random.Random"}
    ]
    assert not unseeded or path.name == "machine.py"


def test_nothing_of_anybodys_machine() -> None:
    found = [
        f"{name_of(path)}:{number}: {match[0]}"
        for path in tracked_texts()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if (match := MACHINE.search(line))
    ]
    assert not found


@pytest.mark.parametrize(
    ("text", "caught"),
    [("SELECT now()", True), ("DEFAULT CURRENT_TIMESTAMP", True), ("WHERE due_at <= :now", False), ("known()", False)],
)
def test_the_pattern_for_sql_time(text: str, *, caught: bool) -> None:
    assert bool(SQL_TIME.search(text)) is caught
