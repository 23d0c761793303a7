"""The bodies of TalkNTalk's requests and answers, in the order and spelling of its documents."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from clarion.api.faces.talkntalk.choices import MESSAGE_CHARACTERS_MAX, RECIPIENTS_MAX, SENDER_PATTERN

Text = Annotated[str, Meta(pattern=r"\S", max_length=MESSAGE_CHARACTERS_MAX, description="The text, sent as it is")]
Sender = Annotated[str, Meta(pattern=SENDER_PATTERN, description="Defaults to the organisation's default sender ID")]


class Label(StrEnum):
    """The vendor's words for the state of a message."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    CANCELLED = "cancelled"


class SendBulk(Struct, gc=False):
    """`POST /v1/sms/send-bulk/`, seed 002."""

    recipients: Annotated[
        list[str],
        Meta(min_length=1, max_length=RECIPIENTS_MAX, description="Phone numbers in any spelling; duplicates are removed"),
    ]
    message: Text
    sender_id: Sender | None = None


class Queued(Struct, gc=False):
    """A recipient whose message will be sent. `mobile` is spelled as it was asked for."""

    id: str
    mobile: str
    status: str = Label.QUEUED


class Failed(Struct, gc=False):
    """A recipient who gets nothing. `error` is a code, `detail` a sentence."""

    mobile: str
    error: str
    detail: str


class SendBulkAnswer(Struct):
    """201 when all were queued, 207 when some failed. `failed` counts skipped ones; queued + failed = total."""

    campaign_id: str
    queued: int
    failed: int
    total: int
    sender_id: str | None
    results: list[Queued]
    errors: list[Failed]


class Send(Struct, gc=False):
    """`POST /v1/sms/send/`."""

    mobile: Annotated[str, Meta(pattern=r"\S")]
    message: Text
    sender_id: Sender | None = None


class SendAnswer(Struct):
    """201."""

    id: str
    mobile: str
    sender_id: str | None
    message: str
    status: str
    created_at: str


class CampaignQuery(Struct, gc=False):
    """`POST /v1/sms/campaigns/status/`."""

    campaign_id: UUID


class CampaignStatus(Struct):
    """Times are ISO 8601 with the organisation's offset, `delivery_rate` a percentage with one decimal."""

    campaign_id: str
    status: str
    message: str
    sender_id: str | None
    recipients_count: int
    sent_count: int
    failed_count: int
    delivery_rate: float
    created_at: str
    started_at: str | None
    finished_at: str | None


class CampaignMessagesQuery(Struct, gc=False):
    """`POST /v1/sms/campaigns/messages/`; the page is in the query."""

    campaign_id: UUID
    status: Label | None = None


class CampaignMessage(Struct, gc=False):
    """`network` is the one that the number was allotted to. `error` is there where a message failed."""

    id: str
    mobile: str
    sender_id: str | None
    status: str
    network: str
    created_at: str
    updated_at: str
    error: str | UnsetType = UNSET


class CampaignMessages(Struct):
    """One page. `next` and `previous` are absolute URLs, to be asked in the same way."""

    campaign_id: str
    total: int
    page: int
    page_size: int
    total_pages: int
    next: str | None
    previous: str | None
    results: list[CampaignMessage]


class Balance(Struct):
    """What is available: a held amount is gone from it at once. A decimal string of `currency`."""

    organisation: str
    balance: str
    currency: str
    retrieved_at: str


class Source(StrEnum):
    """Where a message came from: an API, or a person."""

    API = "api"
    WEB = "web"


class Organisation(Struct):
    """Whose key it is."""

    id: str
    name: str
    slug: str


class Verified(Struct):
    """`GET /v1/`."""

    api: str
    version: str
    organisation: Organisation


class Message(Struct, gc=False):
    """`network` is the one that the number was allotted to. `error` is there where the message failed."""

    id: str
    mobile: str
    sender_id: str | None
    message: str
    status: str
    network: str
    source: str
    scheduled_at: str | None
    created_at: str
    updated_at: str
    error: str | UnsetType = UNSET


class MessagePage(Struct):
    """One page, the newest first. `next` and `previous` are absolute URLs with the filters of this one."""

    total: int
    page: int
    page_size: int
    total_pages: int
    next: str | None
    previous: str | None
    results: list[Message]


class SenderId(Struct, gc=False):
    """A registered sender id. `type` is promotional or transactional."""

    id: int
    sender_id: str
    type: str
    network: str
    status: str
    is_default: bool
    provider: str


class SenderIds(Struct):
    """All of an organisation's."""

    count: int
    results: list[SenderId]


class Refused(Struct):
    """Every refusal has a sentence. Validation errors also have the field's name, with a list of sentences."""

    detail: str
    code: str | UnsetType = UNSET
