"""Examples and parameters of Teli's endpoints for the OpenAPI document; the bulk send's is the seed's."""

from collections.abc import Mapping
from typing import Any

CAMPAIGN_ID = "camp_abc123"
ORGANIZATION_ID = "018f3a2b-7c1d-7e4a-9b2c-3d4e00000000"
USER_ID_TEXT = "1762896364768x389173798861431550"

BULK_SEND = {
    "campaign_id": CAMPAIGN_ID,
    "phone_numbers": ["+15551234567", "+15559876543", "+15558765432"],
    "message": "Hi! We have a special offer for you. Reply YES to learn more.",
}

SEND = {"campaign_id": CAMPAIGN_ID, "phone_number": "+15551234567", "message": "Hello, this is Anna. I will take it from here."}

CAMPAIGN = {
    "campaign_id": CAMPAIGN_ID,
    "campaign_name": "Spring offer",
    "organization_id": ORGANIZATION_ID,
    "user_id": USER_ID_TEXT,
    "sms_agent_id": "1762896401127x120045830017765541",
    "teli_sms_number": "+15550001111",
    "contacts": [
        {"phone_number": "+15551234567", "first_name": "Ann", "unique_id": "lead-1"},
        {"phone_number": "+15559876543", "first_name": "Ben", "company": "Acme"},
    ],
}

CONTACT = {"phone_number": "+15558765432", "first_name": "Cleo", "organization_id": ORGANIZATION_ID, "user_id": USER_ID_TEXT}

ORGANIZATION = {"name": "Acme West", "contact_email": "ops@acme.example"}

CAMPAIGN_PATH: Mapping[str, Any] = {
    "name": "campaign_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
    "example": CAMPAIGN_ID,
}

ORGANIZATION_PATH: Mapping[str, Any] = {
    "name": "org_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
    "example": ORGANIZATION_ID,
}

SINCE: Mapping[str, Any] = {
    "name": "since",
    "in": "query",
    "description": "Only messages later than this",
    "schema": {"type": "string", "format": "date-time"},
}

USER_ID: Mapping[str, Any] = {
    "name": "user_id",
    "in": "query",
    "required": True,
    "description": "Whose campaigns",
    "schema": {"type": "string", "minLength": 1},
    "example": USER_ID_TEXT,
}

IS_ADMIN: Mapping[str, Any] = {
    "name": "is_admin",
    "in": "query",
    "description": "All campaigns of the organization instead",
    "schema": {"type": "boolean", "default": False},
}


def limit(default: int, most: int) -> Mapping[str, Any]:
    """How many at most."""
    return {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": most, "default": default}}
