"""The bodies of Teli's requests and answers, in the order and spelling of its documents.

Their names begin with the vendor's: the OpenAPI document has one list of names for all faces.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from clarion.api.faces.teli.choices import CONTACTS_MAX, MESSAGE_CHARACTERS_MAX, RECIPIENTS_MAX

NAMED = r"\S"

Message = Annotated[str, Meta(pattern=NAMED, max_length=MESSAGE_CHARACTERS_MAX, description="The text, sent as it is")]
Name = Annotated[str, Meta(pattern=NAMED, max_length=200)]
CampaignId = Annotated[str, Meta(min_length=1, max_length=128, description="The client's own id of the campaign")]
NewCampaignId = Annotated[
    str,
    Meta(pattern=r"^[^/\x00-\x1f\x7f]{1,128}(?![\s\S])", description="Chosen by the client; 1 to 128 characters without slashes"),
]
Phone = Annotated[str, Meta(pattern=NAMED, description="In any spelling; E.164 is best")]
Lead = Annotated[
    Raw,
    Meta(
        extra_json_schema={
            "type": "object",
            "properties": {"phone_number": {"type": "string"}, "first_name": {"type": "string"}, "unique_id": {"type": "string"}},
            "required": ["phone_number"],
            "additionalProperties": True,
        }
    ),
]


class TeliBulkSend(Struct, gc=False):
    """`POST /v1/sms/bulk-send`, seed 000."""

    campaign_id: CampaignId
    phone_numbers: Annotated[list[str], Meta(min_length=1, max_length=RECIPIENTS_MAX, description="Contacts of the campaign")]
    message: Message


class TeliBulkResult(Struct, gc=False):
    """What became of one of the numbers. `queued`: the wait was over before its outcome; it will go out, do not send it again."""

    phone_number: str
    status: str
    error: str | UnsetType = UNSET
    queued: bool | UnsetType = UNSET


class TeliBulkSendAnswer(Struct):
    """200, whatever became of the single messages. sent + failed = total."""

    success: bool
    message: str
    total: int
    sent: int
    failed: int
    results: list[TeliBulkResult]
    powered_by: str
    dry_run: bool | UnsetType = UNSET


class TeliSend(Struct, gc=False):
    """`POST /v1/sms/send`."""

    campaign_id: CampaignId
    phone_number: Phone
    message: Message


class TeliSendAnswer(Struct):
    """200. `phone_number` is normalised to E.164."""

    success: bool
    message: str
    phone_number: str
    campaign_id: str
    thread_qualified: bool
    ai_disabled: bool
    human_takeover: bool
    powered_by: str
    queued: bool | UnsetType = UNSET
    dry_run: bool | UnsetType = UNSET


class TeliNewCampaign(Struct):
    """`POST /v1/campaigns`."""

    campaign_id: NewCampaignId
    campaign_name: Name
    organization_id: Name
    user_id: Name
    sms_agent_id: Name
    teli_sms_number: Annotated[str, Meta(pattern=NAMED, max_length=64, description="The sender, with or without +")]
    contacts: Annotated[list[Lead], Meta(min_length=1, max_length=CONTACTS_MAX)]
    enable_sms_to_voice: bool | None = False
    voice_agent_id: str | None = None
    outbound_number: str | None = None
    dry_run: Annotated[bool | None, Meta(description="Sends of the campaign are answered, and nothing goes out")] = False
    enable_number_validation: bool | None = False
    mms_media_url: str | None = None
    followup_interval: int | float | None = 0
    extraction_fields: list[Any] | None = None
    custom_follow_up: Any = None


class TeliCampaignAgent(Struct):
    """The agent that a campaign names."""

    agent_id: str
    agent_name: str | None


class TeliCampaignUpload(Struct):
    """What became of the contacts."""

    total_contacts: int
    invalid_leads_count: int
    estimated_processing_seconds: int
    has_drips: bool
    voice_transfer_enabled: bool


class TeliNewCampaignAnswer(Struct):
    """200. All contacts are stored when it comes, so the status is `active`."""

    success: bool
    campaign_id: str
    status: str
    message: str
    agent: TeliCampaignAgent
    details: TeliCampaignUpload
    powered_by: str


class TeliCampaign(Struct):
    """One campaign. `status`: ACTIVE, PAUSED, COMPLETED or ENDED, by what became of its sends; ACTIVE before the first."""

    campaign_id: str
    campaign_name: str
    status: str
    sms_agent_id: str | None
    organization_id: str
    outbound_number: str | None
    direction: str
    total_contacts: int
    total_messages: int
    created_at: str
    enable_sms_to_voice: bool
    drip_schedule: list[Any]
    extraction_fields: list[Any]


class TeliCampaignAnswer(Struct):
    """`GET /v1/campaigns/{campaign_id}`."""

    success: bool
    campaign: TeliCampaign
    powered_by: str


class TeliListedCampaign(Struct):
    """One of an organization's campaigns; `status` as when one is read."""

    campaign_id: str
    campaign_id_pk: str
    campaign_name: str
    campaign_type: str
    status: str
    campaign_create_time: str
    sms_agent_id: str | None
    teli_sms_number: str | None
    starting_message: str | None
    objective_prompt: str | None
    organization_id: str
    user_id: str
    created_by_user_id: str
    tenant_id: str
    enable_sms_to_voice: bool
    voice_agent_id: str | None
    outbound_number: str | None
    drip_enabled: bool
    drip_schedule: list[Any]
    drip_start_datetime: str | None
    mms_media_url: str | None
    followup_interval: int | float
    use_jit_queue: bool
    dry_run: bool
    enable_number_validation: bool
    extraction_fields: list[Any]
    custom_follow_up: Any


class TeliCampaigns(Struct):
    """`GET /v1/organizations/{org_id}/campaigns`."""

    success: bool
    count: int
    campaigns: list[TeliListedCampaign]
    powered_by: str


class TeliMessage(Struct, gc=False):
    """One text. `sender_type`: `agent` for ours, `user` for theirs. `status` and `queued` as in a bulk send's results."""

    message_id: str
    phone_number: str
    from_number: str | None
    to_number: str
    message: str
    sender_type: str
    timestamp: str
    thread_id: str
    status: str
    queued: bool | UnsetType = UNSET


class TeliMessages(Struct):
    """`GET /v1/campaigns/{campaign_id}/messages`, the newest first."""

    success: bool
    messages: list[TeliMessage]
    count: int
    has_more: bool
    powered_by: str


class TeliNewContact(Struct):
    """`POST /v1/contacts`. Every other field is kept with the contact."""

    phone_number: Phone
    organization_id: Annotated[str | None, Meta(description="By default the key's own")] = None
    user_id: str | None = None
    list_id: Annotated[str, Meta(max_length=200, description="By default a new list is made")] | None = None
    campaign_id: Annotated[str | None, Meta(description="Adds the contact to this campaign too")] = None
    first_name: Any = None
    last_name: Any = None
    email: Any = None


class TeliNewContactAnswer(Struct):
    """201. `group_name` names a list that was there, `list_created` says that it was made."""

    success: bool
    contact_id: str
    list_id: str
    message: str
    powered_by: str
    group_name: str | UnsetType = UNSET
    list_created: bool | UnsetType = UNSET


class TeliNewOrganization(Struct):
    """`POST /v1/organizations`."""

    name: Annotated[str, Meta(pattern=NAMED, max_length=100)]
    contact_email: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+(?![\s\S])", max_length=254)]


class TeliMadeOrganization(Struct):
    """An organization as its making answers it. `unique_id` is what `organization_id` means everywhere."""

    unique_id: str
    name: str
    sms_active: bool
    teli_sms_number: str | None
    sms_registration_status: str


class TeliNewOrganizationAnswer(Struct):
    """200."""

    success: bool
    organization: TeliMadeOrganization
    powered_by: str


class TeliOrganization(Struct):
    """An organization that the key acts for."""

    id: str
    unique_id: str
    name: str
    organization_name: str
    tenant_id: str
    status: str
    contact_email: str | None
    sms_active: bool
    teli_sms_number: str | None
    sms_phone_number: str | None
    sms_registration_status: str
    business_registration_id: str | None
    sms_registration_id: str | None
    sms_registration_uuid: str | None
    registration_submitted_at: str | None
    registration_approved_at: str | None
    total_sms_outbound: int
    total_sms_inbound: int
    total_mms_outbound: int
    total_mms_inbound: int
    total_voice_seconds: int
    created_at: str
    modified_at: str
    updated_at: str


class TeliOrganizations(Struct):
    """`GET /v1/organizations`."""

    success: bool
    count: int
    organizations: list[TeliOrganization]
    powered_by: str


class TeliOrganizationAnswer(Struct):
    """`GET /v1/organizations/{org_id}`."""

    success: bool
    organization: TeliOrganization
    powered_by: str


class TeliRefused(Struct):
    """Every refusal."""

    error: str
    success: bool
    powered_by: str
