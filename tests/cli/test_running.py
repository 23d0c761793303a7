"""Commands that stay, and commands beside them: serve, simulator smsc, demo."""

import json
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from tests.ports import free_port

LIMIT_S = 120
"""For whoever waits for another process; what is promised is two seconds."""


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def ask(url: str, key: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_first_start_says_all_that_is_needed_and_the_rest_works_beside_it(beside_sqlite: Any, start: Any) -> None:
    clarion = beside_sqlite
    server = start(clarion, "serve", "--simulator", "--port", "0", "--data-dir", "made")
    key = server.printed(r"tk_live_[A-Za-z0-9]{32}\n")[0].strip()
    url = server.printed(r"Clarion answers on (http://\S+)")[1]
    place = ("--data-dir", "made")
    until(lambda: clarion.json("carriers", "list", *place)["carriers"][0]["state"] == "bound")
    status, sent = ask(f"{url}/v1/sms/send-bulk/", key, {"recipients": ["254712345678", "0734567890", "12"], "message": "Hello"})
    assert (status, sent["queued"], sent["failed"]) == (207, 2, 1)

    lines = clarion("broadcasts", "watch", sent["campaign_id"], "--interval-ms", "100", "--json", *place).stdout.splitlines()
    last = json.loads(lines[-1])
    assert (last["id"], last["open"], last["messages"], last["rejected"]) == (sent["campaign_id"], 0, 2, 1)
    shown = clarion.json("broadcasts", "show", sent["campaign_id"], *place)
    assert shown["money"]["reserved"] == "2.00"
    assert {"state": "rejected", "carrier": None, "reason": "invalid_number", "messages": 1} in shown["reasons"]
    assert clarion.json("broadcasts", "list", *place)["broadcasts"][0]["id"] == sent["campaign_id"]
    people = clarion("broadcasts", "show", sent["campaign_id"], *place).stdout
    assert "KES 2.00 reserved" in people
    for verb in ("show", "watch", "list"):
        printed = clarion("broadcasts", verb, *([] if verb == "list" else [sent["campaign_id"]]), *place).stdout
        assert sent["campaign_id"] in printed
        assert printed.endswith("\n"), verb
    history = clarion.json("messages", "show", sent["results"][0]["id"], *place)
    assert history["id"] == sent["results"][0]["id"]
    assert [event["what"] for event in history["events"][:3]] == ["request", "accepted", "routed"]
    assert history["events"][0]["detail"] == history["request_id"]
    assert "254712345678" in clarion("messages", "show", sent["results"][0]["id"], *place).stdout

    other = clarion.json("keys", "create", "--name", "other", *place)
    assert ask(f"{url}/v1/balance/", other["key"])[0] == 200
    clarion.json("keys", "revoke", str(other["id"]), *place)
    until(lambda: ask(f"{url}/v1/balance/", other["key"])[0] == 401)
    clarion.json("wallet", "top-up", "1", *place)
    assert clarion.json("doctor", *place)["findings"] == []

    again = clarion.alone("serve", "--port", "0", *place)
    assert (again.returncode, again.stdout) == (1, "")
    assert "in use by another server" in again.stderr
    code, printed = server.stop()
    assert code == 0, server.log
    assert printed.count(key) == 2  # shown, and in the next command to type
    assert key not in server.log
    assert "Hello" not in server.log

    server = start(clarion, "serve", "--port", "0", *place)
    server.printed(r"Clarion answers on (http://\S+)")
    code, printed = server.stop(signal.SIGINT)
    assert code == 0
    assert "tk_live_" not in printed


def test_serve_refuses_what_it_cannot_use(beside_sqlite: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = beside_sqlite.refused("serve", "--port", str(port))
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said
    assert "choose auto, terminal, json" in beside_sqlite.refused("serve", "--log-format", "xml", code=2)
    assert "10.0.0.0/8" in beside_sqlite.refused("serve", "--trusted-proxy", "everybody", code=2)
    (beside_sqlite.folder / "file").write_text("")
    assert "--data-dir" in beside_sqlite.refused("serve", "--port", "0", "--data-dir", "file/below")


def test_a_simulated_smsc_lets_in_whom_it_should(beside_sqlite: Any, start: Any) -> None:
    smsc = start(beside_sqlite, "simulator", "smsc", "--port", "0", "--system-id", "acme", "--password", "secret", "--json")
    port = until(lambda: re.search(r"listens on 127\.0\.0\.1:(\d+)", smsc.log))[1]
    beside_sqlite.json("carriers", "add", "right", f"smpp://acme:secret@127.0.0.1:{port}")
    beside_sqlite.json("carriers", "add", "wrong", f"smpp://acme:other@127.0.0.1:{port}")
    tried = beside_sqlite.json("carriers", "test", "right")
    assert [(step["name"], step["succeeded"]) for step in tried["steps"]] == [("connect", True), ("bind", True), ("unbind", True)]
    refused = beside_sqlite("carriers", "test", "wrong")
    assert refused.returncode == 1
    assert "ESME_RINVPASWD" in refused.stdout
    code, printed = smsc.stop()
    assert code == 0
    counters = json.loads(printed)
    assert (counters["binds"], counters["binds_refused"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fail", "0x0b"), None),
        (("--fail", "much=0.1"), "STATUS=SHARE"),
        (("--fail", "0x0b=0.9", "--fail", "0x58=0.9"), "add up to 1"),
        (("--late-share", "2"), "less than or equal to 1"),
        (("--message-id-form", "roman"), "decimal or hex"),
    ],
)
def test_faults_that_cannot_be_simulated(beside_sqlite: Any, start: Any, arguments: tuple[str, ...], words: str | None) -> None:
    if words is not None:
        assert words in beside_sqlite.refused("simulator", "smsc", "--port", "0", *arguments, code=2)
        return
    smsc = start(beside_sqlite, "simulator", "smsc", "--port", "0", *arguments)
    until(lambda: "listens on" in smsc.log)
    code, printed = smsc.stop(signal.SIGINT)
    assert code == 0
    assert "receipts acknowledged" in printed


def test_a_plan_of_faults_and_counters_by_http(beside_sqlite: Any, start: Any) -> None:
    """What is typed or set in the environment goes before the plan; the counters are told while it runs, and at the end."""
    (beside_sqlite.folder / "plan.toml").write_text(
        "[binds]\nsystem_id = 'acme'\nrefused_status = 'ESME_RBINDFAIL'\n"
        "[refusals]\nESME_RINVDSTADR = 0.5\n0x14 = 0.5\n[throttling]\nper_second = 5\n"
    )
    options = ("--plan", "plan.toml", "--system-id", "other", "--fail", "0x14=0", "--http-port", "0", "--json")
    smsc = start(beside_sqlite, "simulator", "smsc", "--port", "0", *options)
    port = until(lambda: re.search(r"listens on 127\.0\.0\.1:(\d+)", smsc.log))[1]
    counted = until(lambda: re.search(r"(http://127\.0\.0\.1:\d+)/counters", smsc.log))[1]
    assert "smpp://other@" in smsc.log
    beside_sqlite.json("carriers", "add", "one", f"smpp://other@127.0.0.1:{port}")
    tried = beside_sqlite("carriers", "test", "one")
    assert "ESME_RBINDFAIL" in tried.stdout
    with urllib.request.urlopen(f"{counted}/counters", timeout=30) as answer:
        told = json.load(answer)
    assert (told["binds_refused"], told["faults"]) == (1, {"bind_refused": 1})
    with urllib.request.urlopen(f"{counted}/metrics", timeout=30) as answer:
        assert 'clarion_simulator_faults_total{fault="bind_refused"} 1.0' in answer.read().decode()
    for path, method, code in (("/nosuch", "GET", 404), ("/counters", "POST", 405)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{counted}{path}", method=method), timeout=30)
        assert refused.value.code == code
        assert json.load(refused.value) == {
            "error": f"There is nothing for {method} {path}: GET /counters tells the counters as JSON, GET /metrics for Prometheus."
        }
    code, printed = smsc.stop()
    assert code == 0
    assert json.loads(printed) == {name: value for name, value in told.items() if name != "connections"}


def test_a_plan_that_cannot_be_followed(beside_sqlite: Any) -> None:
    (beside_sqlite.folder / "plan.toml").write_text("seed = 1\n[recipts]\ntwice_share = 1\n")
    said = beside_sqlite.refused("simulator", "smsc", "--port", "0", "--plan", "plan.toml", code=2)
    assert "plan.toml, line 2: there is no table 'recipts'; the closest is receipts." in said
    (beside_sqlite.folder / "plan.toml").write_text("[receipts]\nearly_share = 0.6\n")
    said = beside_sqlite.refused("simulator", "smsc", "--port", "0", "--plan", "plan.toml", "--late-share", "0.6", code=2)
    assert "add up to 1" in said
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = beside_sqlite.refused("simulator", "smsc", "--port", "0", "--http-port", str(taken.getsockname()[1]))
    assert "Choose another --http-port" in said


def test_a_demo_goes_to_the_last_receipt_and_may_be_run_again(beside_sqlite: Any) -> None:
    # What a shell is set up for must not reach a try.
    beside_sqlite.settings["CLARION_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    for expected in ("10000.00", None):
        done = beside_sqlite.alone("demo", "--recipients", "300", "--port", str(free_port()), "--exit", "--json")
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert summary["recipients"] == 300 == summary["delivered"] + summary["undelivered"] + summary["failed"]
        assert summary["charged"] == f"{300 - summary['failed']}.00"
        assert expected is None or summary["balance_before"] == expected
    place = ("--data-dir", "demo-data", "--database-url", "")
    del beside_sqlite.settings["CLARION_DATABASE_URL"]
    assert len(beside_sqlite.json("broadcasts", "list", *place[:2])["broadcasts"]) == 2
    assert beside_sqlite.json("doctor", *place[:2])["findings"] == []
    log = (beside_sqlite.folder / "demo-data" / "serve.log").read_text()
    assert "tk_live_" not in log
    assert "promo" not in log


def test_a_demo_stays_until_it_is_stopped(beside_sqlite: Any, start: Any) -> None:
    port = free_port()
    demo = start(beside_sqlite, "demo", "--recipients", "20", "--port", str(port))
    demo.printed("Ctrl-C stops it")
    key = demo.printed(r"tk_live_[A-Za-z0-9]{32}")[0]
    assert ask(f"http://127.0.0.1:{port}/v1/balance/", key)[0] == 200
    code, printed = demo.stop()
    assert code == 0, demo.log
    for words in ("accepted in", "to the last receipt", "delivered", "charged", "KES 10000.00 before", "demo-data"):
        assert words in printed
    with pytest.raises(urllib.error.URLError):
        ask(f"http://127.0.0.1:{port}/healthz", key)


def test_a_demo_names_a_taken_port_before_it_does_anything(beside_sqlite: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = beside_sqlite.refused("demo", "--port", str(port), "--data-dir", "untouched")
    assert f"Port {port} on 127.0.0.1 is taken" in said
    assert "make demo PORT=" in said
    assert not (beside_sqlite.folder / "untouched").exists()


def test_a_demo_sends_nothing_to_a_real_carrier(beside_sqlite: Any) -> None:
    beside_sqlite.json("carriers", "add", "north", "smpp://acme@127.0.0.1:1")
    said = beside_sqlite.refused("demo", "--port", str(free_port()), "--data-dir", "clarion-data")
    assert "has the carrier north" in said
    assert not (beside_sqlite.folder / "clarion-data" / "serve.log").exists()
