"""Receive: receipts move their messages on, inbound texts become rows, and a text that is nothing but STOP or START is heeded.

What came is acknowledged only after this has committed.
"""

from collections import Counter
from collections.abc import Sequence

import structlog

from clarion.carriers.interface import InboundText, Receipt
from clarion.core.opt_out import opt_out_word
from clarion.flow.settings import Settings
from clarion.runtime import Runtime
from clarion.store import inbound, optouts, receipts
from clarion.store.optouts import Wish
from clarion.store.receipts import Recorded

VOTES_MIN = 20
"""Receipts of one form, with none of another between, after which a carrier is known for that form."""

log = structlog.get_logger(__name__)


class Receiver:
    """Takes what one carrier's binds bring, and learns in which form the carrier writes its ids."""

    def __init__(self, runtime: Runtime, carrier_id: int, form: str | None, settings: Settings | None = None) -> None:
        """`settings` know the other routes; without them what was not delivered stays so."""
        self._runtime = runtime
        self._settings = settings
        self._carrier_id = carrier_id
        self._votes: Counter[str] = Counter()
        self.form = form
        """literal, hex_to_decimal or decimal_to_hex, once receipts have shown it."""

    async def receive(self, deliveries: Sequence[Receipt | InboundText]) -> None:
        """Store deliveries; on return they may be acknowledged."""
        now = self._runtime.clock.now()
        said = [delivery for delivery in deliveries if isinstance(delivery, Receipt)]
        if said:
            catalog = None if self._settings is None else self._settings.last_catalog
            recorded = await self._runtime.write_patiently(receipts.record_receipts, self._carrier_id, self.form, said, now, catalog)
            await self.learn(recorded)
        texts = [delivery for delivery in deliveries if isinstance(delivery, InboundText)]
        if texts:
            await self._take_texts(texts, now)

    async def learn(self, recorded: Recorded) -> None:
        """Take note of what became of receipts."""
        if recorded.orphaned:
            log.info("receipts.orphaned", carrier_id=self._carrier_id, count=recorded.orphaned)
        await self._learn(recorded.forms)

    async def _take_texts(self, texts: Sequence[InboundText], now: int) -> None:
        kept, wishes = [_text(text) for text in texts], _wishes(texts)
        heeded = await self._runtime.write_patiently(optouts.keep, self._carrier_id, kept, wishes, now)
        for wish, organization_id, _ in heeded:
            if organization_id is None:
                log.warning("opt_out.of_nobody", carrier_id=self._carrier_id, word=wish.word, address=wish.address)
            else:
                log.info("opt_out", organization_id=organization_id, word=wish.word)

    async def _learn(self, forms: Counter[str]) -> None:
        if not forms or set(forms) == {self.form}:
            return
        self._votes.update(forms)
        if len(self._votes) > 1:
            self._votes = Counter(forms) if len(forms) == 1 else Counter()
        for form, votes in self._votes.items():
            if votes >= VOTES_MIN and form != self.form:
                self.form = form
                await self._runtime.write_patiently(receipts.learn_form, self._carrier_id, form)
                log.info("carrier.reference_form", carrier_id=self._carrier_id, form=form)


def _wishes(texts: Sequence[InboundText]) -> list[Wish]:
    """A part of a long text is no whole text; the store joins it, and heeds the whole."""
    words = [(text, opt_out_word(text.text) if text.parts == 1 else None) for text in texts]
    return [Wish(text.sender, text.recipient, word) for text, word in words if word is not None]


def _text(text: InboundText) -> inbound.Inbound:
    return inbound.Inbound(text.recipient, text.sender, text.text, text.data_coding, text.raw, text.part, text.parts, text.part_reference)
