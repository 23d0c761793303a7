"""What comes with size and age, beside a real server: a file that is imported, and messages that are deleted when they are old."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

LIMIT_S = 60


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def test_a_file_is_imported_beside_a_server_and_forgotten_after_days(beside_sqlite: Any, start: Any) -> None:
    clarion = beside_sqlite
    server = start(clarion, "serve", "--simulator", "--port", "0")
    server.printed(r"Clarion answers on")
    (clarion.folder / "leads.csv").write_text("phone,name\n" + "".join(f"+2547{number:08},N{number}\n" for number in range(2_000)))
    done = clarion.json("broadcasts", "import", "--file", "leads.csv", "--text", "Hello {name}")
    assert (done["accepted"], done["simulated"]) == (2_000, True)
    shown = until(lambda: (found := clarion.json("broadcasts", "show", done["id"]))["open"] == 0 and found)
    assert shown["states"]["delivered"] > 1_000
    assert clarion.json("doctor")["findings"] == []
    assert server.stop()[0] == 0

    later = (datetime.now(UTC) + timedelta(days=3)).isoformat(timespec="seconds")
    clarion.settings |= {"CLARION_CLOCK": f"start={later}", "CLARION_RETENTION_DAYS": "2"}
    start(clarion, "serve", "--simulator", "--port", "0").printed(r"Clarion answers on")
    until(lambda: clarion.json("messages", "list", "--broadcast", done["id"])["messages"] == [])
    until(lambda: clarion.json("doctor")["findings"] == [])
    after = clarion.json("broadcasts", "show", done["id"])
    assert (after["states"], after["money"]) == (shown["states"], shown["money"])
