"""PDUs of real carriers, as public test suites and bug reports captured them: what they say must not depend on our own encoder.

From python-smpplib, Jasmin's smpp.pdu, cloudhopper-smpp and php-smpp. The last digits of people's numbers are replaced by zeros.
"""

import pytest
from tests.carriers.recording import Recorder, message
from tests.carriers.scripted import RememberingTransport

from clarion.carriers.interface import InboundText, Receipt
from clarion.carriers.smpp import SmppSettings, status
from clarion.carriers.smpp.receipts import decode_delivery
from clarion.carriers.smpp.session import Session
from clarion.wiring.machine import SystemClock, SystemTimer

RECEIPTS = [
    pytest.param(
        (
            "000000e40000000500000000542e0f21312e303030000101323434393330303030300005005a4150000400000000000000008069643a366133656439"
            "3861363634343465386162616333616364396262613836353666207375623a30303120646c7672643a303030207375626d697420646174653a313431"
            "30313630303336353020646f6e6520646174653a31343130313630303338303020737461743a554e44454c4956206572723a30303020746578743a04"
            "2300033030300427000105001e0021366133656439386136363434346538616261633361636439626261383635366600"
        ),
        "6a3ed98a66444e8abac3acd9bba8656f",
        "2449300000",
        "ZAP",
        "undelivered",
        "UNDELIV err:000",
        id="network_error_code as three letters, an id of 32 letters",
    ),
    pytest.param(
        (
            "000000f3000000050000000000000001000101343931353230303030303030300001013034303531303030303030000400000000000000008569643a"
            "62633539623861612d326664322d343033352d383131332d313933303165303530303739207375623a30303120646c7672643a303031207375626d69"
            "7420646174653a31353035303831343430353820646f6e6520646174653a31353035303831343430353820737461743a44454c49565244206572723a"
            "30303020746578743a2d042300030300000427000102001e002562633539623861612d326664322d343033352d383131332d31393330316530353030"
            "373900"
        ),
        "bc59b8aa-2fd2-4035-8113-19301e050079",
        "4915200000000",
        "04051000000",
        "delivered",
        "",
        id="an id with hyphens, dates with seconds",
    ),
    pytest.param(
        (
            "0000009200000005000000000001693c00000032313635333030303030300000003737383800040000000001000000000424004f69643a3030303034"
            "3336393439207375626d697420646174653a3135303432313135303820646f6e6520646174653a3135303432313135303820737461743a44454c4956"
            "5244206572723a30303000001e00063661616435000427000102"
        ),
        "6aad5",
        "21653000000",
        "7788",
        "delivered",
        "",
        id="the text as a payload with a zero behind it, its id the decimal form of the parameter",
    ),
    pytest.param(
        (
            "000000c9000000050000000003088101000101393731353630303030303030000500534b5954454c45434f4d000400000000000000007b69643a3134"
            "35313030333135333230323234393537207375623a30303120646c7672643a303031207375626d697420646174653a3135313030333137333220646f"
            "6e6520646174653a3135313030333137333220737461743a44454c49565244206572723a3030303020746578743a5465737420286d65686469290423"
            "000303000014540004000000011418000400000030"
        ),
        "145100315320224957",
        "971560000000",
        "SKYTELECOM",
        "delivered",
        "",
        id="no receipted_message_id, parameters of the vendor",
    ),
    pytest.param(
        (
            "000000de0000000500000000569d3e3600000033353236393030303030303000000030000400000000000000008569643a3444313943383343207375"
            "623a30303120646c7672643a303031207375626d697420646174653a3135313030393031303520646f6e6520646174653a3135313030393031303520"
            "737461743a44454c49565244206572723a3030303020746578743a4757323530204d43433d323730204d4e433d312042696c6c696e674d4e433d3100"
            "1e0009344431394338334300000e000101060d000731323730303100060f000532373030310427000102"
        ),
        "4d19c83c",
        "352690000000",
        "0",
        "delivered",
        "",
        id="a zero too many in a parameter of the vendor",
    ),
    pytest.param(
        (
            "000000cb00000005000000000000000b000201363930303030303030300005003532303030000400000000000000007a69643a303431363334323037"
            "34207375623a30303120646c7672643a303031207375626d697420646174653a3231303130343135323220646f6e6520646174653a32313031303431"
            "35323220737461743a44454c49565244206572723a30303020746578743a8441894f8820454e544f84482e208c4150414b41000e0001010006000101"
            "001e000931386430653033610004270001020426000101"
        ),
        "18d0e03a",
        "6900000000",
        "52000",
        "delivered",
        "",
        id="a quoted text in no known alphabet",
    ),
    pytest.param(
        (
            "000000ba00000005000000000000000200010134343935313030303030300001013430343034000400000000000000006e69643a3030353931313339"
            "3738207375623a30303120646c7672643a303031207375626d697420646174653a3130303231303137333020646f6e6520646174653a313030323130"
            "3137333120737461743a44454c49565244206572723a30303020746578743a4024232125262f3a000e0001010006000101001e000833383630316661"
            "000427000102"
        ),
        "38601fa",
        "44951000000",
        "40404",
        "delivered",
        "",
        id="the word is DELIVERD",
    ),
    pytest.param(
        (
            "000000a40000000500000000000000050001013233343830333030303030303000050056414e534f000400000000040000006369643a303030303030"
            "33303035207375623a30303120646c7672643a303031207375626d697420646174653a3130303131383134333120646f6e6520646174653a31303031"
            "31383134333120737461743a44454c49565244206572723a3030302074650427000102001e00413330303500"
        ),
        "3005",
        "2348030000000",
        "VANSO",
        "delivered",
        "",
        id="receipted_message_id says 65 octets and has 5",
    ),
    pytest.param(
        (
            "000000c5000000050000000000000001000101393137303130303030303030000500414d41525654000400000000000000007b69643a313137303632"
            "373134323434373938323631207375623a30303120646c7672643a303031207375626d697420646174653a3137303632373136323420646f6e652064"
            "6174653a3137303632373136323420737461743a44454c49565244206572723a3030303020746578743a481b656c6c6f20776f726c64042300030300"
            "0014540004000000011418000400000000"
        ),
        "117062714244798261",
        "917010000000",
        "AMARVT",
        "delivered",
        "",
        id="err of four digits, an escape in the quoted text",
    ),
    pytest.param(
        (
            "000000cb000000050000000000000001000101333136303030303030303000050058585820595959590004000000000000000000000e000101000600"
            "0101001e000931643330356234630004270001020424007269643a30343839373038333634207375623a30303120646c7672643a303031207375626d"
            "697420646174653a3138313031353139303720646f6e6520646174653a3138313031353139303720737461743a44454c49565244206572723a303030"
            "20746578743a041f044004380432043504420426000101"
        ),
        "1d305b4c",
        "31600000000",
        "XXX YYYY",
        "delivered",
        "",
        id="both the decimal id in a payload and the hexadecimal one as a parameter",
    ),
]

TEXTS = [
    pytest.param(
        (
            "0000004500000005000000000000000100020135393232393030303000040933373435320000000000000000000000000e0001010006000101042400"
            "0848692066696b7279"
        ),
        "592290000",
        "37452",
        "Hi fikry",
        0,
        id="as a payload, from a national number",
    ),
    pytest.param(
        (
            "0000004600000005000000001f368007000101393839333430303030303030000201363937300080000000000000010004546573740202000d2b3938"
            "39333430303030303030"
        ),
        "989340000000",
        "6970",
        "Test",
        1,
        id="reply path set, a parameter that nobody knows",
    ),
    pytest.param(
        (
            "000000640000000500000000000547eb0002013434393531303030303000040934303430340000000000000000000000000e00010100060001010424"
            "0026404d616964656e6d616e363634207761732069742073617070793f2026526f6d616e7469633f"
        ),
        "4495100000",
        "40404",
        "¡Maidenman664 was it sappy? &Romantic?",
        0,
        id="as a payload, in GSM 7-bit",
    ),
    pytest.param(
        (
            "0000004d00000005000000009f88f1244157534244000101313635303535353132333400010131373733353535303030300000000000000000030011"
            "7468657265206973206e6f2073706f6f6e"
        ),
        "16505551234",
        "17735550000",
        "there is no spoon",
        3,
        id="in Latin-1, a sequence above the highest that is allowed",
    ),
]


@pytest.mark.parametrize(("octets", "reference", "recipient", "sender", "state", "reason"), RECEIPTS)
def test_receipts_of_real_carriers(octets: str, reference: str, recipient: str, sender: str, state: str, reason: str) -> None:
    raw = bytes.fromhex(octets)
    assert int.from_bytes(raw[:4], "big") == len(raw)
    assert decode_delivery(raw, 7) == Receipt(reference, recipient, sender, state, reason, -1, raw, 7)


@pytest.mark.parametrize(("octets", "sender", "recipient", "text", "data_coding"), TEXTS)
def test_texts_of_real_carriers(octets: str, sender: str, recipient: str, text: str, data_coding: int) -> None:
    raw = bytes.fromhex(octets)
    assert int.from_bytes(raw[:4], "big") == len(raw)
    inbound = decode_delivery(raw, 7)
    assert isinstance(inbound, InboundText)
    assert (inbound.sender, inbound.recipient, inbound.text, inbound.data_coding) == (sender, recipient, text, data_coding)
    assert (inbound.part, inbound.parts) == (1, 1)


def connected(recorder: Recorder) -> Session:
    session = Session(SmppSettings(host="h", system_id="me"), SystemClock(), SystemTimer(), recorder, 1)
    session.connection_made(RememberingTransport())
    return session


@pytest.mark.parametrize(
    ("octets", "outcome", "reference", "reason"),
    [
        ("0000001c80000004000000000a342ee1393432353834333135393400", "sent", "94258431594", ""),
        ("0000001080000004000000000a342ee1", "sent", "", ""),
        ("0000001180000004000000000a342ee100", "sent", "", ""),
        ("0000001180000004000000000a342ee139", "sent", "9", ""),  # no zero behind the id
        ("00000019800000040000000a00000002303030303030303000", "refused", "", "ESME_RINVSRCADR (0x0000000a)"),  # an id beside a no
        ("00000010800000040000002200000002", "refused", "", "reserved status (0x00000022)"),
    ],
)
async def test_answers_of_real_carriers_to_a_submit(octets: str, outcome: str, reference: str, reason: str) -> None:
    raw, recorder = bytes.fromhex(octets), Recorder()
    session = connected(recorder)
    session._sequence = int.from_bytes(raw[12:16], "big") - 1
    session.submit([message(1)])
    session.data_received(raw)
    assert [(answer.outcome.value, answer.reference, answer.reason) for answer in recorder.answers] == [(outcome, reference, reason)]


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        ("0000001f800000090000000000039951536d73632053696d756c61746f7200", "ESME_ROK"),
        ("0000001d80000002000000000003995f54574954544552000210000134", "ESME_ROK"),
        ("0000001d80000001000000000003996274776974746572000210000134", "ESME_ROK"),
        ("0000001c80000009000000000000000159656e746131001002000134", "ESME_ROK"),  # a parameter whose tag and length changed places
        ("00000015800000090000000e00004db3534d534300", "ESME_RINVPASWD"),
        ("0000001180000009000000530000000100", "ESME_RINVSYSTYP"),
    ],
)
async def test_answers_of_real_carriers_to_a_bind(octets: str, answer: str) -> None:
    session = connected(Recorder())
    session.data_received(bytes.fromhex(octets))
    assert status.NAMES[session.bind_answer.result()] == answer
