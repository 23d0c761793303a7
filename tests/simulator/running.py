"""A simulated SMSC for the length of a block."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from clarion.simulator import Smsc, SmscSettings
from clarion.wiring.machine import SystemClock, SystemTimer


@asynccontextmanager
async def running_smsc(port: int = 0, **settings: Any) -> AsyncIterator[tuple[Smsc, int]]:
    """The SMSC and its port."""
    smsc = Smsc(SmscSettings(**settings), SystemClock(), SystemTimer())
    bound = await smsc.start(port=port)
    try:
        yield smsc, bound
    finally:
        smsc.disconnect()
        await smsc.stop()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The submits in an SMSC's log; a line that is being written is left for later."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
