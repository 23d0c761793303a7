"""Phone numbers: any spelling to the digits of E.164. The `phonenumbers` package is the authority.

It takes 20 to 100 microseconds a number, so the usual spellings are decided by expressions put together from its own metadata
(`_Forms`). These decide only where it would surely say the same, and leave everything else to it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberFormat, ValidationResult
from phonenumbers.phonemetadata import PhoneNumberDesc

# The longest honest spelling, "+" and 15 digits with a mark between any two, has 31; an expression must not run over a whole body.
TEXT_LENGTH_MAX = 64

# What people put between digits: spaces, brackets, dots, slashes, every dash, and the invisible marks that come from address books.
_BETWEEN = re.compile(r"[\s().\[\]/\-\u200b-\u2015\u202a-\u202e\u2060-\u2069\u2212\ufeff\uff0d]+")
# The longest national number that the authority knows has 17 digits; a calling code and what is dialled for abroad add up to 11.
_DIGITS = re.compile(r"\+?[0-9]{1,28}")

# A currency's code begins with its country's (ISO 4217), but for those that several countries share or that name no country.
_REGION_OF_SHARED_CURRENCY = {"EUR": "DE", "XAF": "CM", "XCD": "AG", "XCG": "CW", "ANG": "CW", "XOF": "SN", "XPF": "PF"}


def parse(text: str, region: str) -> int | None:
    """The digits of E.164 as an integer, or None if the text cannot be a phone number.

    `region` (ISO 3166, `KE`) is where bare digits are at home: they are national if that is a valid number there (with or
    without the trunk prefix, or in the international form of that country), else international, else national if that is at
    least possible. A number that is possible but not assigned passes. Letters, extensions, digits of other
    scripts, and what can be dialled only locally are refused.
    """
    forms = _forms(region.upper())
    return _quickly(text, forms) or _thoroughly(text, forms)


def parse_many(texts: Sequence[str], region: str) -> list[int | None]:
    """`parse` for each."""
    forms = _forms(region.upper())
    return [_quickly(text, forms) or _thoroughly(text, forms) for text in texts]


def default_region(currency: str) -> str:
    """Where an organization with this currency (ISO 4217) is taken to be. Raises ValueError if the code names no country."""
    region = _REGION_OF_SHARED_CURRENCY.get(currency, currency[:2])
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"the currency {currency} belongs to no country: name the region")
    return region


def format_international(digits: int) -> str:
    """E.164 with its plus."""
    return f"+{digits}"


_Matches = Callable[[str], re.Match[str] | None]


class _Forms(NamedTuple):
    """What is decided without the authority, for one region. Both are tried on a whole text of bare digits.

    `national` finds the national number as `nsn`; `foreign` finds as `international` what surely is no national number, or is
    one in its international form.
    """

    region: str
    calling_code: str
    national: _Matches
    foreign: _Matches


def _quickly(text: str, forms: _Forms) -> int | None:
    if text[:1] == "+":
        return int(text) if _INTERNATIONAL[text[1:4]](text) else None
    if found := forms.national(text):
        return int(forms.calling_code + found["nsn"])
    if found := forms.foreign(text):
        digits = found["international"]
        return int(digits) if _INTERNATIONAL[digits[:3]](f"+{digits}") else None
    return None


def _thoroughly(text: str, forms: _Forms) -> int | None:
    # ".0" at the end is a number that went through a spreadsheet's or a program's floats: dropping the dot would add a digit.
    if len(text) > TEXT_LENGTH_MAX or text.endswith(".0"):
        return None
    digits = _BETWEEN.sub("", text)
    if not _DIGITS.fullmatch(digits):
        return None
    return (_quickly(digits, forms) if digits != text else None) or _ask(digits, forms.region)


def _ask(digits: str, region: str) -> int | None:
    """The authority's word on an optional plus and digits."""
    if digits[0] == "+":
        return _possible(_read(digits, None))
    national = _read(digits, region)
    if national is not None and phonenumbers.is_valid_number(national):
        return _possible(national)
    return _possible(_read("+" + digits.removeprefix("00"), None)) or _possible(national)


def _read(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _possible(number: PhoneNumber | None) -> int | None:
    if number is None or phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    return int(phonenumbers.format_number(number, PhoneNumberFormat.E164))


# What follows rests on how `phonenumbers.parse` reads: behind a calling code, or of bare digits, it takes off what the region's
# `national_prefix_for_parsing` matches. Where that matches nothing or nothing but an empty string, the digits stay as they are.


class _International(dict[str, _Matches]):
    """By the first three digits: matches a `+` and digits that the authority leaves as they are and calls possible."""

    def __missing__(self, first_digits: str) -> _Matches:
        calling_code = _calling_code(first_digits)
        if not calling_code:
            return _never
        main = _plan(calling_code)[0]
        start = rf"\+{calling_code}"
        self[first_digits] = re.compile(start + _without_prefix(main, start) + _of_length(main), re.ASCII).fullmatch
        return self[first_digits]


_INTERNATIONAL = _International()


@lru_cache(maxsize=256)  # more than there are regions
def _forms(region: str) -> _Forms:
    """A region that the authority does not know has no national numbers: bare digits are international."""
    if region not in phonenumbers.SUPPORTED_REGIONS:
        return _Forms(region, "", _never, re.compile("(?:00)?(?P<international>[1-9][0-9]*)").fullmatch)
    calling_code = str(phonenumbers.country_code_for_region(region))
    plan = _plan(calling_code)
    metadata = next(metadata for metadata in plan if metadata.id == region)
    prefix = metadata.national_prefix_for_parsing or ""
    domestic = f"(?!{metadata.international_prefix})" if metadata.international_prefix else ""
    # Possible for the region that stands for the calling code, too: the authority asks that one in the end.
    own = f"(?={_of_length(plan[0])}$)(?={_of_length(metadata)}$)(?=(?:{_general(metadata).national_number_pattern})$)"
    # What has a length that no number under this calling code has is not national, as it stands.
    lengths = _of_length(*plan)
    odd = f"(?!{lengths}$)"

    starts = [_without_prefix(metadata, "")]
    if prefix.isdecimal():
        starts.append(f"(?!{calling_code}){prefix}")
    national = f"{domestic}(?:{'|'.join(starts)})(?P<nsn>{own}{_assigned(calling_code).pattern})"

    starts = [
        f"{domestic}{odd}(?={calling_code}{_without_prefix(metadata, calling_code)}{own})",
        f"{domestic}{odd}(?!{calling_code}){_without_prefix(metadata, '')}",
    ]
    if metadata.international_prefix == "00":
        starts.append("00")
    elif prefix.isdecimal() or not prefix:
        starts.append(f"{domestic}{odd}(?!{prefix}{lengths}$)00")
    foreign = f"(?:{'|'.join(starts)})(?P<international>[1-9][0-9]*)"
    return _Forms(region, calling_code, re.compile(national, re.ASCII).fullmatch, re.compile(foreign, re.ASCII).fullmatch)


@lru_cache(maxsize=256)  # more than there are calling codes
def _assigned(calling_code: str) -> re.Pattern[str]:
    """Matches national numbers that are surely valid under a calling code, by whichever of its regions.

    Where regions share a code, some are told by leading digits before anything is validated: a number is decided here only if
    it has those of the region that it is valid in, and of no other.
    """
    plan = _plan(calling_code)
    choices = []
    for metadata in plan:
        others = [other.leading_digits for other in plan if other is not metadata and other.leading_digits]
        not_others = f"(?!{'|'.join(others)})" if others else ""
        leading = f"(?={metadata.leading_digits})" if metadata.leading_digits else ""
        # The commonest first: recipients of texts have mobile phones.
        kinds = [metadata.mobile, metadata.fixed_line, metadata.toll_free, metadata.premium_rate, metadata.shared_cost]
        kinds += [metadata.voip, metadata.personal_number, metadata.pager, metadata.uan, metadata.voicemail]
        patterns = [_described(kind) for kind in kinds if kind and kind.national_number_pattern]
        choices.append(f"{not_others}{leading}(?={_described(_general(metadata))}$)(?:{'|'.join(patterns)})$")
    return re.compile(f"(?:{'|'.join(choices)})", re.ASCII)


def _described(kind: PhoneNumberDesc) -> str:
    lengths = f"(?={_of_length_in(kind.possible_length)}$)" if kind.possible_length else ""
    return f"{lengths}(?:{kind.national_number_pattern})"


def _without_prefix(metadata: PhoneMetadata, start: str) -> str:
    """Behind `start` at the beginning of the text: no national prefix that is longer than nothing."""
    prefix = metadata.national_prefix_for_parsing
    return f"(?!(?:{prefix})(?<!^{start}))" if prefix else ""


def _of_length(*metadata: PhoneMetadata) -> str:
    return _of_length_in({length for region in metadata for length in _general(region).possible_length})


def _of_length_in(lengths: Iterable[int]) -> str:
    """Digits of one of these lengths; -1 stands for none in the metadata."""
    return f"(?:{'|'.join(rf'[0-9]{{{length}}}' for length in sorted(lengths) if length > 0) or '(?!)'})"


def _general(metadata: PhoneMetadata) -> PhoneNumberDesc:
    return metadata.general_desc or PhoneNumberDesc()


def _plan(calling_code: str) -> list[PhoneMetadata]:
    """The metadata of all regions that share a calling code, the one that stands for the code first."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(calling_code)]
    found = [PhoneMetadata.metadata_for_region_or_calling_code(int(calling_code), region) for region in regions]
    return [metadata for metadata in found if metadata is not None]


def _calling_code(digits: str) -> str:
    """The calling code that the digits begin with, or an empty string. None is the beginning of another."""
    if not (digits.isascii() and digits.isdecimal()) or digits[0] == "0":
        return ""
    return next((digits[:n] for n in (1, 2, 3) if int(digits[:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), "")


def _never(_text: str) -> None:
    return None
