"""Money: integer thousandths of a currency's minor unit, so 1.00 KES is 100,000. Never a float."""

import re

# ISO 4217 (list one, amendment 179): the currencies by their decimals, but for those of 2.
_WITHOUT_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_3_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_WITH_4_DECIMALS = "CLF UYW"
_WITH_2_DECIMALS = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR "
    "KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK "
    "PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD "
    "USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_MINOR_DIGITS = (
    dict.fromkeys(_WITHOUT_DECIMALS.split(), 0)
    | dict.fromkeys(_WITH_2_DECIMALS.split(), 2)
    | dict.fromkeys(_WITH_3_DECIMALS.split(), 3)
    | dict.fromkeys(_WITH_4_DECIMALS.split(), 4)
)

# A thousandth of the minor unit: prices of a text are quoted in as little as a hundredth of a cent.
_MILLI_DIGITS = 3

AMOUNT_MILLI_MAX = 10**15
"""The largest amount that is read, ten thousand million shillings: sums of thousands of them still fit 64 bits."""

# A sign, 16 digits, a point and 7 decimals are 25; the rest are leading zeros, and an amount of a thousand digits is not worth reading.
_TEXT_LENGTH_MAX = 32
_AMOUNT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")


class UnknownCurrency(ValueError):
    """A code that ISO 4217 does not have."""


class InvalidAmount(ValueError):
    """A text that is no amount of the currency; its message says why, in a sentence for people."""


def minor_digits(currency: str) -> int:
    """The decimals of a currency (ISO 4217): 2 for KES, 0 for JPY, 3 for KWD. Raises UnknownCurrency."""
    try:
        return _MINOR_DIGITS[currency]
    except KeyError:
        raise UnknownCurrency(f"{currency!r} is no currency code of ISO 4217, like KES or USD") from None


def parse_amount(text: str, currency: str) -> int:
    """A decimal string (`1`, `1.00`, `0.0075`, `-3.50`) in thousandths of the minor unit.

    Raises InvalidAmount for anything else (exponents, separators, signs but one minus, more decimals than a thousandth of the
    minor unit can carry, more than AMOUNT_MILLI_MAX), and UnknownCurrency.
    """
    decimals_max = minor_digits(currency) + _MILLI_DIGITS
    found = _AMOUNT.fullmatch(text) if len(text) <= _TEXT_LENGTH_MAX else None
    if found is None:
        raise InvalidAmount(f"{text[:_TEXT_LENGTH_MAX]!r} is no amount: write digits and at most one point, like 1000 or 0.75")
    minus, whole, decimals = found[1], found[2], found[3] or ""
    if len(decimals) > decimals_max:
        raise InvalidAmount(f"{text} has {len(decimals)} decimals: {currency} is counted to {decimals_max}")
    milli = int(whole + decimals.ljust(decimals_max, "0"))
    if milli > AMOUNT_MILLI_MAX:
        raise InvalidAmount(f"{text} is too large: the most is {format_money(AMOUNT_MILLI_MAX, currency)}")
    return -milli if minus else milli


def format_amount(milli: int, currency: str) -> str:
    """`1.00`: with the decimals of the currency, and more where the amount has them (`0.0075`). Raises UnknownCurrency."""
    digits = minor_digits(currency)
    whole, fraction = divmod(abs(milli), 10 ** (digits + _MILLI_DIGITS))
    decimals = f"{fraction:0{digits + _MILLI_DIGITS}d}"
    decimals = decimals[:digits] + decimals[digits:].rstrip("0")
    return f"{'-' if milli < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"


def spell_amount(text: str, currency: str | None) -> str:
    """An amount as it was typed, with the decimals of its currency; with two at least where it is for any. Raises as `parse_amount`."""
    if currency is not None:
        return format_amount(parse_amount(text, currency), currency)
    whole, _, decimals = text.partition(".")
    return f"{int(whole)}.{decimals.rstrip('0'):0<2}"


def format_money(milli: int, currency: str) -> str:
    """`KES 1.00`. Raises UnknownCurrency."""
    return f"{currency} {format_amount(milli, currency)}"
