"""The way to a bound connection: TCP, the bind, the carrier's answer. Shared by the bind that stays and the probe that leaves."""

import asyncio
from typing import Any, Final, NamedTuple

from clarion.carriers.smpp import status
from clarion.carriers.smpp.session import Session
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.clock import Timer

CONNECT_S: Final = 10.0
BIND_ANSWER_S: Final = 10.0
"""A carrier that cannot answer a bind in this time is better asked again (SMPP 3.4, 7.2, session_init_timer)."""


class Fault(NamedTuple):
    """Why there is no bound connection. `refused` is the carrier's own no; anything else may be the network's."""

    refused: bool
    reason: str


async def open_connection(session: Session, settings: SmppSettings, timer: Timer) -> Fault | None:
    """Connect a session over TCP."""
    loop = asyncio.get_running_loop()
    where = f"{settings.host}:{settings.port}"
    connecting = asyncio.ensure_future(loop.create_connection(lambda: session, settings.host, settings.port))
    try:
        if not await any_within(CONNECT_S, timer, connecting):
            return Fault(refused=False, reason=f"no connection to {where} in {CONNECT_S:g} s")
        await connecting
    except (OSError, UnicodeError) as fault:  # the latter for a host that no name can be
        return Fault(refused=False, reason=f"no connection to {where}: {getattr(fault, 'strerror', None) or fault}")
    finally:
        connecting.cancel()
    return None


async def request_bind(session: Session, timer: Timer) -> Fault | None:
    """Bind a connected session; one that is not bound afterwards has been dropped."""
    session.request_bind()
    await any_within(BIND_ANSWER_S, timer, session.bind_answer, session.lost)
    if session.bind_answer.done():
        answer = session.bind_answer.result()
        if answer == status.OK and not session.lost.done():
            return None
        fault = Fault(refused=True, reason=status.describe(answer))
    elif session.lost.done():
        fault = Fault(refused=False, reason=f"{session.lost.result()}, before the bind was answered")
    else:
        fault = Fault(refused=False, reason=f"no answer to the bind in {BIND_ANSWER_S:g} s")
    session.drop(fault.reason)
    return fault


async def any_within(seconds: float, timer: Timer, *futures: asyncio.Future[Any]) -> bool:
    """Wait until one of them is done, whatever it brought, or the time is over; whether one is. None is cancelled."""
    limit = asyncio.ensure_future(timer.sleep(seconds))
    try:
        await asyncio.wait({limit, *futures}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        limit.cancel()
    return any(future.done() for future in futures)
