"""The tables of the report: what is in them, and what has to be known to read them."""

from collections.abc import Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """A figure: its key, heading and digits, and the name of its plot, if it has one."""

    key: str
    heading: str
    digits: int = 0
    plot: str = ""
    title: str = ""
    unit: str = ""
    logarithmic: bool = False


class Group(NamedTuple):
    """A table, with what has to be known to read it."""

    title: str
    text: str
    columns: Sequence[Column]


GROUPS = (
    Group(
        "End to end, a carrier that answers at once",
        "From the first request to the last callback (Clarion: the last final state): accepted, submitted, answered, receipt, "
        "told. Two binds with a window of 200 each. CPU and memory are of all processes of a gateway, its database and brokers "
        "included, not those of the simulated SMSC, the client and the receiver of callbacks. Memory is the peak of the sum, "
        "shared pages counted once. *Untold* are receipts of which nobody was told within 15 s of the last one.",
        (
            Column("rate", "messages/s", 0, "rate", "End to end, receipts and callbacks included", "messages/s, more is better"),
            Column("accepted", "accepted/s"),
            Column("cpu", "CPU s per 1,000", 3, "cpu", "CPU for 1,000 messages", "seconds, less is better"),
            Column("memory", "peak MB", 0, "memory", "Peak memory", "MB, less is better"),
            Column("missing", "untold"),
        ),
    ),
    Group(
        "End to end, a carrier that answers in 50 ms",
        "One bind with a window of 200: 4,000 messages/s is all that such a carrier can take. Between the first and the last "
        "tenth. A window goes round from a submit to the one that takes its place, in the SMSC's log: what is above 50 ms is not "
        "the carrier's. Jasmin has no window, but one message in flight for each connector.",
        (
            Column("delayed_rate", "messages/s", 0, "delayed", "A carrier that answers in 50 ms, one bind", "messages/s, more is better"),
            Column("delayed_share", "% of window ÷ round trip", 1),
            Column("delayed_round", "a window goes round in ms", 1),
        ),
    ),
    Group(
        "A single send while a blast runs",
        "20 a second, while others are accepted without end as fast as the gateway takes them (at most 50,000 ahead of the last "
        "finished one). *Answered* is the HTTP answer, *on the wire* the SMSC's log. Which was not on the wire 20 s after the "
        "last one counts as 20 s.",
        (
            Column("answered_p50", "answered p50, ms", 1),
            Column("answered_p99", "answered p99, ms", 1),
            Column("wire_p50", "on the wire p50, ms", 1),
            Column(
                "wire_p99", "on the wire p99, ms", 1, "single", "A single send behind a blast, on the wire, p99", "ms, less is better", True
            ),
            Column("meanwhile", "blast meanwhile, messages/s"),
        ),
    ),
    Group(
        "kill -9",
        "So many messages are accepted, two seconds later every process of the gateway itself is killed, and started again; "
        "then what the SMSC's log has is counted by recipient. One bind, window 100; the carrier answers in 200 ms (Jasmin: 50 "
        "ms). *Lost* never came to the SMSC, *doubled* came more than once. Clarion sends nothing twice that it may have sent: "
        "what it had marked and not heard of is *named* as `unknown`, by number, and is for its owner to decide; lost and not "
        "named is silent.",
        (
            Column("own_queued", "waiting at the kill"),
            Column("own_lost", "lost", 0, "lost", "Lost by kill -9 of the gateway's own processes", "messages, less is better"),
            Column("own_unknown", "named unknown"),
            Column("own_doubled", "doubled"),
        ),
    ),
    Group(
        "kill -9 with databases and brokers",
        "The same with PostgreSQL, RabbitMQ and Redis killed at the same instant. Of the others the test above has said everything.",
        (
            Column("all_queued", "waiting at the kill"),
            Column("all_lost", "lost"),
            Column("all_unknown", "named unknown"),
            Column("all_doubled", "doubled"),
        ),
    ),
    Group(
        "Accepting 10,000 recipients",
        "One bulk request over HTTP on a quiet server, answered when all of it is committed. What the last one has left is sent before the "
        "next one; the first one, with everything cold, is by itself.",
        (
            Column("accept_p50", "p50, ms", 1),
            Column("accept_p99", "p99, ms", 1),
            Column("accept_cold", "the first, ms", 1),
        ),
    ),
    Group(
        "A file of recipients, by `clarion broadcasts import`",
        "Beside a running server, numbers in no order, a value in each text. Time and peak memory (RSS) are those of the command, from the "
        "start of its process to its end; on SQLite it rests half the time, so that the server gets in.",
        (
            Column("import_few_rows", "rows of a small file"),
            Column("import_few_s", "s", 2),
            Column("import_few_mb", "peak MB", 1),
            Column("import_many_rows", "rows of a large file"),
            Column("import_many_s", "s", 1),
            Column("import_many_mb", "peak MB", 1),
            Column("import_times", "times as long", 1),
            Column("import_memory", "times the memory", 2),
        ),
    ),
)
