"""Runs the vendors' own examples, unchanged but for host and key, against a real server over an SMSC that is not ours (npm's `smpp`).

`seed_examples/` holds them by vendor: TalkNTalk's in four languages and Teli's in the one that it has, as their documents print them.
Teekrr's document has a table of fields and no request: its three send every field of that table, in both modes and both types.
"""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.acceptance.accounts import assert_exact
from tests.acceptance.harness import PATIENCE_S, Server, environment, server, until
from tests.foreign_smsc import ForeignSmsc, foreign_smsc, node

from clarion.store import message_lists
from clarion.store.message_lists import Wanted

EXAMPLES = Path(__file__).parent / "seed_examples"

HOSTS = re.compile(r"https://(?:api\.talkntalk\.africa|partner\.teli\.ai|api\.teekrr\.com)")
KEYS = re.compile(r"tk_live_x+|YOUR_API_KEY")

OPEN = frozenset({"waiting", "retry", "marked", "unknown", "sent"})
"""States of which a message has a next one, once its receipt is there."""


def program(language: str) -> str:
    """What runs this language. Skips the test where it is not installed."""
    found = sys.executable if language == "python" else node() if language == "node" else shutil.which(language)
    if found is None:
        pytest.skip(f"{language} is not installed here")
    return found


def run(example: str, language: str, here: Server, changes: Mapping[str, str] = MappingProxyType({})) -> str:
    """Run an example as its reader would, with the two things in it that are the reader's own; what it printed.

    `changes` are made before, for requests that the document describes and does not print.
    """
    text = (EXAMPLES / f"{example}.txt").read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    text, hosts = HOSTS.subn(here.url, text)
    text, keys = KEYS.subn(here.key, text)
    assert (hosts, keys) == (1, 1)
    command = {
        "curl": [program("sh"), "-c", text],
        "node": [program("node"), "--input-type=module", "--eval", text],
        "python": [program("python"), "-c", text],
        "php": ["php", "-r", text],
    }[language]
    program(language)
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


@asynccontextmanager
async def foreign(tmp_path: Path, money: str, clock: str = "", **options: Any) -> AsyncIterator[tuple[Server, ForeignSmsc]]:
    """A server on the foreign SMSC, with so much in the wallet."""
    with foreign_smsc(tmp_path / "submits.jsonl", **options) as smsc:
        async with server(tmp_path / "data") as here:
            here.clock = clock
            await here.start()
            await asyncio.gather(here.add_carrier(f"smpp://clarion:secret@127.0.0.1:{smsc.port}"), here.top_up(money))
            await here.bound()
            yield here, smsc


async def fates(here: Server, smsc: ForeignSmsc) -> dict[str, str]:
    """The final state of every message that there is, by its number; every receipt has found its own, and the money is right."""

    async def look() -> dict[str, str]:
        listed = await here.look(lambda connection: message_lists.newest(connection, Wanted(), None, 10_000))
        return {f"+{each.recipient}": each.state for each in reversed(listed)}

    found = await look()
    async with asyncio.timeout(PATIENCE_S):
        while OPEN & set(found.values()):
            await asyncio.sleep(0.1)
            found = await look()
    counters = smsc.counters()
    assert counters["receipts"] == sum(state != "refused" for state in found.values())
    await until(lambda: smsc.counters()["acknowledged"] == counters["receipts"], "the last acknowledgements")
    assert (await here.command("doctor"))["findings"] == []
    await here.look(assert_exact)
    return found
