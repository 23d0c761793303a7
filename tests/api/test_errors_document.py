"""docs/errors.md says what the tables say, and the tables say something of everything."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from clarion.api.faces.talkntalk import choices as talkntalk
from clarion.api.faces.teekrr import choices as teekrr
from clarion.api.faces.teli import choices as teli
from clarion.api.refusals import ADVICE, SENTENCES, STATUS, Code

TOOL = Path(__file__).parents[2] / "tools" / "errors.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("errors_tool", TOOL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_is_current(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run: python tools/errors.py"


def test_every_refusal_has_a_meaning_and_something_to_do() -> None:
    assert set(SENTENCES) == set(Code)
    assert set(ADVICE) == set(Code)
    assert set(STATUS) <= set(Code)
    for sentences in (talkntalk.SENTENCES, teli.SENTENCES, teekrr.SENTENCES):
        assert {key.partition(":")[0] for key in sentences} <= set(Code)


def test_every_failure_of_a_recipient_has_something_to_do(tool: ModuleType) -> None:
    told = set(talkntalk.ITEM_DETAILS) | set(teli.ITEM_ERRORS) | set(teekrr.REASONS) | set(tool.TELI_ALONE)
    assert set(tool.ITEM_ADVICE) == told
