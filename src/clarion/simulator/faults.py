"""What becomes of a submit: the fate that settings, chance and the recipient's number give it."""

from enum import IntEnum, auto
from typing import Any, Final, NamedTuple

from clarion.carriers.smpp import status
from clarion.core.clock import Timer
from clarion.core.rates import TokenBucket
from clarion.simulator.settings import SmscSettings

DELIVERED: Final = b"DELIVRD"
UNDELIVERED: Final = b"UNDELIV"
EXPIRED: Final = b"EXPIRED"
REJECTED: Final = b"REJECTD"


class Fate(NamedTuple):
    """`receipt` is the final state it will tell, empty for none; `early`, `late`, `twice` and `other_id`: how it comes.

    `answer_after_s` and `receipt_after_s` come on top of the delays that all have. `foreign`: a receipt for somebody else's message
    comes with it. `reply` and `stop` are what the recipient writes back. `garbage` is a kind of it, `ends` how the connection ends with
    this submit: `disconnect`, `half_open` or not at all.
    """

    status: int = status.OK
    answered: bool = True
    answer_late: bool = False
    answer_after_s: float = 0.0
    receipt: bytes = DELIVERED
    receipt_after_s: float = 0.0
    early: bool = False
    late: bool = False
    twice: bool = False
    other_id: bool = False
    foreign: bool = False
    reply: str = ""
    stop: str = ""
    garbage: str = ""
    ends: str = ""


PLAIN: Final = Fate()

AIMED: Final[dict[bytes, Fate]] = {
    b"0001": Fate(status=status.INVALID_DESTINATION, receipt=b""),
    b"0002": Fate(receipt=UNDELIVERED),
    b"0003": Fate(receipt=b""),
    b"0004": Fate(twice=True),
    b"0005": Fate(early=True),
    b"0006": Fate(late=True),
    b"0007": Fate(receipt=EXPIRED),
    b"0008": Fate(receipt=REJECTED),
    b"0009": Fate(answered=False),
}
"""By the last four digits of the recipient: refused, undelivered, no receipt, receipt twice, before the answer, late, expired,
rejected, never answered."""


class Draw(IntEnum):
    """What is left to chance, each drawn by itself: another share of one fault moves nothing in the others."""

    REFUSAL = auto()
    ANSWER = auto()
    ANSWER_SPREAD = auto()
    STATE = auto()
    RECEIPT = auto()
    RECEIPT_SPREAD = auto()
    TWICE = auto()
    FORM = auto()
    FOREIGN = auto()
    FOREIGN_NUMBER = auto()
    REPLY = auto()
    REPLY_TEXT = auto()
    STOP = auto()
    STOP_TEXT = auto()
    NOISE = auto()


class Chance:
    """SplitMix64 (Steele, Lea, Flood 2014), read at any place: the same everywhere for the same seed, submit and draw."""

    __slots__ = ("_seed",)

    def __init__(self, seed: int) -> None:
        self._seed = seed & _WORD

    def of(self, submit: int, draw: Draw) -> float:
        """A number of [0, 1)."""
        mixed = (self._seed + 0x9E3779B97F4A7C15 * (submit * _DRAWS + draw)) & _WORD
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WORD
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)


_WORD: Final = (1 << 64) - 1
_DRAWS: Final = 32
"""Room for draws to come: a new one must not shift what a seed gives."""


class Faults:
    """Decides fates. The same seed and the same submits in the same order give the same fates.

    What is answered with throttling hangs on real time; it is passed over in the order.
    """

    def __init__(self, settings: SmscSettings, timer: Timer, chance: Chance) -> None:
        self._settings = settings
        self._timer = timer
        self._chance = chance
        self._bucket = TokenBucket(settings.throttle_per_second, max(settings.throttle_per_second, 1))
        states = ((UNDELIVERED, settings.undelivered_share), (EXPIRED, settings.expired_share), (REJECTED, settings.rejected_share))
        self._states = [(word, share) for word, share in states if share]
        times = (({"receipt": b""}, settings.never_share), ({"early": True}, settings.early_share), ({"late": True}, settings.late_share))
        self._times = [(change, share) for change, share in times if share]
        self._submit = 0
        self._taken = 0

    def fate(self, destination: bytes) -> Fate:
        """The fate of a submit to this address; `PLAIN` itself if nothing is to happen."""
        settings = self._settings
        if settings.throttle_per_second and not self._bucket.take(1, self._timer.monotonic()):
            return Fate(status=status.THROTTLED, receipt=b"")
        self._submit += 1
        fate = (AIMED.get(destination[-4:]) if settings.aimed_failures else None) or self._drawn()
        if fate.status:
            return fate
        self._taken += 1
        if _is_turn(self._taken, settings.garbage_every):
            kinds = settings.garbage_kinds
            fate = fate._replace(garbage=kinds[(self._taken // settings.garbage_every - 1) % len(kinds)])
        if _is_turn(self._taken, settings.disconnect_every):
            return fate._replace(ends="disconnect")
        return fate._replace(ends="half_open") if _is_turn(self._taken, settings.half_open_every) else fate

    def _drawn(self) -> Fate:
        settings, submit, draw = self._settings, self._submit, self._chance.of
        if settings.failures:
            refusal = draw(submit, Draw.REFUSAL)
            for failure, share in settings.failures.items():
                if refusal < share:
                    return Fate(status=failure, receipt=b"")
                refusal -= share
        changes: dict[str, Any] = {}
        if settings.unanswered_share or settings.answer_late_share:
            answer = draw(submit, Draw.ANSWER)
            if answer < settings.unanswered_share:
                changes["answered"] = False
            elif answer - settings.unanswered_share < settings.answer_late_share:
                changes["answer_late"] = True
        if settings.answer_spread_ms:
            changes["answer_after_s"] = draw(submit, Draw.ANSWER_SPREAD) * settings.answer_spread_ms / 1000
        if settings.receipts:
            self._receipt(changes)
            if self._happens(settings.foreign_share, Draw.FOREIGN):
                changes["foreign"] = True
        if self._happens(settings.reply_share, Draw.REPLY):
            changes["reply"] = self._one_of(settings.reply_texts, Draw.REPLY_TEXT)
        if self._happens(settings.stop_share, Draw.STOP):
            changes["stop"] = self._one_of(settings.stop_texts, Draw.STOP_TEXT)
        return PLAIN._replace(**changes) if changes else PLAIN

    def _receipt(self, changes: dict[str, Any]) -> None:
        settings, submit, draw = self._settings, self._submit, self._chance.of
        if self._states:
            state = draw(submit, Draw.STATE)
            for word, share in self._states:
                if 0 <= state < share:
                    changes["receipt"] = word
                state -= share
        if self._happens(settings.twice_share, Draw.TWICE):
            changes["twice"] = True
        if settings.receipt_id_form != "same" and draw(submit, Draw.FORM) < settings.receipt_id_form_share < 1:
            changes["other_id"] = True
        if settings.receipt_spread_ms:
            changes["receipt_after_s"] = draw(submit, Draw.RECEIPT_SPREAD) * settings.receipt_spread_ms / 1000
        if self._times:
            place = draw(submit, Draw.RECEIPT)
            for change, share in self._times:
                if 0 <= place < share:
                    changes |= change
                place -= share

    def _happens(self, share: float, draw: Draw) -> bool:
        return share > 0 and self._chance.of(self._submit, draw) < share

    def noise(self, octets: int) -> bytes:
        """Octets by chance, those of the submit that was decided last."""
        value = int(self._chance.of(self._submit, Draw.NOISE) * (1 << 53))
        return (value.to_bytes(8, "big") * (octets // 8 + 1))[-octets:]

    def stranger(self, digits: int) -> bytes:
        """The last digits of a number that the submit decided last was not for."""
        return b"%0*d" % (digits, int(self._chance.of(self._submit, Draw.FOREIGN_NUMBER) * 10**digits))

    def _one_of(self, texts: tuple[str, ...], draw: Draw) -> str:
        return texts[int(self._chance.of(self._submit, draw) * len(texts))]


def _is_turn(number: int, every: int) -> bool:
    return every > 0 and number % every == 0
