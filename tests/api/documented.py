"""Every field of the three faces' requests and answers with its source, and every status that their documents list.

D: documented, by a seed or the vendor's page (T: docs.teli.ai/partner-api, N: developers.talkntalk.africa, K: docs.teekrr.com).
I: inferred from the page that is named. C: chosen by us.
"""

PAGES = "total page page_size total_pages next previous results"

EVERY = "I T:errors: in every answer"

LISTED_CAMPAIGN = (
    "campaign_id campaign_id_pk campaign_name campaign_type status campaign_create_time sms_agent_id teli_sms_number starting_message"
    " objective_prompt organization_id user_id created_by_user_id tenant_id enable_sms_to_voice voice_agent_id outbound_number drip_enabled"
    " drip_schedule drip_start_datetime mms_media_url followup_interval use_jit_queue dry_run enable_number_validation extraction_fields"
    " custom_follow_up"
)

LISTED_ORGANIZATION = (
    "id unique_id name organization_name tenant_id status contact_email sms_active teli_sms_number sms_phone_number sms_registration_status"
    " business_registration_id sms_registration_id sms_registration_uuid registration_submitted_at registration_approved_at"
    " total_sms_outbound total_sms_inbound total_mms_outbound total_mms_inbound total_voice_seconds created_at modified_at updated_at"
)

TALKNTALK = [
    ("talkntalk_send_bulk", "body", "D seed 002, Request Body", "", "recipients message sender_id"),
    ("talkntalk_send_bulk", "answer", "D seed 002, Response", "", "queued failed total sender_id results errors"),
    ("talkntalk_send_bulk", "answer", "D seed 002, Response", "results[].", "id mobile status"),
    ("talkntalk_send_bulk", "answer", "D seed 002, Response", "errors[].", "mobile error detail"),
    ("talkntalk_send_bulk", "answer", "I seed 002, Tracking your campaign: promised, not shown", "", "campaign_id"),
    ("talkntalk_send", "body", "D N:sms/send-sms", "", "mobile message sender_id"),
    ("talkntalk_send", "answer", "D N:sms/send-sms", "", "id mobile sender_id message status created_at"),
    ("talkntalk_campaign_status", "body", "D N:sms/campaign-status", "", "campaign_id"),
    ("talkntalk_campaign_status", "answer", "D N:sms/campaign-status", "", "campaign_id status message sender_id recipients_count"),
    ("talkntalk_campaign_status", "answer", "D N:sms/campaign-status", "", "sent_count failed_count delivery_rate"),
    ("talkntalk_campaign_status", "answer", "D N:sms/campaign-status", "", "created_at started_at finished_at"),
    ("talkntalk_campaign_messages", "query", "I N:contacts/address-book-contacts", "", "page page_size"),
    ("talkntalk_campaign_messages", "body", "I N:contacts/address-book-contacts, N:sms/fetch-messages", "", "campaign_id status"),
    ("talkntalk_campaign_messages", "answer", "I N:contacts/address-book-contacts", "", f"campaign_id {PAGES}"),
    ("talkntalk_campaign_messages", "answer", "I N:sms/fetch-messages", "results[].", "id mobile sender_id status network"),
    ("talkntalk_campaign_messages", "answer", "I N:sms/fetch-messages", "results[].", "created_at updated_at"),
    ("talkntalk_campaign_messages", "answer", "C", "results[].", "error"),
    ("talkntalk_verify", "answer", "D N:authentication/verify", "", "api version organisation"),
    ("talkntalk_verify", "answer", "D N:authentication/verify", "organisation.", "id name slug"),
    ("talkntalk_balance", "answer", "D N:billing/balance", "", "organisation balance currency retrieved_at"),
    ("talkntalk_sender_ids", "answer", "D N:sms/sender-ids", "", "count results"),
    ("talkntalk_sender_ids", "answer", "D N:sms/sender-ids", "results[].", "id sender_id type network status is_default provider"),
    ("talkntalk_messages", "query", "D N:sms/fetch-messages", "", "page page_size status mobile sender_id source"),
    ("talkntalk_messages", "answer", "D N:sms/fetch-messages", "", PAGES),
    ("talkntalk_messages", "answer", "D N:sms/fetch-messages", "results[].", "id mobile sender_id message status network source"),
    ("talkntalk_messages", "answer", "D N:sms/fetch-messages", "results[].", "scheduled_at created_at updated_at"),
    ("talkntalk_messages", "answer", "C", "results[].", "error"),
]

TELI = [
    ("teli_bulk_send", "body", "D seed 000, Request Body", "", "campaign_id phone_numbers message"),
    ("teli_bulk_send", "answer", "D seed 000, Response", "", "success message total sent failed results powered_by"),
    ("teli_bulk_send", "answer", "D seed 000, Example Response", "results[].", "phone_number status error"),
    ("teli_bulk_send", "answer", "C", "", "results[].queued dry_run"),
    ("teli_send", "body", "D T:messages/send-sms", "", "campaign_id phone_number message"),
    ("teli_send", "answer", "D T:messages/send-sms", "", "success message phone_number campaign_id powered_by"),
    ("teli_send", "answer", "D T:messages/send-sms", "", "thread_qualified ai_disabled human_takeover"),
    ("teli_send", "answer", "C", "", "queued dry_run"),
    ("teli_create_campaign", "body", "D T:campaigns/create", "", "campaign_id campaign_name organization_id user_id sms_agent_id"),
    ("teli_create_campaign", "body", "D T:campaigns/create", "", "teli_sms_number contacts"),
    ("teli_create_campaign", "body", "D T:campaigns/create", "contacts[].", "phone_number unique_id"),
    ("teli_create_campaign", "body", "D T:campaigns/list-sms, Variables", "contacts[].", "first_name"),
    ("teli_create_campaign", "body", "D T:campaigns/create", "", "enable_sms_to_voice voice_agent_id outbound_number dry_run"),
    ("teli_create_campaign", "body", "D T:campaigns/create", "", "mms_media_url followup_interval extraction_fields custom_follow_up"),
    ("teli_create_campaign", "body", "D T:campaigns/list-sms", "", "enable_number_validation"),
    ("teli_create_campaign", "answer", "D T:campaigns/create", "", "success campaign_id status message agent details powered_by"),
    ("teli_create_campaign", "answer", "D T:campaigns/create", "agent.", "agent_id agent_name"),
    ("teli_create_campaign", "answer", "D T:campaigns/create", "details.", "total_contacts invalid_leads_count has_drips"),
    ("teli_create_campaign", "answer", "D T:campaigns/create", "details.", "estimated_processing_seconds voice_transfer_enabled"),
    ("teli_campaign", "path", "D T:campaigns/get", "", "campaign_id"),
    ("teli_campaign", "answer", "D T:campaigns/get", "", "campaign"),
    ("teli_campaign", "answer", "D T:campaigns/get", "campaign.", "campaign_id campaign_name status sms_agent_id organization_id"),
    ("teli_campaign", "answer", "D T:campaigns/get", "campaign.", "outbound_number direction total_contacts total_messages created_at"),
    ("teli_campaign", "answer", "D T:campaigns/get", "campaign.", "enable_sms_to_voice drip_schedule extraction_fields"),
    ("teli_campaign", "answer", EVERY, "", "success powered_by"),
    ("teli_campaign_messages", "path", "D T:campaigns/messages", "", "campaign_id"),
    ("teli_campaign_messages", "query", "D T:campaigns/messages", "", "since limit"),
    ("teli_campaign_messages", "answer", "D T:campaigns/messages", "", "success messages count has_more powered_by"),
    ("teli_campaign_messages", "answer", "D T:campaigns/messages", "messages[].", "message_id phone_number from_number to_number"),
    ("teli_campaign_messages", "answer", "D T:campaigns/messages", "messages[].", "message sender_type timestamp thread_id"),
    ("teli_campaign_messages", "answer", "C", "messages[].", "status queued"),
    ("teli_organization_campaigns", "path", "D T:campaigns/list-sms", "", "org_id"),
    ("teli_organization_campaigns", "query", "D T:campaigns/list-sms", "", "user_id is_admin"),
    ("teli_organization_campaigns", "answer", "D T:campaigns/list-sms", "", "success count campaigns"),
    ("teli_organization_campaigns", "answer", "D T:campaigns/list-sms", "campaigns[].", LISTED_CAMPAIGN),
    ("teli_organization_campaigns", "answer", EVERY, "", "powered_by"),
    ("teli_create_contact", "body", "I T:contacts/create", "", "phone_number organization_id user_id list_id first_name last_name email"),
    ("teli_create_contact", "body", "C", "", "campaign_id"),
    ("teli_create_contact", "answer", "D T:contacts/create-single", "", "success contact_id list_id group_name list_created message"),
    ("teli_create_contact", "answer", EVERY, "", "powered_by"),
    ("teli_create_organization", "body", "D T:organizations/create", "", "name contact_email"),
    ("teli_create_organization", "answer", "D T:organizations/create", "", "organization"),
    ("teli_create_organization", "answer", "D T:organizations/create", "organization.", "unique_id name sms_active teli_sms_number"),
    ("teli_create_organization", "answer", "D T:organizations/create", "organization.", "sms_registration_status"),
    ("teli_create_organization", "answer", EVERY, "", "success powered_by"),
    ("teli_organizations", "answer", "I T:campaigns/list-sms", "", "success count organizations powered_by"),
    ("teli_organizations", "answer", "D T:organizations/list", "organizations[].", LISTED_ORGANIZATION),
    ("teli_organization", "path", "D T:organizations/get", "", "org_id"),
    ("teli_organization", "answer", "I T:organizations/create", "", "organization"),
    ("teli_organization", "answer", "I T:organizations/list", "organization.", LISTED_ORGANIZATION),
    ("teli_organization", "answer", EVERY, "", "success powered_by"),
]

TEEKRR = [
    ("teekrr_send_sms", "body", "D seed 003, Request", "", "campaignName type templateName templateContent scheduledAt keyword"),
    ("teekrr_send_sms", "body", "D seed 003, Recipient modes", "", "recipients recipientVariables"),
    ("teekrr_send_sms", "answer", "D seed 003, Response, Idempotency", "", "data data.broadcastUuid"),
    ("teekrr_send_sms", "answer", "I K:api-reference/whats-app/send-whatsapp", "data.", "queued scheduledAt status"),
    ("teekrr_send_sms", "answer", "C", "data.", "rejected"),
]

STATUSES = [
    (r"talkntalk_send_bulk", "D seed 002, Response, Error Responses", "201 207 400 401 429"),
    (r"talkntalk_.*", "D N:authentication/overview, N:guides/rate-limits", "401 403 429 500"),
    (r"talkntalk_send", "D N:sms/send-sms", "201"),
    (r"talkntalk_campaign_.*", "I N:sms/campaign-status", "200 400 404"),
    (r"talkntalk_(verify|balance|sender_ids|messages)", "D N:sms/fetch-messages and its neighbours", "200"),
    (r"teli_bulk_send", "D seed 000, Error Responses", "200 400"),
    (r"teli_.*", "D T:errors", "401 403 500"),
    (r"teli_(bulk_send|send|create_campaign|campaign|campaign_messages)", "D T:errors", "200 404"),
    (r"teli_organization_campaigns", "D T:campaigns/list-sms", "200 400 500"),
    (r"teli_create_contact", "D T:contacts/create-single", "201 400"),
    (r"teekrr_send_sms", "D seed 003, Errors", "200 400 401 402 403 429 500"),
]
"""What operations of these names may answer."""
