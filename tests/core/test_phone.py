"""Phone numbers: spellings by table, and the quick expressions against the authority."""

import random
import re
from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType, ValidationResult

from clarion.core import phone
from clarion.core.phone import default_region, format_international, parse, parse_many

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@pytest.mark.parametrize(
    ("text", "region", "digits"),
    [
        # One number in every spelling.
        ("+254712345678", "KE", 254712345678),
        ("+254712345678", "US", 254712345678),
        ("+254 712 345 678", "KE", 254712345678),
        ("+254-712-345-678", "KE", 254712345678),
        ("(+254) 712.345.678", "KE", 254712345678),
        ("+254 (0)712 345678", "KE", 254712345678),
        ("+2540712345678", "KE", 254712345678),
        ("254712345678", "KE", 254712345678),
        ("254 712/345-678", "KE", 254712345678),
        ("0712345678", "KE", 254712345678),
        ("0712 345 678", "KE", 254712345678),
        (" 0712345678\r\n", "KE", 254712345678),
        ("712345678", "KE", 254712345678),
        ("00254712345678", "KE", 254712345678),
        ("000254712345678", "KE", 254712345678),
        ("00 254 712 345678", "KE", 254712345678),
        ("\u202a+254\u00a0712\u2011345\u2011678\u202c", "KE", 254712345678),
        ("0712345678", "ke", 254712345678),
        # Bare digits that are no number at home are international.
        ("256772123456", "KE", 256772123456),
        ("00256772123456", "KE", 256772123456),
        ("447911123456", "US", 447911123456),
        ("254712345678", "US", 254712345678),
        # Other homes: another prefix, none, the calling code as the prefix, shared plans, leading zeros that belong.
        ("012-345 6789", "MY", 60123456789),
        ("60123456789", "MY", 60123456789),
        ("(415) 555-2671", "US", 14155552671),
        ("1 415 555 2671", "US", 14155552671),
        ("011 254 712 345 678", "US", 254712345678),
        ("4165551234", "US", 14165551234),
        ("8 (912) 345-67-89", "RU", 79123456789),
        ("06 20 123 4567", "HU", 36201234567),
        ("06 1234 5678", "IT", 390612345678),
        ("+39 06 1234 5678", "KE", 390612345678),
        ("11 15-2345-6789", "AR", 5491123456789),
        ("07911 123456", "GB", 447911123456),
        # Possible, not assigned: it passes.
        ("+15551234567", "KE", 15551234567),
        ("+15559876543", "US", 15559876543),
        ("15551234567", "US", 15551234567),
        ("0312345678", "KE", 254312345678),
        # A region that nobody knows has no national numbers.
        ("254712345678", "XX", 254712345678),
        ("00254712345678", "", 254712345678),
        ("0712345678", "XX", None),
        # What cannot be a number.
        ("", "KE", None),
        ("+", "KE", None),
        ("++254712345678", "KE", None),
        ("254+712345678", "KE", None),
        ("hello", "KE", None),
        ("12345", "KE", None),
        ("+254", "KE", None),
        ("+0712345678", "KE", None),
        ("+040313091134", "KE", None),
        ("+15551234", "US", None),
        ("5551234", "US", None),
        ("+999123456789", "KE", None),
        ("+2547123456789012", "KE", None),
        ("0712345678/0722345678", "KE", None),
        ("0712345678, 0722345678", "KE", None),
        ("0712345678 ext. 5", "KE", None),
        ("0712345678x5", "KE", None),
        ("+254712345678;ext=5", "KE", None),
        ("tel:+254712345678", "KE", None),
        ("1-800-FLOWERS", "US", None),
        ("*144#", "KE", None),
        ("254712345678.0", "KE", None),
        ("2.54712345678E11", "KE", None),
        ("٠٧١٢٣٤٥٦٧٨", "KE", None),
        ("+２５４712345678", "KE", None),
        ("07１2345678", "KE", None),
        ("+254712345678" + " " * 52, "KE", None),
        ("0" * 64, "KE", None),
        ("9" * 5000, "KE", None),
    ],
)
def test_parse(text: str, region: str, digits: int | None) -> None:
    assert parse(text, region) == digits
    assert parse_many([text, "+14155552671", text], region) == [digits, 14155552671, digits]


def test_a_length_just_within_the_limit_passes() -> None:
    assert parse("+254712345678" + " " * (phone.TEXT_LENGTH_MAX - 13), "KE") == 254712345678


@pytest.mark.parametrize(
    ("currency", "region"), [("KES", "KE"), ("MYR", "MY"), ("USD", "US"), ("GBP", "GB"), ("EUR", "DE"), ("XOF", "SN"), ("NGN", "NG")]
)
def test_default_region(currency: str, region: str) -> None:
    assert default_region(currency) == region


@pytest.mark.parametrize("currency", ["XAU", "ZZZ", "", "kes"])
def test_a_currency_of_no_country(currency: str) -> None:
    with pytest.raises(ValueError, match="region"):
        default_region(currency)


def test_format_international() -> None:
    assert format_international(254712345678) == "+254712345678"


# ------------------------------------------------------------------------------------ against the authority


def read(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


def e164(number: phonenumbers.PhoneNumber | None) -> int | None:
    if number is None or phonenumbers.is_possible_number_with_reason(number) is not ValidationResult.IS_POSSIBLE:
        return None
    return int(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def by_the_authority(text: str, region: str) -> int | None:
    """The rule of `parse`, by `phonenumbers` alone."""
    if text.startswith("+"):
        return e164(read(text, None))
    national = read(text, region)
    if national and phonenumbers.is_valid_number(national):
        return e164(national)
    return e164(read("+" + re.sub("^00", "", text), None)) or e164(national)


def examples() -> list[tuple[str, phonenumbers.PhoneNumber]]:
    kinds = [kind for kind in PhoneNumberType.values() if kind != PhoneNumberType.UNKNOWN]
    found = [(region, phonenumbers.example_number_for_type(region, kind)) for region in REGIONS for kind in kinds]
    return [(region, number) for region, number in found if number is not None]


def spellings(number: phonenumbers.PhoneNumber, chance: random.Random) -> Iterator[str]:
    """The number as people write it, and what becomes of it when they err."""
    international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    dialled = re.sub("[^0-9]", "", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    bare = phonenumbers.national_significant_number(number)
    correct = [
        international,
        international[1:],
        "00" + international[1:],
        dialled,
        bare,
        "0" + bare,
        "1" + bare,
        international[: -len(bare)] + dialled,
    ]
    yield from correct
    wrong = list(chance.choice(correct))
    wrong[chance.randrange(1, len(wrong))] = chance.choice("0123456789")
    yield "".join(wrong)
    yield chance.choice(correct) + chance.choice("0123456789")
    yield chance.choice(correct)[:-1]


def test_what_is_decided_quickly_is_what_the_authority_says() -> None:
    chance = random.Random(7)
    tried = decided = 0
    for region, number in chance.sample(examples(), 700):
        for text in spellings(number, chance):
            for home in (region, chance.choice(["KE", "US", "MY", "GB", "AR", "BR", "IT", "CA", "RU", *REGIONS])):
                expected = by_the_authority(text, home)
                quick = phone._quickly(text, phone._forms(home))
                assert quick in {None, expected}, (text, home)
                assert parse(text, home) == expected, (text, home)
                tried += 1
                decided += quick is not None
    # Most honest spellings need no authority; else the quick way would be right and of no use.
    assert decided > tried / 2


@given(st.text("+0123456789 -()", max_size=24), st.sampled_from(REGIONS))
def test_anything_is_a_number_or_none(text: str, region: str) -> None:
    cleaned = re.sub("[ ()-]", "", text)
    found = parse(text, region)
    assert found == (by_the_authority(cleaned, region) if re.fullmatch("[+]?[0-9]+", cleaned) else None)
    if found is not None:
        assert parse(format_international(found), region) is not None


@given(st.text(max_size=80), st.sampled_from(["KE", "US", "XX"]))
def test_no_text_breaks_it(text: str, region: str) -> None:
    found = parse(text, region)
    assert found is None or 6 <= len(str(found)) <= 17


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_forms(region: str) -> None:
    """All expressions compile, and the region's own example passes in the forms it is dialled in."""
    number = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE) or phonenumbers.example_number(region)
    assert number is not None
    digits = e164(number)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    assert digits is not None
    assert parse(national, region) == digits
    assert parse(f"+{digits}", region) == digits
