"""What is asked of accept, and what it answers: an order, and for each of its recipients a message or why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from clarion.store.catalog import Organization


@dataclass(frozen=True, slots=True)
class Order:
    """A request to send. `partial`: a wallet that cannot pay for all pays for the first ones, else nothing is accepted (`Shortfall`).

    `variables` are the values of the text's `{name}` places, parallel to the recipients; without them the text is sent as it stands.
    `not_before` is when a scheduled broadcast begins, `campaign_id` the campaign that it belongs to, `name` what its sender calls it.
    `needs_recipient`: where no recipient is left nothing is accepted (`NobodyLeft`). `refunds_failed`: a failed receipt gives the charge
    back even where the organization's others do not. `pace` is in messages a minute. `request_id` leads back to the request.
    """

    organization: Organization
    face: str
    lane: int
    text: str
    sender: str | None
    recipients: Sequence[str]
    partial: bool
    variables: Sequence[Mapping[str, object]] | None = None
    not_before: int | None = None
    campaign_id: int | None = None
    name: str | None = None
    needs_recipient: bool = False
    refunds_failed: bool = False
    pace: int | None = None
    request_id: str | None = None


class Rejection(NamedTuple):
    """Why a recipient gets no message.

    One of invalid_number, opted_out, no_route, missing_variable, empty_text, too_long, insufficient_balance and skipped.

    The amounts belong to insufficient_balance: the price of this message, and what the wallet held at that point; `variable` is what
    the recipient has no value for.
    """

    reason: str
    required_milli: int = 0
    available_milli: int = 0
    variable: str = ""


class NobodyLeft(Exception):
    """Every recipient was rejected, and the caller wants at least one. `recipients` and `rejections` are as in `Accepted`."""

    def __init__(self, recipients: list[str], rejections: dict[int, Rejection]) -> None:
        super().__init__(f"all of {len(recipients)} recipients were rejected")
        self.recipients = recipients
        self.rejections = rejections


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an order. The lists are parallel: the unique recipients as first spelled, in the order of the request.

    `numbers` are E.164 digits (0: no number), `offsets` make the public ids of messages (0: rejected), `rejections` are by index.
    """

    broadcast_id: UUID
    sender: str | None
    simulated: bool
    created_at: int
    recipients: list[str]
    numbers: list[int]
    offsets: list[int]
    rejections: dict[int, Rejection] = field(default_factory=dict)
