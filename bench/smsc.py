"""The simulated SMSC in a process of its own: prints its port, and answers until SIGTERM."""

import argparse
import asyncio
import signal
from pathlib import Path

import uvloop

from clarion.simulator import Smsc, SmscSettings
from clarion.wiring.machine import SystemClock, SystemTimer


async def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer-delay-ms", type=int, default=0)
    parser.add_argument("--no-receipts", action="store_true")
    parser.add_argument("--log-file", type=Path)
    options = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = SmscSettings(answer_delay_ms=options.answer_delay_ms, receipts=not options.no_receipts, log_file=options.log_file)
    smsc = Smsc(settings, SystemClock(), SystemTimer())
    print(await smsc.start(), flush=True)
    await stop.wait()
    await smsc.stop()


if __name__ == "__main__":
    uvloop.run(main())
