"""What a simulated SMSC is told to do: whom it lets in, how it answers, and everything that it gets wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clarion.simulator import garbage

RECEIPTS_OUTSTANDING: Final = 1_000
"""Receipts sent and not acknowledged: as a real SMSC, it stops there and waits."""

ID_FORMS: Final = ("decimal", "hex")
RECEIPT_ID_FORMS: Final = ("same", "decimal", "hex", "upper", "padded")
"""How receipts write the id of the answer: as it was, read as a number and written anew, in capitals, with zeros before it."""


@dataclass(frozen=True, slots=True)
class SmscSettings:
    """Shares are of [0, 1]. Without any fault set, every submit is taken at once and its receipt follows.

    `bind_status` refuses binds, the first `bind_refused_first` of them or, with 0, all; `bind_unanswered_first` are not answered at all.

    An answer comes after `answer_delay_ms` and up to `answer_spread_ms` more by chance; a share comes `answer_late_ms` after the others,
    another never. `failures` maps a command_status to the share of submits refused with it.

    `early` receipts go out before the answer, `late` ones `receipt_late_ms` after the others, and a share is sent `twice`, or `never`.
    `receipt_id_form_share` of them write the id in `receipt_id_form`, the others as the answer did. With a `foreign_share` of submits
    comes a receipt for somebody else's message: its recipient is another, its id is unknown or, every other time, that of this very submit.

    `disconnect_every` breaks the connection at each n-th submit that is taken, before it or anything else read with it is answered;
    `half_open_every` leaves it open and neither reads nor writes on it any more. `garbage_every` puts one of `garbage_kinds` in turn
    behind the answer of each n-th. Recipients reply to `reply_share` of what is taken with one of the texts, and opt out by another
    after `stop_share`.

    With `aimed_failures` the last four digits of a recipient decide: see `faults.AIMED`.

    `log_file` gets a JSON line for each submit: at (epoch seconds), bind, sequence, source, destination, text, id, status; and ref,
    total, part for a part of a long message.
    """

    seed: int = 1
    system_id: str = ""
    password: str = ""
    bind_status: int = 0
    bind_refused_first: int = 0
    bind_unanswered_first: int = 0
    answer_delay_ms: int = 0
    answer_spread_ms: int = 0
    answer_late_share: float = 0.0
    answer_late_ms: int = 90_000
    unanswered_share: float = 0.0
    failures: Mapping[int, float] = field(default_factory=dict)
    aimed_failures: bool = False
    throttle_per_second: int = 0
    disconnect_every: int = 0
    half_open_every: int = 0
    garbage_every: int = 0
    garbage_kinds: tuple[str, ...] = tuple(garbage.KINDS)
    message_id_form: str = "decimal"
    receipt_id_form: str = "same"
    receipt_id_form_share: float = 1.0
    receipts: bool = True
    receipt_delay_ms: int = 0
    receipt_spread_ms: int = 0
    receipt_late_ms: int = 2_000
    early_share: float = 0.0
    late_share: float = 0.0
    twice_share: float = 0.0
    never_share: float = 0.0
    undelivered_share: float = 0.0
    expired_share: float = 0.0
    rejected_share: float = 0.0
    foreign_share: float = 0.0
    reply_share: float = 0.0
    reply_delay_ms: int = 500
    reply_texts: tuple[str, ...] = ("Yes", "Who is this?", "Call me tomorrow please")
    stop_share: float = 0.0
    stop_delay_ms: int = 500
    stop_texts: tuple[str, ...] = ("STOP",)
    outstanding: int = RECEIPTS_OUTSTANDING
    first_id: int | None = None
    log_file: Path | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a form or a kind that does not exist, or a share that is none."""
        if self.message_id_form not in ID_FORMS:
            raise ValueError(f"message_id_form is {_or(ID_FORMS)}, not {self.message_id_form!r}")
        if self.receipt_id_form not in RECEIPT_ID_FORMS:
            raise ValueError(f"receipt_id_form is {_or(RECEIPT_ID_FORMS)}, not {self.receipt_id_form!r}")
        for kind in self.garbage_kinds:
            if kind not in garbage.KINDS:
                raise ValueError(f"a kind of garbage is {_or(tuple(garbage.KINDS))}, not {kind!r}")
        for texts in (self.garbage_kinds, self.reply_texts, self.stop_texts):
            if not texts:
                raise ValueError("a list of texts or of kinds of garbage names at least one")
        for share in (*self.failures.values(), *(getattr(self, name) for name in self.__slots__ if name.endswith("_share"))):
            if not 0 <= share <= 1:
                raise ValueError(f"a share is a number from 0 to 1, not {share}")
        for what, shares in (
            ("refusals", self.failures.values()),
            ("answers that are late or never come", (self.answer_late_share, self.unanswered_share)),
            ("early, late and lost receipts", (self.early_share, self.late_share, self.never_share)),
            ("undelivered, expired and rejected", (self.undelivered_share, self.expired_share, self.rejected_share)),
        ):
            if sum(shares) > 1 + ROUNDING:
                raise ValueError(f"the shares of {what} add up to 1 at most")

    @property
    def has_faults(self) -> bool:
        """Whether a submit's fate has to be decided at all."""
        return bool(
            any(self.failures.values())
            or self.aimed_failures
            or self.throttle_per_second
            or self.disconnect_every
            or self.half_open_every
            or self.garbage_every
            or self.answer_spread_ms
            or self.receipt_spread_ms
            or any(getattr(self, name) for name in self.__slots__ if name.endswith("_share") and name != "receipt_id_form_share")
            or (self.receipt_id_form != "same" and self.receipt_id_form_share < 1)
        )


ROUNDING: Final = 1e-9
"""Ten times 0.1 is a little more than 1."""


def _or(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
