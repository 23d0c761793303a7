"""The ids the world sees."""

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.core import public_id

micros = st.integers(0, (1 << 48) * 1000 - 1)
bits = st.integers(0, (1 << public_id.RANDOM_BITS) - 1)
offsets = st.integers(0, public_id.OFFSET_MAX)


@given(micros, bits)
def test_it_is_a_uuid_of_version_7(now_micros: int, random_bits: int) -> None:
    made = public_id.make(now_micros, random_bits)
    assert made.version == 7
    assert made.variant == RFC_4122
    assert made.int >> 80 == now_micros // 1000
    assert made.int & 0xFFFF_FFFF == 0


@given(micros, bits, bits)
def test_every_random_bit_counts(now_micros: int, one: int, other: int) -> None:
    assert (public_id.make(now_micros, one) == public_id.make(now_micros, other)) == (one == other)


def test_only_the_lowest_random_bits_count() -> None:
    assert public_id.make(0, (1 << 64) - 1) == public_id.make(0, (1 << public_id.RANDOM_BITS) - 1)


@given(micros, micros, bits, bits)
def test_ids_sort_by_time(one: int, other: int, one_bits: int, other_bits: int) -> None:
    if one // 1000 < other // 1000:
        assert str(public_id.make(one, one_bits)) < str(public_id.make(other, other_bits))


@given(micros, bits, offsets)
def test_messages_carry_their_offset(now_micros: int, random_bits: int, offset: int) -> None:
    broadcast = public_id.make(now_micros, random_bits)
    text = f"{public_id.message_ids(broadcast)}{offset:08x}"
    assert len(text) == 36
    assert str(UUID(text)) == text
    assert public_id.split(UUID(text)) == (broadcast, offset)
    assert public_id.parse(text) == (broadcast, offset)
    assert public_id.parse(text.upper()) == (broadcast, offset)


def test_the_form() -> None:
    made = public_id.make(1_700_000_000_000_000, 0xABC_3FFF_FFFF)
    assert str(made).endswith("-ffff00000000") or str(made)[28:] == "00000000"
    assert str(made) == "018bcfe5-6800-7af0-bfff-ffff00000000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "d233b38d-f0c6-419a-bb29-272eeaa914c3",
        "{018bcfe5-6800-7af0-bfff-ffff00000001}",
        "urn:uuid:018bcfe5-6800-7af0-bfff-ffff00000001",
        "018bcfe568007af0bfffffff00000001",
        "018bcfe5-6800-7af0-bfff-ffff0000000१",
        "018bcfe5-6800-7af0-cfff-ffff00000001",
        "018bcfe5-6800-7af0-bfff-ffff00000001\n",
        " 018bcfe5-6800-7af0-bfff-ffff00000001",
        "018bcfe5-6800-7af0-bfff-ffff000000011",
    ],
)
def test_what_is_no_id_of_ours(text: str) -> None:
    assert public_id.parse(text) is None
