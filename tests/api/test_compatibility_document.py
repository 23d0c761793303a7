"""docs/compatibility.md speaks of every endpoint of the vendors' that there is, and of no other; its limits are those in force."""

import re
from pathlib import Path

from tests.api.conftest import World

from clarion.api.bodies import DEPTH_MAX
from clarion.api.faces.talkntalk import choices as talkntalk
from clarion.api.faces.teekrr import choices as teekrr
from clarion.api.faces.teli import choices as teli
from clarion.api.services import BODY_LIMIT_BYTES
from clarion.core.template import PLACES_MAX
from clarion.flow.accept import SEGMENTS_MAX
from clarion.store.request_counts import STEPS

PAGE = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")


async def test_every_endpoint_has_its_place(sqlite_world: World) -> None:
    document = (await sqlite_world.get("/openapi.json", key=None)).json()
    there = [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["tags"] != ["Operations"]
    ]
    headings = re.findall(r"^### `([A-Z]+ [^`]+)`$", PAGE, re.MULTILINE)
    assert sorted(headings) == sorted(there)
    for section in re.split(r"^### (?=`)", PAGE, flags=re.MULTILINE)[1:]:
        assert "\n- Documented: " in section


def test_the_limits_are_those_in_force() -> None:
    assert (BODY_LIMIT_BYTES, DEPTH_MAX, PLACES_MAX, SEGMENTS_MAX, STEPS) == (16 << 20, 32, 100, 10, 60)
    assert {face.RECIPIENTS_MAX for face in (talkntalk, teli, teekrr)} == {10_000}
    assert (teli.CONTACTS_MAX, teli.FIELDS_BYTES_MAX) == (100_000, 64 << 10)
    assert talkntalk.MESSAGE_CHARACTERS_MAX == teli.MESSAGE_CHARACTERS_MAX == teekrr.CONTENT_CHARACTERS_MAX == 100_000
    counters = (talkntalk.BULK_COUNTER, talkntalk.SINGLE_COUNTER, talkntalk.LIST_COUNTER, teekrr.COUNTER, teli.COUNTER)
    assert [(each.limit, each.span_s) for each in counters] == [(60, 60), (300, 60), (300, 60), (10, 900), (3_000, 60)]
