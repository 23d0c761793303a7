"""What a run comes to, for people."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from tests.soak.fire import Outcome

WRONG_SHOWN = 20

MEANING = {
    "delivered": "a receipt says so",
    "undelivered": "a receipt says so",
    "sent": "taken, and no receipt: some carriers lose them",
    "refused": "a carrier said no for good",
    "unknown": "given, and no answer nor receipt that fits: never sent again by itself",
    "suppressed": "opted out before the mark",
    "cancelled": "by command before the mark",
}


def show(console: Console, outcome: Outcome) -> None:
    """The figures, then what is wrong."""
    table = Table(title=f"soak: {outcome.kills} kills, {outcome.engine}, seed {outcome.seed}", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for row in _rows(outcome):
        table.add_row(*row)
    console.print(table)
    for sentence in outcome.wrong[:WRONG_SHOWN]:
        console.print(f"WRONG: {sentence}", style="red", markup=False, highlight=False)
    if len(outcome.wrong) > WRONG_SHOWN:
        console.print(f"… and {len(outcome.wrong) - WRONG_SHOWN:,} more")


def _rows(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    bound = sorted(outcome.bound_s)
    middle = f"{bound[len(bound) // 2]:.1f} s in the median, {bound[-1]:.1f} s at most" if bound else ""
    yield "kills", f"{outcome.kills:,}", f"{outcome.in_start} of them in a start; bound again after {middle}"
    picture, kept = outcome.picture, outcome.kept
    if picture is None or kept is None:
        return
    yield from _messages(outcome)
    for name, carrier in picture.carriers.items():
        found = outcome.doubt.get(name, [])
        yield (
            f"in doubt: {name}",
            f"{max(found, default=0):,}",
            f"at most, of {carrier.doubt_max} allowed; {sum(found):,} over all kills",
        )
    for name, carrier in picture.carriers.items():
        faults = sum(carrier.total("faults", fault) for fault in carrier.counted.get(str(carrier.deaths), {}).get("faults", {}))
        deaths = f", died {carrier.deaths} times" if carrier.deaths else ""
        told = f"{carrier.total('receipts_acknowledged'):,} receipts acknowledged, {faults:,} faults{deaths}"
        yield f"submits: {name}", f"{carrier.total('submits'):,}", told
    states = picture.states()
    receipts = states["delivered"] + states["undelivered"]
    yield "receipts matched", f"{receipts:,}", f"messages that a receipt ended; {sum(kept.orphans.values()):,} receipts fit no message"
    yield "inbound texts", f"{kept.inbound:,}", f"{kept.opted_out:,} opted out, by text or by command"
    yield "ledger lines", f"{kept.ledger_lines:,}", f"{picture.charged():,} messages charged, {picture.taken():,} taken whole"
    findings = ", ".join(f"{finding['code']} ({finding['count']})" for finding in outcome.doctor.get("findings", ()))
    yield "doctor", "healthy" if outcome.doctor.get("healthy") else "WRONG", findings
    yield "duration", f"{outcome.seconds / 60:.1f} min", f"{outcome.seconds / max(1, outcome.kills):.1f} s a kill"
    yield "verdict", "WRONG" if outcome.wrong else "nothing is wrong", f"{len(outcome.wrong):,} findings" if outcome.wrong else ""


def _messages(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    picture, kept = outcome.picture, outcome.kept
    assert picture is not None
    assert kept is not None
    orders = picture.orders
    kinds = ", ".join(f"{sum(order.kind == kind for order in orders)} {kind}" for kind in dict.fromkeys(order.kind for order in orders))
    unanswered = sum(not order.answered for order in orders)
    yield "orders", f"{len(orders):,}", f"{kinds}; {unanswered} cut off unanswered; {outcome.commands} commands"
    yield "messages accepted", f"{len(picture.rows):,}", f"in {len(picture.broadcasts):,} broadcasts"
    submits = sum(map(len, picture.wire.values()))
    yield "on the wire", f"{len(picture.wire):,}", f"{submits:,} submits with parts, and what was turned away and given again"
    yield "earlier attempts", f"{kept.earlier_attempts:,}", "of messages that were given or due more than once, each with its row"
    for state, count in sorted(picture.states().items()):
        more = f"; {picture.unknown_by_kills():,} by kills" if state == "unknown" else ""
        yield f"  {state}", f"{count:,}", MEANING.get(state, "") + more
    yield "doubled", f"{picture.doubled():,}", "taken twice, or given more often than attempts have rows"
    yield "lost", f"{_lost(outcome):,}", "accepted, and no message"


def _lost(outcome: Outcome) -> int:
    assert outcome.picture is not None
    found = {broadcast.token for broadcast in outcome.picture.broadcasts if broadcast.size + broadcast.rejected}
    return sum(len(order.recipients) for order in outcome.picture.orders if order.answered and order.token not in found)
