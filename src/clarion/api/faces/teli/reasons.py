"""Why a message failed, in words: ours as the documents write them, a carrier's status or receipt as a sentence."""

import re
from collections.abc import Mapping

from clarion.api.faces.teli.choices import ITEM_ERRORS
from clarion.core.states import State

# SMPP 3.4, 5.1.3: the statuses that refuse one message.
STATUSES: Mapping[str, str] = {
    "ESME_RINVMSGLEN": "invalid message length",
    "ESME_RINVSRCADR": "invalid sender",
    "ESME_RINVDSTADR": "invalid destination number",
    "ESME_RINVSRCTON": "invalid sender",
    "ESME_RINVSRCNPI": "invalid sender",
    "ESME_RINVDSTTON": "invalid destination number",
    "ESME_RINVDSTNPI": "invalid destination number",
    "ESME_RSUBMITFAIL": "submission failed",
    "ESME_RX_P_APPN": "permanent error at the receiver",
    "ESME_RX_R_APPN": "rejected by the receiver",
    "ESME_RDELIVERYFAILURE": "delivery failed",
    "ESME_RINVESMCLASS": "unsupported kind of message",
    "ESME_RINVEXPIRY": "invalid validity",
}

# SMPP 3.4, 5.2.28 and the words of receipts (appendix B).
RECEIPTS: Mapping[str, str] = {
    "UNDEL": "not deliverable",
    "EXPIR": "expired at the carrier",
    "DELET": "deleted by the carrier",
    "REJEC": "rejected by the carrier",
}

_STATUS = re.compile(r"(?P<name>ESME_[A-Z0-9_]+) \((?P<code>0x[0-9a-f]+)\)")

UNEXPLAINED: Mapping[str, str] = {
    State.REFUSED: "The carrier refused the message",
    State.UNDELIVERED: "The carrier could not deliver the message",
    State.CANCELLED: "Message was cancelled",
    State.EXPIRED: ITEM_ERRORS["validity_over"],
}


def words(state: str, reason: str | None, phone: str) -> str:
    """One phrase for the `error` of an item; `phone` as the caller spelled it."""
    reason = reason or ""
    if state == State.SUPPRESSED:
        return ITEM_ERRORS["opted_out"].format(phone=phone)
    known = ITEM_ERRORS.get(reason)
    if known is not None:
        return known.format(phone=phone)
    said = _said(reason)
    general = UNEXPLAINED.get(state, UNEXPLAINED[State.REFUSED])
    return f"{general}: {said}" if said and state != State.CANCELLED else general


def _said(reason: str) -> str:
    if status := _STATUS.search(reason):
        return f"{STATUSES.get(status['name'], status['name'])} ({status['code']})"
    word, _, rest = reason.partition(" ")
    known = RECEIPTS.get(word[:5])
    if known is None:
        return reason
    return f"{known} ({rest})" if rest else known
