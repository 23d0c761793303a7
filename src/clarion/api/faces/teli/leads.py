"""Leads as they come in JSON: objects with a number and whatever else the client keeps."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clarion.api.faces.teli.choices import FIELDS_BYTES_MAX
from clarion.core.phone import parse_many

PHONE = "phone_number"

_OBJECT = msgspec.json.Decoder(dict[str, Any])


def read_leads(leads: Sequence[msgspec.Raw], region: str) -> tuple[list[tuple[int, str]], int]:
    """(number, other fields as JSON) of each lead that has a number, and how many have none or are no objects."""
    objects = [read_lead(lead) for lead in leads]
    numbers = parse_many([phone_of(each) for each in objects], region)
    records = [(number, fields_of(each, PHONE)) for number, each in zip(numbers, objects, strict=True) if number]
    return records, len(leads) - len(records)


def read_lead(lead: msgspec.Raw | bytes) -> dict[str, Any]:
    """Empty for what is no object, or larger than what is kept beside a contact."""
    if len(memoryview(lead)) > FIELDS_BYTES_MAX:
        return {}
    try:
        return _OBJECT.decode(lead)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def phone_of(lead: dict[str, Any]) -> str:
    """Also where it came as a number."""
    phone = lead.get(PHONE)
    if isinstance(phone, int) and not isinstance(phone, bool):
        return str(phone)
    return phone if isinstance(phone, str) else ""


def fields_of(lead: dict[str, Any], *without: str) -> str:
    """What is kept of a lead beside its number, as JSON."""
    return msgspec.json.encode({name: value for name, value in lead.items() if name not in without}).decode()
