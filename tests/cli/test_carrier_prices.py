"""What commands say of prices is what is charged: carriers share a prefix, and only one of their prices counts."""

from typing import Any

RECEIVER = "smpp://acme@127.0.0.1:1?bind=receiver"
URL = "smpp://acme@127.0.0.1:1"


def charged(clarion: Any, number: str) -> str:
    return str(clarion.json("send", number, "Hi", "--wait-s", "0")["price"])


def furnished(clarion: Any) -> None:
    """An organization with money, and two carriers of one prefix."""
    clarion.json("organizations", "create", "Acme")
    clarion.json("wallet", "top-up", "100.00")
    clarion.json("carriers", "add", "bad", URL, "--price", "1", "--prefix", "254")


def test_a_carrier_says_what_customers_pay_and_warns_where_its_price_does_not_count(clarion: Any) -> None:
    furnished(clarion)
    done = clarion("carriers", "add", "good", URL, "--price", "1.2", "--prefix", "254")
    assert "Added the carrier good for numbers that begin with +254.\n" in done.stdout
    assert "Customers pay KES 1.00 (the price of bad) a segment to numbers that begin with +254.\n" in done.stdout
    assert "Warning: the price 1.20 of good does not count in KES: that of bad, which was added first, does." in done.stderr
    assert "clarion prices set +254 1.20 --currency KES" in done.stderr
    done = clarion("carriers", "set", "good", "--price", "1.75")
    assert "price 1.75" in done.stdout
    assert "Customers pay KES 1.00 (the price of bad)" in done.stdout
    assert "Until now" not in done.stdout
    assert "the price 1.75 of good does not count" in done.stderr
    assert "the price 2.00 of good does not count" in clarion("carriers", "set", "good", "--price", "2", "--json").stderr
    clarion.json("carriers", "set", "good", "--price", "1.75")
    assert charged(clarion, "0712345678") == "1.00"
    counts = {each["carrier"]: each["counts"] for each in clarion.json("prices", "list")["prices"]}
    assert counts == {"bad": True, "good": False}
    assert clarion("carriers", "list").stdout.count("1.75 (unused)") == 1
    assert [line.split()[-1] for line in clarion("prices", "list").stdout.splitlines() if "+254" in line] == ["yes", "no"]


def test_a_removed_carrier_says_what_customers_pay_then(clarion: Any) -> None:
    furnished(clarion)
    clarion.json("carriers", "add", "good", URL, "--price", "1.75", "--prefix", "254")
    said = clarion("carriers", "remove", "bad", "--yes").stdout
    assert "Customers pay KES 1.75 (the price of good) a segment to numbers that begin with +254." in said
    assert "Until now that was KES 1.00. To go on with it: clarion prices set +254 1.00 --currency KES" in said
    assert charged(clarion, "0712345678") == "1.75"
    clarion.json("prices", "set", "+254", "1")
    done = clarion("carriers", "set", "good", "--price", "3")
    assert "Customers pay KES 1.00 (set by hand)" in done.stdout
    assert "a price that was set by hand goes before it" in done.stderr
    assert "Customers pay KES 3.00 (the price of good)" in clarion("prices", "remove", "+254").stdout
    assert "No carrier takes numbers that begin with +254 any more." in clarion("carriers", "remove", "good", "--yes").stdout


def test_a_carrier_that_only_receives_sets_no_price(clarion: Any) -> None:
    clarion.json("organizations", "create", "Acme")
    assert "it sets no price: leave --price out" in clarion.refused("carriers", "add", "recv", RECEIVER, "--price", "7", code=2)
    clarion.json("carriers", "add", "recv", URL, "--price", "7")
    said = clarion("carriers", "add", "glob", URL).stdout
    assert "Customers pay KES 7.00 (the price of recv) a segment to all numbers." in said
    said = clarion("carriers", "set", "recv", "--url", RECEIVER).stdout
    assert "Customers pay nothing (KES: no price is set) a segment to all numbers." in said
    assert "Until now that was KES 7.00" in said
    assert charged(clarion, "+14155552671") == "0.00"
    assert [each["counts"] for each in clarion.json("prices", "list")["prices"]] == [False]
    assert "sets no price" in clarion.refused("carriers", "set", "recv", "--price", "8", code=2)


def test_a_price_of_everybody_is_told_beside_those_of_their_own(clarion: Any) -> None:
    clarion.json("organizations", "create", "Acme")
    clarion.json("organizations", "create", "Zed", "--currency", "MYR")
    clarion.json("organizations", "create", "Free", "--currency", "USD", "--billing", "none")
    clarion.json("prices", "set", "+254", "0.5", "--organization", "Acme")
    clarion.json("prices", "set", "+25471", "0.4")
    said = clarion("carriers", "add", "north", URL, "--price", "1", "--prefix", "+254").stdout
    assert "Customers pay KES 1.00 (the price of north), MYR 1.00 (the price of north) a segment to numbers that begin with +254" in said
    assert "that have no price of a longer prefix. 1 organization has a price of its own." in said
    refused = clarion.refused("prices", "set", "+254", "0.5", "--organization", "Zed", code=2)
    assert "Zed pays in MYR, so no price in KES counts for it: --currency MYR." in refused
    assert clarion.json("prices", "set", "+60", "2", "--organization", "Zed", "--currency", "MYR")["amount"] == "2.00"


def test_a_carrier_gets_another_prefix_and_takes_its_price_along(clarion: Any) -> None:
    furnished(clarion)
    said = clarion("carriers", "set", "bad", "--price", "1.50").stdout
    assert said.endswith("that begin with +254.\nUntil now that was KES 1.00.\n")
    clarion.json("carriers", "set", "bad", "--price", "1")
    done = clarion("carriers", "set", "bad", "--prefix", "255")
    assert "No carrier takes numbers that begin with +254 any more." in done.stdout
    assert "Customers pay KES 1.00 (the price of bad) a segment to numbers that begin with +255." in done.stdout
    (view,) = clarion.json("carriers", "list")["carriers"]
    assert (view["prefixes"], view["prices"]) == (["+255"], [{"prefix": "+255", "amount": "1.00"}])
    assert "No carrier takes +254712345678" in clarion.refused("send", "0712345678", "Hi")
    assert clarion.json("carriers", "set", "bad", "--prefix", "all", "--price", "2")["prices"] == [{"prefix": "", "amount": "2.00"}]
    assert charged(clarion, "0712345678") == "2.00"
    for wrong in ("+", "07", "++254"):
        assert "is no prefix" in clarion.refused("carriers", "set", "bad", "--prefix", wrong, code=2)
        assert "is no prefix" in clarion.refused("carriers", "add", "other", URL, "--prefix", wrong, code=2)


def test_a_price_that_customers_pay_anyway_is_no_warning(clarion: Any) -> None:
    clarion.json("organizations", "create", "Acme")
    for name, price in (("north", "1.00"), ("south", "1")):
        done = clarion("carriers", "add", name, "smpp://acme@127.0.0.1:1", "--price", price, "--prefix", "+254")
        assert (done.returncode, done.stderr) == (0, "")
