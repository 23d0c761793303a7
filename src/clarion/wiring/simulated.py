"""The built-in SMSC of `serve --simulator`: real SMPP on loopback, in this process, on a port of its own."""

from types import TracebackType

from clarion.runtime import Runtime
from clarion.simulator.settings import SmscSettings
from clarion.simulator.smsc import Smsc

REFUSED_STATUS = 0x0B
"""ESME_RINVDSTADR: what a carrier says of a number that it does not serve."""

SETTINGS = SmscSettings(failures={REFUSED_STATUS: 0.01}, undelivered_share=0.03, receipt_delay_ms=200)
"""A try should show what really happens: a few refusals, some that are not delivered, receipts that take a moment."""


class Simulated:
    """Runs as long as the context; gives the URL that makes it a carrier."""

    def __init__(self, runtime: Runtime) -> None:
        self._smsc = Smsc(SETTINGS, runtime.clock, runtime.timer)

    async def __aenter__(self) -> str:
        port = await self._smsc.start()
        return f"smpp://simulator@127.0.0.1:{port}?window=200&sender=CLARION"

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._smsc.stop()
