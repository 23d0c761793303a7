"""What becomes of a submit: the fate that settings, chance and the recipient's number give it."""

from typing import Final, NamedTuple

from clarion.carriers.smpp import status
from clarion.core.clock import Random, Timer
from clarion.core.rates import TokenBucket
from clarion.simulator.settings import SmscSettings

DELIVERED: Final = b"DELIVRD"
UNDELIVERED: Final = b"UNDELIV"


class Fate(NamedTuple):
    """`receipt` is the final state it will tell, empty for none. `early`, `late`, `twice`: how the receipt comes."""

    status: int = status.OK
    answered: bool = True
    receipt: bytes = DELIVERED
    early: bool = False
    late: bool = False
    twice: bool = False


PLAIN: Final = Fate()

AIMED: Final[dict[bytes, Fate]] = {
    b"0001": Fate(status=status.INVALID_DESTINATION, receipt=b""),
    b"0002": Fate(receipt=UNDELIVERED),
    b"0003": Fate(receipt=b""),
    b"0004": Fate(twice=True),
    b"0005": Fate(early=True),
    b"0006": Fate(late=True),
    b"0007": Fate(receipt=b"EXPIRED"),
    b"0008": Fate(receipt=b"REJECTD"),
    b"0009": Fate(answered=False),
}
"""By the last four digits of the recipient: refused, undelivered, no receipt, receipt twice, before the answer, late, expired,
rejected, never answered."""


class Faults:
    """Draws fates. The same seed and the same submits in the same order give the same fates."""

    def __init__(self, settings: SmscSettings, timer: Timer, random: Random) -> None:
        self._settings = settings
        self._timer = timer
        self._random = random
        self._bucket = TokenBucket(settings.throttle_per_second, max(settings.throttle_per_second, 1))

    def fate(self, destination: bytes) -> Fate:
        """The fate of a submit to this address."""
        settings = self._settings
        if settings.throttle_per_second and not self._bucket.take(1, self._timer.monotonic()):
            return Fate(status=status.THROTTLED, receipt=b"")
        if settings.aimed_failures and (aimed := AIMED.get(destination[-4:])):
            return aimed
        draw = self._random.random()
        for failure, share in settings.failures.items():
            if draw < share:
                return Fate(status=failure, receipt=b"")
            draw -= share
        fate = Fate(
            answered=not self._happens(settings.unanswered_share),
            receipt=UNDELIVERED if self._happens(settings.undelivered_share) else DELIVERED,
            twice=self._happens(settings.twice_share),
        )
        draw = self._random.random()
        if draw < settings.never_share:
            return fate._replace(receipt=b"")
        draw -= settings.never_share
        if draw < settings.early_share:
            return fate._replace(early=True)
        return fate._replace(late=True) if draw - settings.early_share < settings.late_share else fate

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share


class SeededRandom:
    """SplitMix64 (Steele, Lea, Flood 2014): small, even, and the same everywhere for the same seed."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _WORD

    def random(self) -> float:
        """A number of [0, 1)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _WORD
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WORD
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)


_WORD: Final = (1 << 64) - 1
