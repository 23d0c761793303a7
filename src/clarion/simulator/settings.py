"""What a simulated SMSC is told to do: whom it lets in, how it answers, and everything that it gets wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

RECEIPTS_OUTSTANDING: Final = 1_000
"""Receipts sent and not acknowledged: as a real SMSC, it stops there and waits."""


@dataclass(frozen=True, slots=True)
class SmscSettings:
    """Shares are of [0, 1]. Without any fault set, every submit is taken at once and its receipt follows.

    `failures` maps a command_status to the share of submits refused with it. `early` receipts go out before the answer, `late` ones
    `receipt_late_ms` after the others, and a share is sent `twice`, or `never`. `disconnect_every` breaks the connection at each
    n-th submit, after it was taken and before it or anything else read with it is answered. `unanswered_share` is taken and
    never answered.

    With `aimed_failures` the last four digits of a recipient decide: see `faults.AIMED`.

    `log_file` gets a JSON line for each submit: at (epoch seconds), bind, sequence, source, destination, text, id, status; and ref,
    total, part for a part of a long message.
    """

    seed: int = 1
    system_id: str = ""
    password: str = ""
    bind_status: int = 0
    answer_delay_ms: int = 0
    unanswered_share: float = 0.0
    failures: Mapping[int, float] = field(default_factory=dict)
    aimed_failures: bool = False
    throttle_per_second: int = 0
    disconnect_every: int = 0
    message_id_form: str = "decimal"
    receipt_id_form: str = "same"
    receipts: bool = True
    receipt_delay_ms: int = 0
    receipt_late_ms: int = 2_000
    early_share: float = 0.0
    late_share: float = 0.0
    twice_share: float = 0.0
    never_share: float = 0.0
    undelivered_share: float = 0.0
    outstanding: int = RECEIPTS_OUTSTANDING
    first_id: int | None = None
    log_file: Path | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a form that does not exist or a share that is none."""
        if self.message_id_form not in {"decimal", "hex"}:
            raise ValueError(f"message_id_form is decimal or hex, not {self.message_id_form!r}")
        if self.receipt_id_form not in {"same", "decimal"}:
            raise ValueError(f"receipt_id_form is same or decimal, not {self.receipt_id_form!r}")
        receipt_shares = (self.early_share, self.late_share, self.never_share)
        for share in (*self.failures.values(), *receipt_shares, self.twice_share, self.undelivered_share, self.unanswered_share):
            if not 0 <= share <= 1:
                raise ValueError(f"a share is a number from 0 to 1, not {share}")
        if sum(self.failures.values()) > 1 or sum(receipt_shares) > 1:
            raise ValueError("the shares of failures, and those of early, late and lost receipts, add up to 1 at most")

    @property
    def has_faults(self) -> bool:
        """Whether a submit's fate has to be decided at all."""
        return bool(
            any(self.failures.values())
            or self.aimed_failures
            or self.throttle_per_second
            or self.unanswered_share
            or self.early_share
            or self.late_share
            or self.twice_share
            or self.never_share
            or self.undelivered_share
        )


@dataclass(slots=True)
class Counters:
    """What a simulated SMSC has done since it started."""

    binds: int = 0
    binds_refused: int = 0
    submits: int = 0
    taken: int = 0
    refused: int = 0
    throttled: int = 0
    receipts_sent: int = 0
    receipts_acknowledged: int = 0
    texts_sent: int = 0
    disconnects: int = 0
