"""The OpenAPI document, fuzzed against a real server: no 500, no traceback, no answer that the document does not describe."""

import asyncio
import itertools
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import EngineEvent, FatalError, NonFatalError, ScenarioFinished
from tests.acceptance.furnished import TAKEN_ONCE, Document, enriched, furnish, operations
from tests.acceptance.harness import server

EXAMPLES = int(os.environ.get("CLARION_TEST_FUZZ_EXAMPLES", "20"))
"""Requests that chance makes for each operation, on each database, beside those that try the bounds of every field: counted, since in
a time a busy machine tries nothing."""

SEED = int(os.environ.get("CLARION_TEST_SEED", str(random.SystemRandom().randrange(1_000_000))))

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
"""Not those that ask whether data is taken: a client's unknown fields are, and texts without a recipient are not. Nor the one for ignored
keys, which tries one of the two headers while the other holds a good one."""


@dataclass
class Told:
    """What became of the requests, by operation, and what is wrong."""

    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    faults: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_the_document_holds(engine: str, request: pytest.FixtureRequest, tmp_path: Path, note: Callable[[str], None]) -> None:
    url = request.getfixturevalue("empty_postgres_url") if engine == "postgres" else None
    async with server(tmp_path / "data", url, "--simulator", "--log-format", "json", "--outcome-wait-s", "0.05") as here:
        await here.start()
        await here.bound()
        own = await furnish(here, "fuzzed", 11)
        document = (await here.client.get(f"{here.url}/openapi.json")).json()
        told = await asyncio.to_thread(fuzz, enriched(document, own), here.url, own.key)
        log = here.log.read_text()
        code, _ = await here.terminate()
    tested = {each.name for each in operations(document)}
    note(f"{engine}: {len(tested)} operations, {sum(map(Counter.total, told.statuses.values()))} requests, CLARION_TEST_SEED={SEED}")
    for name, statuses in sorted(told.statuses.items()):
        note(f"{share(statuses):5.0%} 2xx of {statuses.total():5}  {name}  {dict(sorted(statuses.items()))}")
    assert not told.faults, "\n\n".join(told.faults.values())
    assert "Traceback" not in log
    assert "request_broke" not in log
    assert code == 0
    assert set(told.statuses) == tested
    assert [name for name in sorted(tested) if not share(told.statuses[name])] == [], "operations that never succeeded"


def fuzz(document: Document, url: str, key: str) -> Told:
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "base-url": url,
            "headers": {"X-API-Key": key},
            "suppress-health-check": ["all"],
            "checks": {"enabled": False, **{check: {"enabled": True} for check in CHECKS}},
            "generation": {"database": "none", "max-examples": EXAMPLES},
            "cache": {"enabled": False},
            # The document has no links to follow.
            "phases": {"stateful": {"enabled": False}},
        }
    )
    schema = schemathesis.openapi.from_dict(document, config=config)
    told = Told()
    for event in from_schema(schema).execute():
        tell(event, told)
    return told


_numbers = itertools.count()


@schemathesis.hook
def before_call(_context: Any, case: Case, _kwargs: dict[str, Any]) -> None:
    """Most of what is made begins as the example, whose name is taken after the first time."""
    name, body = TAKEN_ONCE.get(case.operation.path, ""), case.body
    if case.operation.method == "post" and isinstance(body, dict) and isinstance(given := body.get(name), str):
        case.body = body | {name: f"{given[:40]} {next(_numbers)}"}


def tell(event: EngineEvent, told: Told) -> None:
    if isinstance(event, NonFatalError):
        told.faults[f"{event.label}: {event.value}"] = f"{event.label}: {event.value}"
    elif isinstance(event, FatalError):
        raise event.exception
    elif isinstance(event, ScenarioFinished):
        recorder = event.recorder
        for case_id, interaction in recorder.interactions.items():
            case = recorder.cases[case_id].value
            # Some ask for methods that are not there.
            if interaction.response is not None and interaction.request.method == case.operation.method.upper():
                told.statuses[case.operation.label][interaction.response.status_code] += 1
        for checks in recorder.checks.values():
            for check in checks:
                failed: Any = check.failure_info
                if failed is not None:
                    words = f"{recorder.label}, {check.name}: {failed.failure.title}\n{failed.failure.message}\n{failed.code_sample}"
                    told.faults.setdefault(f"{recorder.label} {check.name} {failed.failure.title}", words[:3000])


def share(statuses: Counter[int]) -> float:
    return sum(count for status, count in statuses.items() if 200 <= status < 300) / max(1, statuses.total())
