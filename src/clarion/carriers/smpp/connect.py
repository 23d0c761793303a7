"""The way to a bound connection: TCP, TLS where it is asked for, the bind, its answer. For the bind that stays and the probe."""

import asyncio
import ssl
from typing import Any, Final, NamedTuple

from clarion.carriers.smpp import status
from clarion.carriers.smpp.session import Session
from clarion.carriers.smpp.settings import SmppSettings
from clarion.core.clock import Timer

CONNECT_S: Final = 10.0
BIND_ANSWER_S: Final = 10.0
"""A carrier that cannot answer a bind in this time is better asked again (SMPP 3.4, 7.2, session_init_timer)."""

UNKNOWN_ISSUERS: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's X509_V_ERR codes for a certificate that signed itself, or that nobody known has signed."""


class Fault(NamedTuple):
    """Why there is no bound connection. `refused` is the carrier's own no; anything else may be the network's."""

    refused: bool
    reason: str


async def open_connection(session: Session, settings: SmppSettings, timer: Timer) -> Fault | None:
    """Connect a session over TCP, and over TLS on top of it where the settings say so."""
    loop = asyncio.get_running_loop()
    where = f"{settings.host}:{settings.port}"
    try:
        # In a thread: reading a machine's authorities takes tens of milliseconds.
        context = await asyncio.to_thread(_tls_context, settings.ca) if settings.tls else None
    except OSError as fault:
        return Fault(refused=False, reason=f"the certificates in {settings.ca} cannot be read: {_told(fault)}")
    connecting = asyncio.ensure_future(loop.create_connection(lambda: session, settings.host, settings.port, ssl=context))
    try:
        if not await any_within(CONNECT_S, timer, connecting):
            return Fault(refused=False, reason=f"no connection to {where} in {CONNECT_S:g} s")
        await connecting
    except ssl.SSLCertVerificationError as fault:
        return Fault(refused=False, reason=f"the certificate of {where} is not accepted: {_mistrust(fault, settings)}")
    except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError) as fault:
        what = f"no TLS with {where}" if settings.tls else f"no connection to {where}"
        return Fault(refused=False, reason=f"{what}: {_told(fault)}{'; does it speak plain SMPP (smpp://)?' if settings.tls else ''}")
    except (OSError, UnicodeError) as fault:  # the latter for a host that no name can be
        return Fault(refused=False, reason=f"no connection to {where}: {_told(fault)}")
    finally:
        connecting.cancel()
    return None


def _tls_context(ca: str) -> ssl.SSLContext:
    """Checks the certificate and the host's name in it. Raises OSError (ssl.SSLError is one) for a file that holds none."""
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _mistrust(fault: ssl.SSLCertVerificationError, settings: SmppSettings) -> str:
    told = fault.verify_message.rstrip(".")
    if fault.verify_code in UNKNOWN_ISSUERS:
        known = (
            f"who signed it is not in {settings.ca}"
            if settings.ca
            else "this machine does not know who signed it; name its authority by ca="
        )
        return f"{told}; {known}"
    return told


def _told(fault: BaseException) -> str:
    if isinstance(fault, ssl.SSLError) and fault.reason:
        return fault.reason.lower().replace("_", " ")
    return getattr(fault, "strerror", None) or str(fault) or "the connection was closed"


async def request_bind(session: Session, settings: SmppSettings, timer: Timer) -> Fault | None:
    """Bind a connected session; one that is not bound afterwards has been dropped."""
    session.request_bind()
    await any_within(BIND_ANSWER_S, timer, session.bind_answer, session.lost)
    if session.bind_answer.done():
        answer = session.bind_answer.result()
        if answer == status.OK and not session.lost.done():
            return None
        fault = Fault(refused=True, reason=status.describe(answer))
    elif session.lost.done():
        # Most carriers that do not know an address hang up on it; what speaks TLS hangs up on a plain bind, without a word.
        perhaps = "it may not know this address" if settings.tls else "it may not know this address, or speak TLS (smpps://)"
        if session.speaks_text:
            perhaps = f"no SMPP is spoken at {settings.host}:{settings.port}"
        fault = Fault(refused=False, reason=f"{session.lost.result()}, before the bind was answered; {perhaps}")
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
