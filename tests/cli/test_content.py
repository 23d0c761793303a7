"""`clarion templates` and `clarion keywords`, on both databases."""

import pytest
from tests.cli.conftest import Clarion


@pytest.fixture
def acme(clarion: Clarion) -> Clarion:
    assert clarion("organizations", "create", "Acme").returncode == 0
    return clarion


def test_a_template_has_versions_and_is_sent_once_it_is_approved(acme: Clarion) -> None:
    first = acme.json("templates", "add", "welcome", "--text", "Hi {name}, use {code}")
    assert (first["version"], first["state"], first["in_use"], first["variables"]) == (1, "draft", False, ["name", "code"])
    assert acme.json("templates", "approve", "welcome")["in_use"] is True
    second = acme.json("templates", "add", "welcome", "--text", "Dear {name}")
    assert (second["version"], second["state"]) == (2, "draft")
    assert acme.json("templates", "approve", "welcome")["version"] == 2
    listed = acme.json("templates", "list")["templates"]
    assert [(each["version"], each["state"], each["in_use"]) for each in listed] == [(1, "approved", False), (2, "approved", True)]
    assert acme.json("templates", "reject", "welcome", "--version", "2")["state"] == "rejected"
    shown = [acme.json("templates", "show", "welcome", "--version", str(version)) for version in (1, 2)]
    assert [each["in_use"] for each in shown] == [True, False]
    assert acme.json("templates", "show", "welcome")["version"] == 2


def test_a_preview_shows_what_is_sent(acme: Clarion) -> None:
    acme("templates", "add", "welcome", "--text", "Hi {name}")
    shown = acme.json("templates", "preview", "welcome", "--value", "name=Asha=1")
    assert shown == {"text": "Hi Asha=1", "encoding": "gsm7", "segments": 1, "version": 1}
    assert acme.json("templates", "preview", "welcome", "--value", "name=Ася")["encoding"] == "ucs2"
    assert "There is no value for name" in acme.refused("templates", "preview", "welcome", code=2)
    assert "--value NAME=VALUE" in acme.refused("templates", "preview", "welcome", "--value", "name", code=2)


def test_what_is_wrong_with_a_template_is_a_sentence(acme: Clarion) -> None:
    assert "none was added yet" in acme.refused("templates", "approve", "welcome")
    assert "has a text" in acme.refused("templates", "add", "welcome", "--text", " ", code=2)
    assert "1 to 512 characters" in acme.refused("templates", "add", "x" * 513, "--text", "x", code=2)
    acme("templates", "add", "welcome", "--text", "x")
    assert "there are welcome" in acme.refused("templates", "show", "goodbye")
    assert "it has 1 to 1" in acme.refused("templates", "show", "welcome", "--version", "2")


def test_templates_belong_to_their_organization(acme: Clarion) -> None:
    acme("organizations", "create", "Zed")
    acme("templates", "add", "welcome", "--text", "x", "--organization", "Acme")
    assert "There is no template" in acme.refused("templates", "show", "welcome", "--organization", "Zed")
    assert acme.json("templates", "list", "--organization", "Zed")["templates"] == []
    assert [each["organization"] for each in acme.json("templates", "list")["templates"]] == ["Acme"]


def test_tables_for_people(acme: Clarion) -> None:
    assert "There is no template yet" in acme("templates", "list").stdout
    assert "There is no keyword yet" in acme("keywords", "list").stdout
    assert "Next: clarion templates approve" in acme("templates", "add", "welcome", "--text", "Hi {name}").stdout
    assert "it is sent from now on" in acme("templates", "approve", "welcome").stdout
    assert "approved, in use" in acme("templates", "show", "welcome").stdout
    assert "1 segment of gsm7" in acme("templates", "preview", "welcome", "--value", "name=A").stdout
    acme("keywords", "add", "PROMO")
    assert "PROMO" in acme("keywords", "list").stdout


def test_keywords_are_registered_and_taken_away(acme: Clarion) -> None:
    assert acme.json("keywords", "add", "PROMO") == {"organization": "Acme", "keyword": "PROMO"}
    assert "registered already" in acme.refused("keywords", "add", "PROMO")
    assert [each["keyword"] for each in acme.json("keywords", "list")["keywords"]] == ["PROMO"]
    assert "there are PROMO" in acme.refused("keywords", "remove", "promo")
    assert acme("keywords", "remove", "PROMO").returncode == 0
    assert acme.json("keywords", "list")["keywords"] == []


@pytest.mark.parametrize("keyword", ["", " ", "ABCDEFGHIJK", "A ", " A", "ТОЛК", "a\tb", "12345678901", "!!!", "A_B^C`D"])
def test_what_is_no_keyword(acme: Clarion, keyword: str) -> None:
    assert "is no keyword" in acme.refused("keywords", "add", keyword, code=2)


@pytest.mark.parametrize("keyword", ["A", "PROMO", "ABCDEFGHIJ", "68100", "Duka 24", "A&B", "3M"])
def test_what_is_a_keyword(acme: Clarion, keyword: str) -> None:
    assert acme("keywords", "add", keyword).returncode == 0
