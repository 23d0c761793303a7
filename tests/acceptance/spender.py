"""A client process that spends a wallet: `python spender.py '{"url": …, "key": …, "kind": …, "number": …, "requests": …}'`.

It begins with the first line that it reads, and prints what it was told: how many messages were queued, and how many requests were
refused for want of money. A message of its kind costs what its text has segments.
"""

import http.client
import json
import sys
from typing import Any
from urllib.parse import urlsplit

TEXT = {"bulk": "One segment", "single": "One segment too", "teekrr": "Two segments. " * 14}


def main() -> None:
    options = json.loads(sys.argv[1])
    connection = http.client.HTTPConnection(urlsplit(options["url"]).netloc, timeout=60)
    connection.connect()
    print("ready", flush=True)
    sys.stdin.readline()
    queued = refused = 0
    for request in range(options["requests"]):
        people = [f"2547{options['number']:02}{request:03}{place:03}" for place in range(options["recipients"])]
        status, answer = post(connection, options["key"], *PLACES[options["kind"]](people, TEXT[options["kind"]]))
        count, short = READ[options["kind"]](status, answer)
        queued += count
        refused += short
    print(json.dumps({"queued": queued, "refused": refused}))


def post(connection: http.client.HTTPConnection, key: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {key}"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


PLACES: dict[str, Any] = {
    "bulk": lambda people, text: ("/v1/sms/send-bulk/", {"recipients": people, "message": text}),
    "single": lambda people, text: ("/v1/sms/send/", {"mobile": people[0], "message": text}),
    "teekrr": lambda people, text: (
        "/sms",
        {"campaignName": "All or nothing", "type": "quick broadcast", "templateContent": text, "recipients": people},
    ),
}
"""Where a kind of client posts, and what."""


def read_bulk(status: int, answer: dict[str, Any]) -> tuple[int, int]:
    assert status in {201, 207}, (status, answer)
    assert {error["error"] for error in answer["errors"]} <= {"insufficient_balance", "skipped"}
    return answer["queued"], int(status == 207)


def read_single(status: int, answer: dict[str, Any]) -> tuple[int, int]:
    assert status in {201, 402}, (status, answer)
    return int(status == 201), int(status == 402)


def read_teekrr(status: int, answer: dict[str, Any]) -> tuple[int, int]:
    assert status in {200, 402}, (status, answer)
    return (answer["data"]["queued"] if status == 200 else 0), int(status == 402)


READ = {"bulk": read_bulk, "single": read_single, "teekrr": read_teekrr}


if __name__ == "__main__":
    main()
