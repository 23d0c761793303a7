"""Amounts, in and out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarion.core.money import (
    AMOUNT_MILLI_MAX,
    InvalidAmount,
    UnknownCurrency,
    format_amount,
    format_money,
    minor_digits,
    parse_amount,
    spell_amount,
)

CURRENCIES = ["KES", "USD", "MYR", "JPY", "UGX", "KWD", "CLF"]


@pytest.mark.parametrize(
    ("text", "currency", "shown"),
    [
        ("1", "KES", "1.00"),
        ("1.5", "JPY", "1.5"),
        ("2.000", "JPY", "2"),
        ("1", None, "1.00"),
        ("01.50", None, "1.50"),
        ("0.0075", None, "0.0075"),
    ],
)
def test_an_amount_is_spelled_with_the_decimals_of_its_currency(text: str, currency: str | None, shown: str) -> None:
    assert spell_amount(text, currency) == shown


@pytest.mark.parametrize(
    ("currency", "digits"), [("KES", 2), ("USD", 2), ("MYR", 2), ("JPY", 0), ("UGX", 0), ("XOF", 0), ("KWD", 3), ("TND", 3), ("CLF", 4)]
)
def test_minor_digits(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("currency", ["", "kes", "KE", "KESH", "XXX", "XAU", "€"])
def test_an_unknown_currency(currency: str) -> None:
    with pytest.raises(UnknownCurrency, match="ISO 4217"):
        minor_digits(currency)
    with pytest.raises(UnknownCurrency):
        parse_amount("1.00", currency)
    with pytest.raises(ValueError, match="no currency"):
        format_amount(1, currency)


@pytest.mark.parametrize(
    ("text", "currency", "milli", "shown"),
    [
        ("1.00", "KES", 100_000, "1.00"),
        ("1", "KES", 100_000, "1.00"),
        ("0", "KES", 0, "0.00"),
        ("-0", "KES", 0, "0.00"),
        ("0.0075", "USD", 750, "0.0075"),
        ("0.00001", "USD", 1, "0.00001"),
        ("0.10", "USD", 10_000, "0.10"),
        ("10000.00", "KES", 1_000_000_000, "10000.00"),
        ("-3.5", "KES", -350_000, "-3.50"),
        ("007.50", "KES", 750_000, "7.50"),
        ("1", "JPY", 1_000, "1"),
        ("1.5", "JPY", 1_500, "1.5"),
        ("1.250", "KWD", 1_250_000, "1.250"),
        ("1.2505", "KWD", 1_250_500, "1.2505"),
        ("10000000000", "KES", AMOUNT_MILLI_MAX, "10000000000.00"),
    ],
)
def test_amounts(text: str, currency: str, milli: int, shown: str) -> None:
    assert parse_amount(text, currency) == milli
    assert format_amount(milli, currency) == shown
    assert format_money(milli, currency) == f"{currency} {shown}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no amount"),
        (" 1", "no amount"),
        ("1\n", "no amount"),
        ("+1", "no amount"),
        ("--1", "no amount"),
        (".5", "no amount"),
        ("5.", "no amount"),
        ("1.2.3", "no amount"),
        ("1,000.00", "no amount"),
        ("1e5", "no amount"),
        ("1E-2", "no amount"),
        ("NaN", "no amount"),
        ("Infinity", "no amount"),
        ("0x10", "no amount"),
        ("1_000", "no amount"),
        ("KES 1", "no amount"),
        ("١", "no amount"),
        ("9" * 5000, "no amount"),
        ("0.000001", "6 decimals: KES is counted to 5"),
        ("1.000000", "6 decimals"),
        ("10000000000.00001", "too large: the most is KES 10000000000.00"),
        ("-10000000001", "too large"),
        ("9" * 30, "too large"),
    ],
)
def test_what_is_no_amount(text: str, reason: str) -> None:
    with pytest.raises(InvalidAmount, match=reason) as refusal:
        parse_amount(text, "KES")
    assert len(str(refusal.value)) < 200


@given(st.integers(-AMOUNT_MILLI_MAX, AMOUNT_MILLI_MAX), st.sampled_from(CURRENCIES))
def test_an_amount_comes_back(milli: int, currency: str) -> None:
    shown = format_amount(milli, currency)
    assert parse_amount(shown, currency) == milli
    assert Decimal(shown) == Decimal(milli).scaleb(-minor_digits(currency) - 3)


@given(st.decimals(-1_000_000, 1_000_000, places=4))
def test_reading_is_exact(amount: Decimal) -> None:
    assert parse_amount(f"{amount:f}", "USD") == amount * 100_000
