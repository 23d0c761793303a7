"""Carriers' URLs, and what is said about those that cannot be used."""

import pytest

from clarion.carriers.smpp import CarrierUrlError, SmppSettings, names_password, parse_url, pdu, url_without_password


def test_a_url_with_nothing_but_its_host_and_user() -> None:
    assert parse_url("smpp://me:pw@carrier.example") == SmppSettings(host="carrier.example", system_id="me", password="pw")


def test_a_url_with_everything() -> None:
    url = (
        "smpp://me%40x:p%3Aw@[::1]:2776/?bind=receiver&window=10&rate=12.5&binds=3&enquire=5&answer_timeout=7"
        "&system_type=VMA&sender=+254700&umr=1&long=sar&alphabet=latin1&receipt=last&source_ton=3&source_npi=0&dest_ton=0&dest_npi=8"
    )
    assert parse_url(url) == SmppSettings(
        host="::1",
        port=2776,
        system_id="me@x",
        password="p:w",
        bind="receiver",
        window=10,
        rate_per_second=12.5,
        binds=3,
        enquire_s=5,
        answer_timeout_s=7,
        system_type="VMA",
        sender="+254700",
        user_message_reference=True,
        long="sar",
        alphabet="latin1",
        receipt="last",
        source_ton=3,
        source_npi=0,
        destination_ton=0,
        destination_npi=8,
    )


def test_a_url_over_tls() -> None:
    assert parse_url("smpps://me@h?ca=/etc/ca.pem") == SmppSettings(host="h", system_id="me", port=3550, tls=True, ca="/etc/ca.pem")
    assert parse_url("smpps://me@h:2775") == SmppSettings(host="h", system_id="me", port=2775, tls=True)


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ("binds=2", ["transceiver", "transceiver"]),
        ("bind=receiver", ["receiver"]),
        ("bind=pair", ["transmitter", "receiver"]),
        ("bind=pair&binds=2", ["transmitter", "receiver", "transmitter", "receiver"]),
    ],
)
def test_the_connections_of_a_carrier(options: str, kinds: list[str]) -> None:
    assert [each.bind for each in parse_url(f"smpp://me@h?{options}").connections] == kinds


def test_a_password_given_beside_the_url_wins() -> None:
    assert parse_url("smpp://me:old@h", password="new").password == "new"
    assert parse_url("smpp://me@h", password="").password == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://me@h", "begins with smpp://"),
        ("carrier.example:2775", "begins with smpp://"),
        ("", "begins with smpp://"),
        ("smpp://me@h?ca=/ca.pem", "ca is for TLS"),
        ("smpps://me@h?ca=ca.pem", "ca is the whole path"),
        ("smpp://me@", "no host"),
        ("smpp://h", "system_id is missing"),
        ("smpp://me@h:0", "port"),
        ("smpp://me@h:70000", "port"),
        ("smpp://me@h:x", "port"),
        ("smpp://me@[::1", "no URL"),
        ("smpp://me@h/path", "nothing stands between"),
        ("smpp://me@h?bind=both", "bind is one of transceiver, transmitter, receiver, pair"),
        ("smpp://me@h?window=0", "window is a whole number from 1"),
        ("smpp://me@h?window=1e3", "window is a whole number"),
        ("smpp://me@h?window=2.5", "window is a whole number"),
        ("smpp://me@h?window=99999", "window"),
        ("smpp://me@h?rate=-1", "rate is a number"),
        ("smpp://me@h?rate=nan", "rate is a number"),
        ("smpp://me@h?rate=", "rate is a number"),
        ("smpp://me@h?rate=.", "rate is a number"),
        ("smpp://me@h?enquire=0", "enquire is a number"),
        ("smpp://me@h?umr=yes", "umr is one of 0, 1"),
        ("smpp://me@h?long=udh", "long is one of udh8, udh16, sar, payload"),
        ("smpp://me@h?alphabet=utf8", "alphabet is one of gsm7, latin1, ascii"),
        ("smpp://me@h?receipt=none", "receipt is one of each, last"),
        ("smpp://me@h?source_ton=7", "source_ton is a whole number from 0 to 6"),
        ("smpp://me@h?dest_npi=x", "dest_npi is a whole number from 0 to 18"),
        ("smpp://me@h?windw=5", "windw is no setting"),
        ("smpp://me@h?window=5&window=6", "window is set twice"),
        (f"smpp://{'m' * 65}@h", "system_id has 65 characters; at most 64 are taken"),
        (f"smpp://me:{'p' * 65}@h", "password has 65 characters; at most 64 are taken"),
        ("smpp://m%C3%A9@h", "printable ASCII"),
        ("smpp://m%00e@h", "printable ASCII"),
        ("smpp://me@h?sender=ABCDEFGHIJKLMNOPQRSTU", "sender has 21 characters"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(url: str, words: str) -> None:
    with pytest.raises(CarrierUrlError, match=words.replace("(", r"\(")):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("smpp://me:secret@h:2775?window=5", "smpp://me@h:2775?window=5"),
        ("smpp://me:s%40c@h", "smpp://me@h"),
        ("smpp://me:a@b@h", "smpp://me@h"),
        ("smpp://me@h?sender=+254", "smpp://me@h?sender=%2B254"),
        ("smpp://h?bad=1", "smpp://h?bad=1"),
        ("smpps://me@h?ca=%2Fetc%2Fca.pem", "smpps://me@h?ca=/etc/ca.pem"),
    ],
)
def test_urls_are_shown_without_their_password(url: str, shown: str) -> None:
    assert url_without_password(url) == shown
    assert "secret" not in repr(parse_url("smpp://me:secret@h"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("smpp://0123456789abcde:12345678@h", ""),
        ("smpp://me:123456789@h", "SMPP 3.4 has room for a password of 8 characters"),
        ("smpp://0123456789abcdef@h", "SMPP 3.4 has room for a system_id of 15 characters"),
        (f"smpp://{'m' * 64}:{'p' * 64}@h", "SMPP 3.4 has room for a system_id of 15 and a password of 8 characters"),
    ],
)
def test_a_login_may_be_longer_than_smpp_has_room_for_and_says_so(url: str, said: str) -> None:
    settings = parse_url(url)
    assert settings.long_login.startswith(said)
    assert bool(settings.long_login) == bool(said)
    body = pdu.encode_bind(pdu.BindRequest(settings.system_id, settings.password))
    assert pdu.decode_bind(pdu.frame(pdu.BIND_RECEIVER, 0, 1, body)) == pdu.BindRequest(settings.system_id, settings.password)


def test_a_password_belongs_to_an_account() -> None:
    known = parse_url("smpp://me:pw@carrier.example?window=5").account
    assert parse_url("smpp://me@CARRIER.example:2775?rate=3").account == known
    for other in (
        "smpp://me@other.example",
        "smpp://you@carrier.example",
        "smpp://me@carrier.example:1",
        "smpps://me@carrier.example:2775",
    ):
        assert parse_url(other).account != known
    assert [names_password(f"smpp://me{password}@h") for password in ("", ":", ":pw")] == [False, True, True]
