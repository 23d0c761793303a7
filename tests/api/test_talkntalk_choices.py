"""The vendor's words: labels (choices, table of states), senders, networks, times."""

import re
from uuid import UUID

import pytest
from phonenumbers.carrierdata import CARRIER_DATA

from clarion.api.faces.talkntalk.choices import (
    LABELS,
    SENDER_PATTERN,
    campaign_status,
    delivery_rate,
    local_time,
    states_labelled,
    utc_time,
)
from clarion.api.faces.talkntalk.networks import network_of
from clarion.api.faces.talkntalk.shapes import Label
from clarion.core.states import State
from clarion.store.views import BroadcastView


def test_every_state_has_a_label_and_every_label_finds_its_states() -> None:
    assert set(LABELS) == set(State)
    assert set(LABELS.values()) == set(Label)
    assert {state for label in Label for state in states_labelled(label)} == set(State)
    assert states_labelled("queued") == {"waiting", "retry"}
    assert states_labelled("sent") == {"marked", "unknown", "undetermined", "sent"}
    assert states_labelled("failed") == {"refused", "suppressed", "expired"}


@pytest.mark.parametrize(
    "sender",
    [
        "TALKNTALK",
        "A",
        "SAVE-20",
        "M&S",
        "My Shop",
        "0722000000",
        "+254722000000",
        "22141",
        "123456789012345",
        "a1234567890",
        "1234567890a",
    ],
)
def test_legal_senders(sender: str) -> None:
    assert re.search(SENDER_PATTERN, sender)


@pytest.mark.parametrize(
    "sender",
    [
        "",
        " ",
        "ABCDEFGHIJKL",
        "1234567890ab",
        "1234567890123456",
        "+",
        "++254",
        "12-34",
        "***",
        " SHOP",
        "SHOP ",
        "SHOP\n",
        "DUKÁ",
        "ДУКА",
        "A[B]",
        "A{B",
        "SHOP\0",
        "٠٧٢٢",
    ],
)
def test_senders_that_no_carrier_takes(sender: str) -> None:
    assert not re.search(SENDER_PATTERN, sender)


VENDORS_NAMES = {"Safaricom": "safaricom", "Airtel": "airtel", "Telkom": "telkom", "JTL": "faiba"}


def test_networks_are_those_of_the_carrier_data() -> None:
    allotted = {int(prefix): names["en"] for prefix, names in CARRIER_DATA.items() if prefix.startswith("254")}
    assert len(allotted) > 20
    for prefix, name in allotted.items():
        number = int(str(prefix).ljust(12, "5"))
        longest = max((known for known in allotted if str(number).startswith(str(known))), key=lambda known: len(str(known)))
        assert longest == prefix, "a number of one prefix must not fall under a longer one"
        assert network_of(number) == VENDORS_NAMES.get(name, "other"), prefix


@pytest.mark.parametrize("number", [256772123456, 15551234567, 25472, 254200000000, 1])
def test_other_numbers_have_other_networks(number: int) -> None:
    assert network_of(number) == "other"


def test_times_are_in_the_organizations_zone() -> None:
    assert local_time(1_763_856_000_123_456, "Africa/Nairobi") == "2025-11-23T03:00:00.123456+03:00"
    assert local_time(1_763_856_000_000_000, "America/New_York") == "2025-11-22T19:00:00-05:00"
    assert utc_time(1_763_856_000_000_000) == "2025-11-23T00:00:00+00:00"


def view(state: str = "accepted", started_at: int | None = 1, recipients: int = 10, **counts: int) -> BroadcastView:
    return BroadcastView(
        id=1,
        public_id=UUID(int=1),
        organization_id=1,
        face="talkntalk",
        lane=2,
        state=state,
        reason=None,
        sender=None,
        text="x",
        first_id=1,
        last_id=recipients,
        rejected=0,
        created_at=0,
        started_at=started_at,
        finished_at=None,
        expires_at=None,
        counts=counts,
        on_the_way=0,
    )


@pytest.mark.parametrize(
    ("broadcast", "status"),
    [
        (view(started_at=None), "queued"),
        (view(), "running"),
        (view("paused"), "running"),
        (view("paused", None), "queued"),
        (view("cancelling"), "running"),
        (view("cancelled"), "cancelled"),
        (view("completed", sent=1, refused=9), "completed"),
        (view("completed", refused=10), "failed"),
        (view("completed", recipients=0), "failed"),
        (view("completed", unknown=1, refused=9), "completed"),
        (view("completed", undetermined=10), "completed"),
    ],
)
def test_status_of_a_campaign(broadcast: BroadcastView, status: str) -> None:
    assert campaign_status(broadcast) == status


@pytest.mark.parametrize(
    ("broadcast", "rate"),
    [
        (view(sent=1, delivered=2, undelivered=3, refused=4), 60.0),
        (view(recipients=3, delivered=1), 33.3),
        (view(recipients=3, delivered=2), 66.7),
        (view(recipients=0), 0.0),
    ],
)
def test_delivery_rate_is_sent_to_recipients(broadcast: BroadcastView, rate: float) -> None:
    assert delivery_rate(broadcast) == rate
