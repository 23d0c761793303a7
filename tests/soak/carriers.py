"""Three carriers in processes of their own, which outlive the server's kills: each writes down what it was given."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from tests.acceptance.harness import smsc_process
from tests.ports import free_port

from clarion.carriers.smpp import status

PLAN = Path(__file__).parent / "faults.toml"

TOKEN = re.compile(r"#[0-9a-f]{8}#")
"""In every text, and in every part of a long one: it names the order."""

AIMED = (1, 2, 3, 4, 5, 6, 7, 8, 9)
"""Endings of numbers that `--aimed-failures` knows."""

AIMED_EVERY = 20


class Submit(NamedTuple):
    """One submit_sm as a carrier wrote it down. `part` of `parts` counts from 1; `status` is what it was to be answered with."""

    carrier: str
    recipient: str
    token: str
    part: int
    parts: int
    status: int

    @property
    def taken(self) -> bool:
        """The carrier has it, whether it said so or not."""
        return self.status == status.OK

    @property
    def is_turned_away(self) -> bool:
        """Not taken for the moment: the same attempt may give it again."""
        return self.status in status.TEMPORARY


@dataclass
class Carrier:
    """A simulated SMSC and how it is configured as a carrier. Of its numbers every one is new, until `number` has given them all."""

    name: str
    prefix: str
    options: tuple[str, ...]
    query: str
    windows: tuple[int, ...]
    rate: int
    binds: int
    folder: Path
    seed: int
    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    deaths: int = 0
    counted: dict[str, Any] = field(default_factory=dict)
    _given: int = 0
    _offset: int = 0
    _running: ExitStack = field(default_factory=ExitStack)
    _up: bool = False

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.jsonl"

    @property
    def doubt_max(self) -> int:
        """Messages that may be in doubt at any instant (law 2): two windows of each bind, the widest that it ever has."""
        return 2 * max(self.windows) * self.binds

    def url(self, window: int, rate: int) -> str:
        return f"smpp://soak@127.0.0.1:{self.port}?window={window}&rate={rate}&binds={self.binds}&{self.query}"

    @property
    def up(self) -> bool:
        return self._up

    def start(self) -> None:
        """Begin, or come back on the same port; the log goes on."""
        ports = ("--port", str(self.port), "--http-port", str(self.http_port))
        self._running.enter_context(smsc_process(self.log, *ports, "--seed", str(self.seed + self.deaths), *self.options))
        self._up = True

    def die(self) -> None:
        """SIGKILL: what it owes is never brought."""
        self.count()
        self._running.close()
        self.deaths += 1
        self._up = False

    def close(self) -> None:
        self._running.close()

    def count(self) -> None:
        """Keep the counters of this life, as they are now."""
        with suppress(httpx.TransportError):
            answer = httpx.get(f"http://127.0.0.1:{self.http_port}/counters", trust_env=False, timeout=10).json()
            self.counted[str(self.deaths)] = answer

    def total(self, *path: str) -> int:
        """A counter over all lives."""
        found = 0
        for counters in self.counted.values():
            value: Any = counters
            for name in path:
                value = value.get(name, {})
            found += value or 0
        return found

    def number(self, *, aimed: bool) -> str:
        """A number that nobody has had; with `aimed` every so many has an ending that the SMSC knows."""
        self._given += 1
        place = self._given
        if aimed and place % AIMED_EVERY == 0:
            block, kind = divmod(place // AIMED_EVERY, len(AIMED))
            return f"{self.prefix}{block:03}{AIMED[kind]:04}"
        block, rest = divmod(place, 9_000)
        return f"{self.prefix}{block:03}{1_000 + rest:04}"

    def news(self) -> list[Submit]:
        """What was written down since the last call."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as file:
            file.seek(self._offset)
            octets = file.read()
        whole = octets[: octets.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [_submit(self.name, json.loads(line)) for line in whole.splitlines()]


def _submit(carrier: str, line: Mapping[str, Any]) -> Submit:
    found = TOKEN.search(line["text"])
    token = found[0] if found else f"no token in {line['text'][:40]!r}"
    return Submit(carrier, line["destination"], token, line.get("part", 1), line.get("total", 1), line["status"])


Wire = dict[tuple[str, str], list[Submit]]
"""What the carriers were given, by recipient and token."""


def add_to(wire: Wire, submits: Iterable[Submit]) -> None:
    for submit in submits:
        wire[submit.recipient, submit.token].append(submit)


def new_wire() -> Wire:
    return defaultdict(list)


@contextmanager
def three_carriers(folder: Path, seed: int) -> Iterator[dict[str, Carrier]]:
    """By name.

    `steady` does what it should, but for numbers with certain endings; `faulty` does everything wrong; `fading` brings two receipts of
    three, dies and comes back.
    """
    hurried = "enquire=2&answer_timeout=4"
    carriers = [
        Carrier(
            "steady",
            "25471",
            ("--aimed-failures", "--answer-delay-ms", "60", "--receipt-delay-ms", "100", "--receipt-late-ms", "1500"),
            "enquire=5&answer_timeout=10",
            (30, 20),
            350,
            2,
            folder,
            seed,
        ),
        Carrier("faulty", "25472", ("--plan", str(PLAN)), f"{hurried}&long=udh16", (30, 40), 300, 1, folder, seed),
        Carrier(
            "fading",
            "25470",
            ("--never-share", "0.33", "--answer-delay-ms", "80", "--receipt-delay-ms", "300"),
            f"{hurried}&long=sar",
            (20, 40),
            150,
            1,
            folder,
            seed,
        ),
    ]
    with ExitStack() as stack:
        for carrier in carriers:
            carrier.start()
            stack.callback(carrier.close)
        yield {carrier.name: carrier for carrier in carriers}
