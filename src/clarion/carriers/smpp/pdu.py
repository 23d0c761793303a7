"""The octets of SMPP 3.4 (sections 3.2, 4 and 5.3): PDUs to bytes and back, for both ends of a connection.

What cannot be read is a value, `Malformed`, with the command_status that answers it; nothing here raises on what a peer sent.
"""

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from clarion.carriers.smpp import status

HEADER: Final = struct.Struct(">IIII")
"""command_length, command_id, command_status, sequence_number (3.2)."""

HEADER_OCTETS: Final = 16
PDU_OCTETS_MAX: Final = 65_536
"""No PDU needs more: a message_payload carries at most 64 KiB less a header, and a length beyond it is garbage."""

SHOWN_OCTETS: Final = 40
"""Of what is no PDU."""

SEQUENCE_MAX: Final = 0x7FFFFFFF
INTERFACE_VERSION: Final = 0x34
SHORT_MESSAGE_OCTETS_MAX: Final = 254
LOGIN_OCTETS_MAX: Final = 64
"""Of a system_id or a password. The specification has 15 and 8 (5.2.1, 5.2.2); carriers give out longer ones and take them."""


RESPONSE: Final = 0x80000000
GENERIC_NACK: Final = 0x80000000
BIND_RECEIVER: Final = 0x00000001
BIND_TRANSMITTER: Final = 0x00000002
SUBMIT_SM: Final = 0x00000004
SUBMIT_SM_RESP: Final = 0x80000004
DELIVER_SM: Final = 0x00000005
DELIVER_SM_RESP: Final = 0x80000005
UNBIND: Final = 0x00000006
UNBIND_RESP: Final = 0x80000006
BIND_TRANSCEIVER: Final = 0x00000009
OUTBIND: Final = 0x0000000B
ENQUIRE_LINK: Final = 0x00000015
ENQUIRE_LINK_RESP: Final = 0x80000015
ALERT_NOTIFICATION: Final = 0x00000102
DATA_SM: Final = 0x00000103
DATA_SM_RESP: Final = 0x80000103

BINDS: Final = {"transmitter": BIND_TRANSMITTER, "receiver": BIND_RECEIVER, "transceiver": BIND_TRANSCEIVER}

GSM7_CODING: Final = 0
LATIN1_CODING: Final = 3
UCS2_CODING: Final = 8

USER_MESSAGE_REFERENCE: Final = 0x0204
RECEIPTED_MESSAGE_ID: Final = 0x001E
SAR_REFERENCE: Final = 0x020C
SAR_TOTAL: Final = 0x020E
SAR_PART: Final = 0x020F
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427
INTERFACE_VERSION_TAG: Final = 0x0210

PARAMETER: Final = struct.Struct(">HH")
FIXED_AFTER_VALIDITY: Final = struct.Struct("5B")


class Malformed(NamedTuple):
    """A PDU that cannot be read: the status that answers it, and why in words."""

    status: int
    reason: str


class BindRequest(NamedTuple):
    """The body of bind_transmitter, bind_receiver and bind_transceiver (4.1)."""

    system_id: str
    password: str
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION
    address_ton: int = 0
    address_npi: int = 0
    address_range: str = ""


class Message(NamedTuple):
    """The body that submit_sm (4.4.1) and deliver_sm (4.6.1) share. `parameters` are the octets of the optional ones."""

    source: str = ""
    destination: str = ""
    short_message: bytes = b""
    esm_class: int = 0
    data_coding: int = 0
    registered_delivery: int = 0
    source_ton: int = 0
    source_npi: int = 0
    destination_ton: int = 0
    destination_npi: int = 0
    service_type: str = ""
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present: int = 0
    default_message_id: int = 0
    parameters: bytes = b""


def frame(command: int, command_status: int, sequence: int, body: bytes = b"") -> bytes:
    """A whole PDU."""
    return HEADER.pack(HEADER_OCTETS + len(body), command, command_status, sequence) + body


def encode_bind(request: BindRequest) -> bytes:
    """The body of a bind. Raises ValueError where a field is longer than a carrier can be expected to take."""
    return b"".join(
        (
            _terminated("system_id", request.system_id, LOGIN_OCTETS_MAX),
            _terminated("password", request.password, LOGIN_OCTETS_MAX),
            _terminated("system_type", request.system_type, 12),
            bytes((request.interface_version, request.address_ton, request.address_npi)),
            _terminated("address_range", request.address_range, 40),
        )
    )


def decode_bind(pdu: bytes) -> BindRequest | Malformed:
    """The bind request in a whole PDU."""
    try:
        system_id, at = _text(pdu, HEADER_OCTETS)
        password, at = _text(pdu, at)
        system_type, at = _text(pdu, at)
        version, ton, npi = pdu[at], pdu[at + 1], pdu[at + 2]
        address_range, at = _text(pdu, at + 3)
    except (ValueError, IndexError):
        return Malformed(status.INVALID_LENGTH, "a bind ends in the middle of a field")
    return BindRequest(system_id, password, system_type, version, ton, npi, address_range)


def encode_message(message: Message) -> bytes:
    """The body of a submit_sm or deliver_sm. Raises ValueError where a field is longer than the specification allows."""
    if len(message.short_message) > SHORT_MESSAGE_OCTETS_MAX:
        raise ValueError(f"short_message has {len(message.short_message)} octets; at most {SHORT_MESSAGE_OCTETS_MAX}")
    return b"".join(
        (
            _terminated("service_type", message.service_type, 5),
            bytes((message.source_ton, message.source_npi)),
            _terminated("source_addr", message.source, 20),
            bytes((message.destination_ton, message.destination_npi)),
            _terminated("destination_addr", message.destination, 20),
            bytes((message.esm_class, message.protocol_id, message.priority_flag)),
            _terminated("schedule_delivery_time", message.schedule_delivery_time, 16),
            _terminated("validity_period", message.validity_period, 16),
            bytes((message.registered_delivery, message.replace_if_present, message.data_coding, message.default_message_id)),
            bytes((len(message.short_message),)),
            message.short_message,
            message.parameters,
        )
    )


def decode_message(pdu: bytes) -> Message | Malformed:
    """The submit_sm or deliver_sm in a whole PDU.

    Hot: one pass by hand, since the times of a receipt are almost always empty and only the addresses vary. Lengths of addresses
    are not held against a peer: some carriers write longer ones, and every field ends within the PDU either way.
    """
    try:
        service_end = pdu.index(0, HEADER_OCTETS)
        source_end = pdu.index(0, service_end + 3)
        destination_end = pdu.index(0, source_end + 3)
        schedule_end = pdu.index(0, destination_end + 4)
        validity_end = pdu.index(0, schedule_end + 1)
        registered, replace, coding, default, octets = FIXED_AFTER_VALIDITY.unpack_from(pdu, validity_end + 1)
    except (ValueError, struct.error):
        return Malformed(status.INVALID_LENGTH, "a message ends in the middle of a field")
    text_at = validity_end + 6
    text_end = text_at + octets
    if text_end > len(pdu):
        return Malformed(status.INVALID_LENGTH, f"sm_length says {octets} octets and {len(pdu) - text_at} are there")
    return Message(
        pdu[service_end + 3 : source_end].decode("latin-1"),
        pdu[source_end + 3 : destination_end].decode("latin-1"),
        pdu[text_at:text_end],
        pdu[destination_end + 1],
        coding,
        registered,
        pdu[service_end + 1],
        pdu[service_end + 2],
        pdu[source_end + 1],
        pdu[source_end + 2],
        pdu[HEADER_OCTETS:service_end].decode("latin-1"),
        pdu[destination_end + 2],
        pdu[destination_end + 3],
        pdu[destination_end + 4 : schedule_end].decode("latin-1"),
        pdu[schedule_end + 1 : validity_end].decode("latin-1"),
        replace,
        default,
        pdu[text_end:],
    )


def decode_data(pdu: bytes) -> Message | Malformed:
    """The data_sm (4.7.1) in a whole PDU: a message whose text, if it has one, is in its parameters."""
    try:
        service_type, at = _text(pdu, HEADER_OCTETS)
        source, destination_at = _text(pdu, at + 2)
        destination, kind_at = _text(pdu, destination_at + 2)
        esm_class, registered, coding = pdu[kind_at], pdu[kind_at + 1], pdu[kind_at + 2]
    except (ValueError, IndexError):
        return Malformed(status.INVALID_LENGTH, "a message ends in the middle of a field")
    return Message(
        source,
        destination,
        b"",
        esm_class,
        coding,
        registered,
        pdu[at],
        pdu[at + 1],
        pdu[destination_at],
        pdu[destination_at + 1],
        service_type,
        parameters=pdu[kind_at + 3 :],
    )


def encode_parameters(parameters: Mapping[int, bytes]) -> bytes:
    """Optional parameters (5.3): tag, length, value."""
    return b"".join(PARAMETER.pack(tag, len(value)) + value for tag, value in parameters.items())


def decode_parameters(octets: bytes) -> dict[int, bytes]:
    """Optional parameters by tag. Reading ends at the first one whose length lies: what was read before it still counts."""
    found: dict[int, bytes] = {}
    at, end = 0, len(octets)
    while at + 4 <= end:
        tag, length = PARAMETER.unpack_from(octets, at)
        at += 4
        if at + length > end:
            break
        found[tag] = octets[at : at + length]
        at += length
    return found


def message_id_of(pdu: bytes) -> str:
    """The message_id in a submit_sm_resp; empty where there is none. An unterminated one ends with the PDU."""
    end = pdu.find(0, HEADER_OCTETS)
    return pdu[HEADER_OCTETS : end if end >= 0 else None].decode("latin-1")


def is_text(octets: bytes) -> bool:
    """Whether what should be a PDU begins as another protocol's lines of text do. No length that may be is made of such octets."""
    begun = octets[:HEADER_OCTETS].translate(None, b"\t\r\n")
    return begun.isascii() and begun.decode("ascii").isprintable()


def length_fault(octets: bytes) -> str:
    """Why these octets, whose command_length cannot be, are no PDU."""
    if is_text(octets):
        return f"{octets[:SHOWN_OCTETS].decode('latin-1')!r} is no PDU"
    length = int.from_bytes(octets[:4], "big")
    if length < HEADER_OCTETS:
        return f"a PDU says that it has {length} octets, fewer than its header"
    return f"a PDU says that it has {length} octets, more than {PDU_OCTETS_MAX}"


def _terminated(name: str, text: str, characters_max: int) -> bytes:
    octets = text.encode("latin-1", "replace")
    if len(octets) > characters_max or 0 in octets:
        raise ValueError(f"{name} has {len(octets)} octets; at most {characters_max}, none of them zero")
    return octets + b"\0"


def _text(pdu: bytes, at: int) -> tuple[str, int]:
    end = pdu.index(0, at)
    return pdu[at:end].decode("latin-1"), end + 1
