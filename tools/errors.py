"""Writes docs/errors.md from the tables that the answers themselves are made of: `python tools/errors.py`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from clarion.api.faces.talkntalk import choices as talkntalk
from clarion.api.faces.teekrr import choices as teekrr
from clarion.api.faces.teli import choices as teli
from clarion.api.refusals import ADVICE, SENTENCES, STATUS, Code

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"

HEAD = """# Errors

Made by `tools/errors.py` from the tables that the answers come from; a test keeps it current. `{…}` stands for what the answer fills in.

Every answer has the header `X-Request-Id`; it stands beside the request in the server's log. Refusals have the shape of the API that was
asked, by path:

| paths | shape |
|---|---|
| TalkNTalk: `/v1/…/`, ending in a slash | `{"detail": "…"}`, `"<field>": ["…"]` for a wrong field, `code` where the vendor has it |
| Teli: other `/v1/…`, and `/api/proxy/…` | `{"error": "…", "success": false, "powered_by": "Teli"}` |
| Teekrr: `/sms` | `{"message": "…"}`, for a 400 with `errors: [{"field": "…", "message": "…"}]` |
| all others | RFC 9457: `{"type", "title", "status", "detail"}` |

**After a 500, a 503 or no answer at all, look before you send again**: see "When a request timed out" in the [README](../README.md).
After every other refusal nothing goes out and nothing is paid.
"""

ITEMS_HEAD = """
## Failures of single recipients

They do not refuse the request: the answer tells them with each recipient, and nobody pays for them.

| reason | TalkNTalk, `error` and `detail` | Teli, `error` of the item | Teekrr, in words | what to do |
|---|---|---|---|---|
"""

ITEM_ADVICE: Mapping[str, str] = {
    "invalid_number": "Mend the number: E.164 with `+` is best; national numbers are those of the organization's region.",
    "opted_out": "Do not write to this person. START or UNSTOP from their phone undoes it, or `clarion optouts remove` if they asked you.",
    "no_route": "Add a carrier for this number (`clarion carriers add … --prefix`), or one that takes such senders (`--senders`).",
    "missing_variable": "Give this recipient a value for the place that is named; null, arrays and objects are none.",
    "empty_text": "Give values that leave something to send.",
    "too_long": "Shorten the text to ten segments: 1,530 characters of GSM 7-bit, 670 of any other alphabet.",
    "insufficient_balance": "Top the wallet up (`clarion wallet top-up`), then send to this recipient and the skipped ones.",
    "skipped": "An earlier recipient of the request could not be paid: send to this one when the wallet can pay.",
    "validity_over": "It could not go out in time: look at `clarion carriers list`, then send again.",
    "send_failed": "`clarion messages show ID` has the carrier's own words.",
    "not_in_campaign": "Add the contact with `POST /v1/contacts` and this `campaign_id`.",
    "duplicate": "Nothing: the number was sent to once, where it came first.",
}

TELI_ALONE: Mapping[str, str] = {"not_in_campaign": teli.NOT_IN_CAMPAIGN, "duplicate": teli.DUPLICATE}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole document."""
    return "".join([HEAD, *refusals(), *wordings(), ITEMS_HEAD, *items()])


def refusals() -> Iterator[str]:
    """Every code with its status, the house's own sentence, and what to do."""
    yield "\n## Refusals\n\n| code | status | meaning | what to do |\n|---|---|---|---|\n"
    for code in Code:
        status = STATUS.get(code, 400)
        yield row(f"`{code}`", f"{int(status)}", SENTENCES[code], ADVICE[code])


def wordings() -> Iterator[str]:
    """What each vendor says instead."""
    yield "\n## In the vendors' words\n\nWhere nothing stands, the sentence is the one above.\n\n"
    yield "| code | TalkNTalk | Teli | Teekrr |\n|---|---|---|---|\n"
    faces = (talkntalk.SENTENCES, teli.SENTENCES, teekrr.SENTENCES)
    keys = sorted({key for sentences in faces for key in sentences}, key=lambda key: (list(Code).index(Code(key.partition(":")[0])), key))
    for key in keys:
        code, _, field = key.partition(":")
        yield row(f"`{code}`" + (f" of `{field}`" if field else ""), *[sentences.get(key, "") for sentences in faces])


def items() -> Iterator[str]:
    """Why a recipient gets no message, on each face."""
    for reason, advice in ITEM_ADVICE.items():
        detail = talkntalk.ITEM_DETAILS.get(reason)
        of_teli = TELI_ALONE.get(reason) or teli.ITEM_ERRORS.get(reason, "")
        yield row(f"`{reason}`", f"`{reason}`: {detail}" if detail else "", of_teli, teekrr.REASONS.get(reason, ""), advice)


def row(*cells: str) -> str:
    """Of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


if __name__ == "__main__":
    main()
