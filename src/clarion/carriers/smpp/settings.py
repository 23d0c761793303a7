"""How a carrier wants to be spoken to: the URL `smpp://system_id:password@host:2775?bind=transceiver&window=200` and what it says.

`smpps://` is the same over TLS.
"""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from clarion.carriers.smpp.pdu import LOGIN_OCTETS_MAX

PORT: Final = 2775
"""Registered for SMPP."""

TLS_PORT: Final = 3550
"""Registered for SMPP over TLS."""

FORM: Final = "smpp://system_id:password@host:2775?bind=transceiver&window=200&rate=0"
BIND_KINDS: Final = ("transceiver", "transmitter", "receiver", "pair")
LONG: Final = ("udh8", "udh16", "sar", "payload")
ALPHABETS: Final = ("gsm7", "latin1", "ascii")
RECEIPTS: Final = ("each", "last")
TYPE_MAX: Final = 6
NUMBERING_MAX: Final = 18
"""The highest type of number and numbering plan (SMPP 3.4, 5.2.5 and 5.2.6)."""

SYSTEM_ID_CHARACTERS: Final = 15
PASSWORD_CHARACTERS: Final = 8
"""What SMPP 3.4 has room for (5.2.1, 5.2.2). Many carriers give out longer ones, and take them."""

SYSTEM_TYPE_CHARACTERS_MAX: Final = 12
SENDER_CHARACTERS_MAX: Final = 20
WINDOW_MAX: Final = 10_000
"""Beyond it a broken link would leave more in doubt than any carrier's window is worth."""


class CarrierUrlError(ValueError):
    """A carrier's URL that cannot be used: what is wrong, and how to write it."""


@dataclass(frozen=True, slots=True)
class SmppSettings:
    """A carrier's URL, read. `rate_per_second` counts segments (0: no limit) and is kept by whoever submits, not by the bind.

    `sender` stands in for a message that names none. `user_message_reference` asks to send ours (TLV 0x0204), which some carriers
    refuse and others echo in their receipts. With `tls` the carrier's certificate is checked against the machine's authorities, or
    against those in the file `ca` instead.
    """

    host: str
    system_id: str
    password: str = ""
    port: int = PORT
    bind: str = "transceiver"
    window: int = 200
    rate_per_second: float = 0.0
    binds: int = 1
    enquire_s: float = 30.0
    answer_timeout_s: float = 60.0
    system_type: str = ""
    sender: str = ""
    user_message_reference: bool = False
    tls: bool = False
    ca: str = ""
    long: str = "udh8"
    alphabet: str = "gsm7"
    receipt: str = "each"
    source_ton: int | None = None
    source_npi: int | None = None
    destination_ton: int = 1
    destination_npi: int = 1

    @property
    def connections(self) -> list["SmppSettings"]:
        """Those of each connection, by slot: `binds` of them; of a pair a transmitter and a receiver for each."""
        kinds = ("transmitter", "receiver") if self.bind == "pair" else (self.bind,)
        return [replace(self, bind=kind) for kind in kinds] * self.binds

    @property
    def account(self) -> tuple[str, int, str, bool]:
        """Whom a password is for: it is shown to nobody else, nor in the clear where it went over TLS."""
        return self.host, self.port, self.system_id, self.tls

    @property
    def long_login(self) -> str:
        """Which half of the login is longer than SMPP 3.4 has room for, in a sentence; "" where none is."""
        longer = [
            f"a {name} of {room}"
            for name, value, room in (("system_id", self.system_id, SYSTEM_ID_CHARACTERS), ("password", self.password, PASSWORD_CHARACTERS))
            if len(value) > room
        ]
        if not longer:
            return ""
        return f"SMPP 3.4 has room for {' and '.join(longer)} characters. A longer one goes out whole: many carriers take it."

    def __repr__(self) -> str:
        """Without the password: settings end up in logs and tracebacks."""
        return f"SmppSettings({self.bind} {self.system_id}@{self.host}:{self.port})"


def parse_url(url: str, password: str | None = None) -> SmppSettings:
    """Read a carrier's URL; `password` replaces the one in it. Raises CarrierUrlError."""
    parts = _split(url)
    if parts.scheme not in {"smpp", "smpps"}:
        raise CarrierUrlError(f"a carrier's URL begins with smpp:// or smpps://, not {parts.scheme or 'nothing'}://: {FORM}")
    if not parts.hostname:
        raise CarrierUrlError(f"the URL names no host: {FORM}")
    if parts.path not in {"", "/"} or parts.fragment:
        raise CarrierUrlError(f"nothing stands between the host and the question mark: {FORM}")
    options = _options(parts)
    tls = parts.scheme == "smpps"
    return SmppSettings(
        host=parts.hostname,
        port=_port(parts) or (TLS_PORT if tls else PORT),
        system_id=_text("system_id", unquote(parts.username or ""), LOGIN_OCTETS_MAX, needed=True),
        password=_text("password", unquote(parts.password or "") if password is None else password, LOGIN_OCTETS_MAX),
        bind=_choice("bind", options.pop("bind", "transceiver"), BIND_KINDS),
        window=int(_number("window", options.pop("window", "200"), 1, WINDOW_MAX, whole=True)),
        rate_per_second=_number("rate", options.pop("rate", "0"), 0, 1_000_000),
        binds=int(_number("binds", options.pop("binds", "1"), 1, 64, whole=True)),
        enquire_s=_number("enquire", options.pop("enquire", "30"), 0.1, 3_600),
        answer_timeout_s=_number("answer_timeout", options.pop("answer_timeout", "60"), 0.1, 3_600),
        system_type=_text("system_type", options.pop("system_type", ""), SYSTEM_TYPE_CHARACTERS_MAX),
        sender=_text("sender", options.pop("sender", ""), SENDER_CHARACTERS_MAX),
        user_message_reference=_choice("umr", options.pop("umr", "0"), ("0", "1")) == "1",
        tls=tls,
        long=_choice("long", options.pop("long", "udh8"), LONG),
        alphabet=_choice("alphabet", options.pop("alphabet", "gsm7"), ALPHABETS),
        receipt=_choice("receipt", options.pop("receipt", "each"), RECEIPTS),
        source_ton=_number_type("source_ton", options.pop("source_ton", None), TYPE_MAX),
        source_npi=_number_type("source_npi", options.pop("source_npi", None), NUMBERING_MAX),
        destination_ton=_number_type("dest_ton", options.pop("dest_ton", "1"), TYPE_MAX) or 0,
        destination_npi=_number_type("dest_npi", options.pop("dest_npi", "1"), NUMBERING_MAX) or 0,
        ca=_ca(options.pop("ca", ""), tls=tls),
    )


def url_without_password(url: str) -> str:
    """The same URL to store and to show, whatever is wrong with the rest of it. Raises CarrierUrlError if it cannot be taken apart."""
    parts = _split(url)
    _, at, host = parts.netloc.rpartition("@")
    user = quote(unquote(parts.username or ""), safe="") if at else ""
    # A slash is itself in a query, so the path of `ca` stays readable.
    return parts._replace(netloc=f"{user}{at}{host}", query=urlencode(_pairs(parts), safe="/")).geturl()


def names_password(url: str) -> bool:
    """Whether a password stands in the URL, be it an empty one (`smpp://acme:@host`)."""
    return _split(url).password is not None


OPTIONS: Final = (
    "bind",
    "window",
    "rate",
    "binds",
    "enquire",
    "answer_timeout",
    "system_type",
    "sender",
    "umr",
    "ca",
    "long",
    "alphabet",
    "receipt",
    "source_ton",
    "source_npi",
    "dest_ton",
    "dest_npi",
)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url.strip())
    except ValueError as fault:
        raise CarrierUrlError(f"that is no URL ({fault}): {FORM}") from None


def _pairs(parts: SplitResult) -> list[tuple[str, str]]:
    # In a query an unquoted plus is a blank, and `sender=+254…` is what people write.
    return parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)


def _options(parts: SplitResult) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in _pairs(parts):
        if name not in OPTIONS:
            raise CarrierUrlError(f"{name} is no setting of a carrier; there are {', '.join(OPTIONS)}")
        if name in options:
            raise CarrierUrlError(f"{name} is set twice; write it once")
        options[name] = value
    return options


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port is not None and port < 1:
        raise CarrierUrlError(f"the port is a number from 1 to 65535, as in {FORM}")
    return port


def _ca(path: str, *, tls: bool) -> str:
    """Absolute, because the server that reads it stands elsewhere than whoever wrote the URL."""
    if path and not tls:
        raise CarrierUrlError("ca is for TLS; write smpps:// in front")
    if path and not path.startswith("/"):
        raise CarrierUrlError(f"ca is the whole path of a file with certificates, like /etc/ssl/carrier.pem, not {path!r}")
    return path


def _text(name: str, value: str, characters_max: int, *, needed: bool = False) -> str:
    if needed and not value:
        raise CarrierUrlError(f"the {name} is missing: {FORM}")
    if len(value) > characters_max:
        raise CarrierUrlError(f"the {name} has {len(value)} characters; at most {characters_max} are taken")
    if not (value.isascii() and value.isprintable()):
        raise CarrierUrlError(f"the {name} is made of printable ASCII characters")
    return value


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise CarrierUrlError(f"{name} is one of {', '.join(choices)}, not {value!r}; write {name}={choices[0]}")
    return value


def _number(name: str, value: str, least: float, most: float, *, whole: bool = False) -> float:
    # float() also reads nan, inf and 1_000, which nobody means.
    plain = value.isascii() and value.replace("." if not whole else "", "", 1).isdigit()
    number = float(value) if plain and value != "." else -1.0
    if not least <= number <= most:
        raise CarrierUrlError(f"{name} is a {'whole ' if whole else ''}number from {least:g} to {most:g}, not {value!r}")
    return number


def _number_type(name: str, value: str | None, most: int) -> int | None:
    return None if value is None else int(_number(name, value, 0, most, whole=True))
