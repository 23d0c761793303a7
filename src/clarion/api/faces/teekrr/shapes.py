"""The bodies of Teekrr's requests and answers (seed 003; docs.teekrr.com, api-reference/sms/send-sms)."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from clarion.api.faces.teekrr.choices import CAMPAIGN_CHARACTERS_MAX, CONTENT_CHARACTERS_MAX, RECIPIENTS_MAX


class SendSms(Struct, rename="camel"):
    """`POST /sms`. One of `templateName` and `templateContent`, and one of `recipients` and `recipientVariables`; null is absent."""

    campaign_name: Annotated[str, Meta(min_length=1, max_length=CAMPAIGN_CHARACTERS_MAX, description="A name for people, kept as it is")]
    type: Annotated[
        Literal["quick broadcast", "schedule broadcast"],
        Meta(description="`quick broadcast` is sent at once, `schedule broadcast` at `scheduledAt`"),
    ]
    template_name: Annotated[str, Meta(min_length=1, max_length=512, description="An approved template of yours")] | None = None
    template_content: (
        Annotated[
            str,
            Meta(
                pattern=r"\S",
                min_length=1,
                max_length=CONTENT_CHARACTERS_MAX,
                description="A text for this broadcast alone, with places like `{name}`",
            ),
        ]
        | None
    ) = None
    scheduled_at: (
        Annotated[
            str,
            Meta(
                description="ISO 8601; without an offset in the organization's zone. At most a year ahead. Ignored on a quick broadcast",
                extra_json_schema={"format": "date-time"},
            ),
        ]
        | None
    ) = None
    keyword: Annotated[str, Meta(min_length=1, max_length=10, description="A registered keyword: the sender ID")] | None = None
    recipients: (
        Annotated[
            list[str],
            Meta(min_length=1, max_length=RECIPIENTS_MAX, description="Phone numbers in any spelling: the same text for all"),
        ]
        | None
    ) = None
    recipient_variables: (
        Annotated[
            list[dict[str, Any]],
            Meta(
                min_length=1,
                max_length=RECIPIENTS_MAX,
                description="`{recipient, variables: {name: value}}`, or flat `{recipient, name: value}`; the number may also stand under "
                "`to`, `phone`, `phoneNumber`, `mobile` or `email`",
            ),
        ]
        | None
    ) = None


class SmsBroadcast(Struct, rename="camel"):
    """What was accepted. `queued` rows will be sent, `rejected` ones are `failed` from the start; together the unique recipients."""

    broadcast_uuid: str
    status: str
    queued: int
    rejected: int
    scheduled_at: str | None


class SmsAccepted(Struct):
    """200."""

    data: SmsBroadcast


class FieldError(Struct):
    """What is wrong with one field."""

    field: str
    message: str


class SmsRefused(Struct):
    """Every refusal has a sentence; validation errors also have the field."""

    message: str
    errors: list[FieldError] | UnsetType = UNSET
