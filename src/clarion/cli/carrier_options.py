"""What `carriers add` and `carriers set` are told: their options, and the values of these as the store wants them."""

from pathlib import Path
from typing import Annotated

import typer

from clarion.cli.customer_prices import EVERYWHERE
from clarion.cli.failures import Failure
from clarion.cli.options import option
from clarion.core.names import check_name
from clarion.core.routes import WEIGHT_MAX
from clarion.core.sender import parse_kinds

UNKNOWN_AFTER_S_MAX = 30 * 86_400
"""Receipts fit a message for seven days; what is open for longer holds money for nothing."""

NAME_CHARACTERS_MAX = 40
"""Of a carrier, so that it fits beside the rest in a table and in a metric's label."""

DIGITS_MAX = 15
"""Of a number in E.164, so of a prefix too."""

CarrierName = Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")]
Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="smpp://system_id:password@host:2775?bind=transceiver&window=200&rate=0. "
        "The window is how many messages may be unanswered, the rate how many segments a second it takes (0: no limit).",
    ),
]
Price = Annotated[
    str | None,
    option(
        "--price",
        help="Of a segment, in the organization's currency. What was set by `prices`, or brought by a carrier before, counts first.",
        metavar="AMOUNT",
        show_default="free",
    ),
]
Cost = Annotated[str | None, option("--cost", help="What the carrier takes for a segment.", metavar="AMOUNT", show_default=False)]
Prefix = Annotated[str, option("--prefix", help="The numbers it takes, like +254.", metavar="DIGITS", show_default="all")]
WEIGHT = "Its share among the carriers of its prefix; 0: only while the others are out."
SENDERS = "The senders that it takes: any, or some of names, numbers, short (codes), with commas between."
Weight = Annotated[int, option("--weight", help=WEIGHT, metavar="N", min=0, max=WEIGHT_MAX)]
Senders = Annotated[str, option("--senders", help=SENDERS, metavar="KINDS")]
UNKNOWN_AFTER = "After so long without an answer or a receipt it is decided what becomes of a message: 30m, 72h, 3d."
UNKNOWN_POLICY = (
    "What becomes of it. close: it is undetermined and its money goes back. resend: it is sent again, by the next route if there is "
    "one, at most twice; recipients may get it more than once."
)
UnknownAfter = Annotated[str, option("--unknown-after", help=UNKNOWN_AFTER, metavar="TIME")]
UnknownPolicy = Annotated[str, option("--unknown-policy", help=UNKNOWN_POLICY, metavar="close|resend")]
# A default for `add` must not change what is there: these have names of their own in the environment and the settings file.
NewUrl = Annotated[
    str | None,
    option(
        "--url",
        prefix="NEW_",
        help="How it is spoken to, as with `add`; the password stays while host, port and system_id do.",
        metavar="URL",
        show_default=False,
    ),
]
NewPrice = Annotated[
    str | None,
    option("--price", prefix="NEW_", help="Of a segment; what was accepted keeps its own.", metavar="AMOUNT", show_default=False),
]
NewPrefix = Annotated[
    str | None,
    option(
        "--prefix",
        prefix="NEW_",
        help=f"The numbers it takes from now on, like +255, or `{EVERYWHERE}`. Its price goes with it; what was accepted keeps its way.",
        metavar="DIGITS",
        show_default=False,
    ),
]
NewCost = Annotated[str | None, option("--cost", prefix="NEW_", help="What the carrier takes.", metavar="AMOUNT", show_default=False)]
NewWeight = Annotated[int | None, option("--weight", prefix="NEW_", help=WEIGHT, metavar="N", min=0, max=WEIGHT_MAX, show_default=False)]
NewSenders = Annotated[str | None, option("--senders", prefix="NEW_", help=SENDERS, metavar="KINDS", show_default=False)]
NewUnknownAfter = Annotated[str | None, option("--unknown-after", prefix="NEW_", help=UNKNOWN_AFTER, metavar="TIME", show_default=False)]
NewUnknownPolicy = Annotated[
    str | None, option("--unknown-policy", prefix="NEW_", help=UNKNOWN_POLICY, metavar="close|resend", show_default=False)
]
NewPasswordFile = Annotated[
    Path | None, option("--password-file", prefix="NEW_", help="A file with another password.", metavar="FILE", show_default=False)
]
PasswordFile = Annotated[
    Path | None,
    option("--password-file", help="A file with the password, which the URL then leaves out.", metavar="FILE", show_default=False),
]


def password_in(file: Path | None) -> str | None:
    """The password in a file; None without one. Raises Failure."""
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"The password file {file} cannot be read: {error}.", 2) from None


def prefix_digits(prefix: str) -> str:
    """The digits of a prefix, "" for everywhere. Raises Failure."""
    if prefix in {"", EVERYWHERE}:
        return ""
    digits = prefix.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= DIGITS_MAX) or digits[0] == "0":
        like = f"write the country's code and what follows it, like +254 or 25471, or `{EVERYWHERE}` for all numbers"
        raise Failure(f"{prefix!r} is no prefix: {like}.", 2)
    return digits


def check_carrier_name(name: str) -> None:
    """Raises Failure."""
    try:
        check_name("A carrier", name, NAME_CHARACTERS_MAX)
    except ValueError as error:
        raise Failure(str(error), 2) from None


def parse_unknown_after(text: str) -> int:
    """The seconds of `--unknown-after`. Raises Failure."""
    from clarion.core.durations import parse_duration

    seconds = parse_duration(text.strip())
    if seconds is None or not 1 <= seconds <= UNKNOWN_AFTER_S_MAX:
        raise Failure(f"--unknown-after is a time of at most 30d, like 30m, 72h or 3d, not {text!r}.", 2)
    return seconds


def parse_unknown_policy(text: str) -> str:
    """What `--unknown-policy` says. Raises Failure."""
    if text not in {"close", "resend"}:
        raise Failure(f"--unknown-policy is close or resend, not {text!r}.", 2)
    return text


def check_amounts(price: str | None, cost: str | None) -> None:
    """A price is read in each organization's currency; here, whether it is a price at all. Raises Failure."""
    from clarion.core.money import InvalidAmount, parse_amount

    for flag, value in (("--price", price), ("--cost", cost)):
        try:
            below = value is not None and parse_amount(value, "CLF") < 0  # a currency of four decimals takes all that any other takes
        except InvalidAmount as error:
            raise Failure(f"{flag}: {error}.", 2) from None
        if below:
            raise Failure(f"{flag} is 0 or more, not {value}.", 2)


def parse_senders(senders: str) -> tuple[str, ...] | None:
    """The kinds of `--senders`; None for any. Raises Failure."""
    try:
        return parse_kinds(senders)
    except ValueError as error:
        raise Failure(f"--senders: {error}.", 2) from None
