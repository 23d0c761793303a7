"""A plan of faults: a TOML file with a table for each kind of fault, read into the settings of an SMSC.

Everything is optional. What nobody knows is refused, with the file, the line and what there is: a name that is close, or all.
"""

import re
import tomllib
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from clarion.carriers.smpp import status
from clarion.simulator.garbage import KINDS
from clarion.simulator.settings import ID_FORMS, RECEIPT_ID_FORMS, SmscSettings


class PlanError(ValueError):
    """A plan that cannot be followed: what is wrong and where, and what would be right."""


class _Key(NamedTuple):
    """The setting that a key of the plan is, and how its value is read; `read` raises ValueError with what it should be."""

    setting: str
    read: Callable[[object], Any]


def load_plan(path: Path) -> dict[str, Any]:
    """The settings that a plan names, as arguments of `SmscSettings`. Raises PlanError."""
    try:
        text = path.read_text(encoding="utf-8")
        plan = tomllib.loads(text)
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise PlanError(f"the plan {path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"the plan {path} is no TOML: {error}") from None
    settings = _Reader(path, text).read(plan)
    try:
        SmscSettings(**settings)
    except ValueError as error:
        raise PlanError(f"{path}: {error}") from None
    return settings


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def read(self, plan: dict[str, Any]) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name, value in plan.items():
            if name in TOP:
                settings[TOP[name].setting] = self._value("", name, TOP[name].read, value)
            elif name not in TABLES and name != REFUSALS:
                names = [*TABLES, REFUSALS] if isinstance(value, dict) else [*TOP, *TABLES, REFUSALS]
                raise self._unknown("", name, names, "table" if isinstance(value, dict) else "key")
            elif not isinstance(value, dict):
                raise PlanError(f"{self._where('', name)}: {name} is a table: write [{name}] and its keys below")
            elif name == REFUSALS:
                settings["failures"] = self._refusals(value)
            else:
                settings |= self._table(name, value)
        return settings

    def _table(self, table: str, values: dict[str, Any]) -> dict[str, Any]:
        keys = TABLES[table]
        for name in values:
            if name not in keys:
                raise self._unknown(table, name, keys, f"key in [{table}]")
        return {keys[name].setting: self._value(table, name, keys[name].read, value) for name, value in values.items()}

    def _refusals(self, values: dict[str, Any]) -> dict[int, float]:
        shares: dict[int, float] = {}
        for name, value in values.items():
            code = _code_of(name)
            if code is None:
                raise self._no_failure(name)
            shares[code] = self._value(REFUSALS, name, _share, value)
        return shares

    def _value(self, table: str, name: str, read: Callable[[object], Any], value: object) -> Any:  # noqa: ANN401  (of any setting)
        try:
            return read(value)
        except ValueError as error:
            raise PlanError(f"{self._where(table, name)}: {name} is {error}, not {_shown(value)}") from None

    def _no_failure(self, name: str) -> PlanError:
        if name.upper() == status.NAMES[status.OK]:
            return PlanError(f"{self._where(REFUSALS, name)}: {name} is no failure: what no other status refuses is taken")
        failures = [known for code, known in status.NAMES.items() if code != status.OK]
        return self._unknown(REFUSALS, name, failures, "status", "write one by its name or number, like ESME_RINVDSTADR or 0x0b")

    def _unknown(self, table: str, name: str, known: Iterable[str], what: str, otherwise: str = "") -> PlanError:
        names = list(known)
        closest = get_close_matches(name, names, 1, CLOSE)
        help_ = f"the closest is {closest[0]}" if closest else otherwise or f"what there is: {', '.join(names)}"
        return PlanError(f"{self._where(table, name)}: there is no {what} {_shown(name)}; {help_}")

    def _where(self, table: str, name: str) -> str:
        return f"{self._path}, line {_line_of(self._text, table, name)}"


# -- how values are read


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a whole number from 0")
    return value


def _at_least_1(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("a whole number from 1")
    return value


def _share(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError("a share from 0 to 1")
    return float(value)


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004  (one kind of error for whatever a file says)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text in quotes")  # noqa: TRY004  (as above)
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text for text in value):
        raise ValueError("a list of texts in quotes")
    return tuple(value)


def _one_of(names: Iterable[str]) -> Callable[[object], str]:
    known = tuple(names)

    def read(value: object) -> str:
        if value not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return str(value)

    return read


def _kinds(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(kind in KINDS for kind in value):
        raise ValueError(f"a list of {', '.join(KINDS)}")
    return tuple(value)


def _status(value: object) -> int:
    code = _code_of(value)
    if code is None:
        raise ValueError("a command_status, like ESME_RBINDFAIL or 0x0d")
    return code


def _code_of(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        code = value
    else:
        try:
            code = _CODES[str(value).upper()] if str(value).upper() in _CODES else int(str(value), 0)
        except ValueError:
            return None
    return code if 0 < code <= STATUS_MAX else None


STATUS_MAX: Final = 0xFFFFFFFF
_CODES: Final = {name: code for code, name in status.NAMES.items()}

# -- what a plan may say

REFUSALS: Final = "refusals"
"""The table whose keys are statuses."""

TOP: Final = {"seed": _Key("seed", _whole), "aimed_failures": _Key("aimed_failures", _yes_or_no)}

TABLES: Final = {
    "binds": {
        "system_id": _Key("system_id", _text),
        "password": _Key("password", _text),
        "refused_status": _Key("bind_status", _status),
        "refused_first": _Key("bind_refused_first", _whole),
        "unanswered_first": _Key("bind_unanswered_first", _whole),
    },
    "answers": {
        "delay_ms": _Key("answer_delay_ms", _whole),
        "delay_spread_ms": _Key("answer_spread_ms", _whole),
        "late_share": _Key("answer_late_share", _share),
        "late_by_ms": _Key("answer_late_ms", _whole),
        "never_share": _Key("unanswered_share", _share),
        "id_form": _Key("message_id_form", _one_of(ID_FORMS)),
    },
    "throttling": {"per_second": _Key("throttle_per_second", _whole)},
    "disconnects": {"every_submits": _Key("disconnect_every", _whole)},
    "half_open": {"every_submits": _Key("half_open_every", _whole)},
    "garbage": {"every_submits": _Key("garbage_every", _whole), "kinds": _Key("garbage_kinds", _kinds)},
    "receipts": {
        "send": _Key("receipts", _yes_or_no),
        "delay_ms": _Key("receipt_delay_ms", _whole),
        "delay_spread_ms": _Key("receipt_spread_ms", _whole),
        "early_share": _Key("early_share", _share),
        "late_share": _Key("late_share", _share),
        "late_by_ms": _Key("receipt_late_ms", _whole),
        "never_share": _Key("never_share", _share),
        "twice_share": _Key("twice_share", _share),
        "undelivered_share": _Key("undelivered_share", _share),
        "expired_share": _Key("expired_share", _share),
        "rejected_share": _Key("rejected_share", _share),
        "foreign_share": _Key("foreign_share", _share),
        "id_form": _Key("receipt_id_form", _one_of(RECEIPT_ID_FORMS)),
        "id_form_share": _Key("receipt_id_form_share", _share),
        "unacknowledged_max": _Key("outstanding", _at_least_1),
    },
    "replies": {"share": _Key("reply_share", _share), "delay_ms": _Key("reply_delay_ms", _whole), "texts": _Key("reply_texts", _texts)},
    "stops": {"share": _Key("stop_share", _share), "delay_ms": _Key("stop_delay_ms", _whole), "texts": _Key("stop_texts", _texts)},
}

# -- where it says it

SHOWN_CHARACTERS: Final = 60

CLOSE: Final = 0.7
"""How alike two names are (difflib's ratio) of which one is taken for a slip of the other: a letter too many, too few or wrong."""

_HEADING: Final = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _line_of(text: str, table: str, name: str) -> int:
    """The line of a key in its table, or of a table at the top; that of the table where a key is written in another way."""
    key = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*[=.]")
    current, of_table = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        heading = _HEADING.match(line)
        if heading:
            current = heading[1].strip("\"'").split(".")[0]
            of_table = number if current == table else of_table
        if (not table and heading and current == name) or (not heading and current == table and key.match(line)):
            return number
        if table and not current and re.match(rf"\s*{re.escape(table)}\s*[=.]", line):
            of_table = number
    return of_table
