"""Plans of faults: every key reaches its setting, the example is one, and what is wrong is named with its place."""

import re
from pathlib import Path
from typing import Any

import pytest

from clarion.simulator import SmscSettings, garbage
from clarion.simulator.plan import TABLES, TOP, PlanError, load_plan

EXAMPLE = Path(__file__).parents[2] / "docs" / "faults.toml"


def plan(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def test_the_example_is_a_plan_and_names_every_key() -> None:
    settings = SmscSettings(**load_plan(EXAMPLE))
    assert settings.has_faults
    assert settings.failures == {0x0B: 0.01, 0x08: 0.005, 0x400: 0.001}
    assert (settings.bind_status, settings.bind_refused_first) == (0x0D, 1)
    assert settings.garbage_kinds == tuple(garbage.KINDS)
    text = EXAMPLE.read_text()
    for table, keys in {"": TOP, **TABLES}.items():
        assert not table or f"\n[{table}]" in text
        for key in keys:
            assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), key


def test_every_setting_of_a_carrier_is_a_key_of_the_plan() -> None:
    planned = {key.setting for keys in (TOP, *TABLES.values()) for key in keys.values()} | {"failures"}
    assert set(SmscSettings.__slots__) - planned == {"first_id", "log_file"}


def test_an_empty_plan_has_no_faults(tmp_path: Path) -> None:
    assert load_plan(plan(tmp_path, "")) == {}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("sead = 1", 1, "there is no key 'sead'; the closest is seed"),
        ("\n[receits]\ntwice_share = 1", 2, "there is no table 'receits'; the closest is receipts"),
        ("[receipts]\n# twice\ntwise_share = 0.1", 3, "there is no key in [receipts] 'twise_share'; the closest is twice_share"),
        ("[answers]\ndelay_ms = 1\n[receipts]\ndelay_ms = '1'", 4, "delay_ms is a whole number from 0, not '1'"),
        ("[receipts]\ntwice_share = 3", 2, "twice_share is a share from 0 to 1, not 3"),
        ("[receipts]\ntwice_share = true", 2, "twice_share is a share from 0 to 1, not True"),
        ("[receipts]\nsend = 0", 2, "send is true or false, not 0"),
        ("[receipts]\nid_form = 'roman'", 2, "id_form is one of same, decimal, hex, upper, padded"),
        ("[refusals]\nESME_RINVDSTADDR = 0.1", 2, "there is no status 'ESME_RINVDSTADDR'; the closest is ESME_RINVDSTADR"),
        ("[refusals]\nESME_ROK = 0.1", 2, "ESME_ROK is no failure: what no other status refuses is taken"),
        ("[refusals]\nESME_FOO = 0.1", 2, "there is no status 'ESME_FOO'; write one by its name or number, like ESME_RINVDSTADR or 0x0b"),
        ("[refusals]\n0x00 = 0.1", 2, "there is no status '0x00'; write one by its name or number"),
        ("[throttling]\nburst = 1", 2, "there is no key in [throttling] 'burst'; what there is: per_second"),
        ("[refusals]\n0x0b = -0.1", 2, "0x0b is a share from 0 to 1"),
        ("[binds]\nrefused_status = 'no'", 2, "refused_status is a command_status, like ESME_RBINDFAIL or 0x0d"),
        ("[garbage]\nevery_submits = 5\nkinds = ['nois']", 3, "kinds is a list of noise, "),
        ("\n[[garbage]]\nevery_submits = 1", 2, "garbage is a table: write [garbage]"),
        ("seed = 1\nreceipts = 5", 2, "receipts is a table: write [receipts]"),
        ("seed = 1\nreceipts.twice = 5", 2, "there is no key in [receipts] 'twice'"),
        ("[replies]\ntexts = []", 2, "texts is a list of texts"),
        ("[answers.more]\nx = 1", 1, "there is no key in [answers] 'more'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = plan(tmp_path, text)
    with pytest.raises(PlanError) as raised:
        load_plan(path)
    assert str(raised.value).startswith(f"{path}, line {line}: ")
    assert words in str(raised.value)


def test_a_plan_that_is_none(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "nowhere.toml", "cannot be read (No such file"),
        (plan(tmp_path, "seed = "), "is no TOML"),
    ):
        with pytest.raises(PlanError, match=re.escape(words)):
            load_plan(path)
    (tmp_path / "plan.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PlanError, match="UTF-8"):
        load_plan(tmp_path / "plan.toml")
    with pytest.raises(PlanError, match="add up to 1"):
        load_plan(plan(tmp_path, "[receipts]\nearly_share = 0.6\nlate_share = 0.6"))


@pytest.mark.parametrize("text", ["[refusals]\n'0x0b' = 0.5", "[refusals]\nesme_rinvdstadr = 0.5", "[refusals]\n11 = 0.5"])
def test_statuses_by_name_and_number(tmp_path: Path, text: str) -> None:
    wanted: dict[str, Any] = {"failures": {0x0B: 0.5}}
    assert load_plan(plan(tmp_path, text)) == wanted
