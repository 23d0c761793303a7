"""The soak in small: everything that `make soak` does, in a minute, so that it is there when it is needed."""

import os
import tomllib
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.soak import carriers
from tests.soak.carriers import Submit
from tests.soak.checks import Broadcast, Picture, Row
from tests.soak.fire import soak
from tests.soak.orders import Order
from tests.soak.table import show

KILLS = int(os.environ.get("CLARION_TEST_SOAK_KILLS", "3"))
SEED = 201_578
EXAMPLE = Path(__file__).parents[2] / "docs/faults.toml"


async def test_nothing_is_lost_or_doubled_in_a_short_soak(tmp_path: Path, note: Callable[[str], None]) -> None:
    outcome = await soak(tmp_path, "sqlite", None, SEED, KILLS)
    told = Console(file=StringIO(), width=160)
    show(told, outcome)
    note(told.file.getvalue())  # type: ignore[attr-defined]
    assert outcome.wrong == []
    assert outcome.doctor["healthy"]
    assert outcome.picture is not None
    assert {order.kind for order in outcome.picture.orders} == {"bulk", "single", "teli", "teekrr", "scheduled", "file"}
    assert sum(row.state == "delivered" for row in outcome.picture.rows) > 0


def test_the_plan_has_every_fault_that_the_example_has() -> None:
    """The example's are all that there are: another test holds it against what a plan may say."""
    example, plan = (tomllib.loads(path.read_text()) for path in (EXAMPLE, carriers.PLAN))
    assert {name: set(table) for name, table in example.items() if isinstance(table, dict)} == {
        name: set(table) for name, table in plan.items()
    }


def picture(row: Row, *submits: Submit, orders: tuple[Order, ...] = ()) -> Picture:
    """Of one message."""
    wire = {(row.recipient, row.token): [*submits]} if submits else {}
    found = [Broadcast(row.token, "an id", "completed", 1, 0, None)]
    return Picture([row], found, wire, orders or [Order("bulk", row.token, frozenset({row.recipient}), answered=True)], {}, {})


def row(state: str | None, *, recipient: str = "254711230001000", attempt: int = 1, carrier: str = "faulty") -> Row:
    return Row(recipient, "#00000000#", state, attempt, None, carrier)


def submit(status: int = 0, part: int = 1, parts: int = 1) -> Submit:
    return Submit("faulty", "254711230001000", "#00000000#", part, parts, status)


@pytest.mark.parametrize(
    ("found", "submits", "said"),
    [
        (row("delivered"), [submit()], ""),
        (row("delivered"), [submit(0x58), submit()], ""),
        (row("delivered", attempt=2), [submit(0x0B), submit()], ""),
        (row("unknown"), [], ""),
        (row("unknown"), [submit()], ""),
        (row("cancelled"), [submit(0x58)], ""),
        (row("delivered"), [submit(), submit()], "twice"),
        (row("delivered", attempt=2), [submit(), submit()], "twice"),
        (row("delivered"), [submit(0x0B), submit()], "2 times in 1 attempts"),
        (row("sent"), [], "0 of 1 parts"),
        (row("sent"), [submit(part=1, parts=2)], "1 of 2 parts"),
        (row("refused"), [submit()], "a carrier has it"),
        (row("cancelled"), [submit()], "a carrier has it"),
        (row(None), [], "not ended"),
        (row("retry"), [submit(0x58)], "not ended"),
        (row("unknown", carrier="steady"), [submit()], "not delivered"),
        (row("sent", carrier="steady"), [submit()], "not delivered"),
        (row("delivered", carrier="steady", recipient="254710000002"), [submit()], "not undelivered"),
    ],
)
def test_what_is_wrong_with_a_message_is_found(found: Row, submits: list[Submit], said: str) -> None:
    wrong = picture(found, *submits).wrong()
    assert [said in sentence for sentence in wrong] == ([True] if said else [])


def test_what_is_lost_is_found() -> None:
    """An order that was answered and is not there, one that is there in part, and something on the wire that nobody accepted."""
    gone = Order("bulk", "#11111111#", frozenset({"1"}), answered=True)
    cut = Order("bulk", "#00000000#", frozenset({"1", "2"}), answered=False)
    wrong = picture(row("delivered"), submit(), orders=(gone, cut)).wrong()
    assert ["is lost" in wrong[0], "1 + 0 of 2" in wrong[1], len(wrong)] == [True, True, 2]
    strange = picture(row("unknown"))
    strange.wire["2", "#00000000#"] = [submit()]
    assert len(strange.wrong()) == 1
    kept = Order("bulk", "#00000000#", frozenset({row(None).recipient}), frozenset({row(None).recipient}), answered=True)
    assert ["had opted out" in sentence for sentence in picture(row("delivered"), submit(), orders=(kept,)).wrong()] == [True]
