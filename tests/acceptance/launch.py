"""Runs a server or a simulated SMSC as a process of its own: `python launch.py serve|smsc '{…options…}'`.

A server prints a JSON line once it answers; an SMSC prints `listening PORT` and ends with its standard input. Each line that an SMSC
reads is answered with its counters.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clarion.simulator import Smsc, SmscSettings
from clarion.wiring.machine import SystemClock, SystemTimer
from clarion.wiring.server import Announcement, ServeOptions, serve


def main() -> int:
    options = json.loads(sys.argv[2])
    if sys.argv[1] == "smsc":
        asyncio.run(smsc(options))
        return 0
    return serve(ServeOptions(**options | {"data_dir": Path(options["data_dir"])}), announce)


def announce(announcement: Announcement) -> None:
    print(json.dumps({"url": announcement.url, "key": announcement.key}), flush=True)


async def smsc(options: dict[str, Any]) -> None:
    port = options.pop("port", 0)
    server = Smsc(SmscSettings(**options | {"log_file": Path(options["log_file"])}), SystemClock(), SystemTimer())
    print(f"listening {await server.start(port=port)}", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        print(json.dumps(asdict(server.counters)), flush=True)
    await server.stop()


if __name__ == "__main__":
    sys.exit(main())
