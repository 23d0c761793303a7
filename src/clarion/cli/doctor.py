"""`clarion doctor`: proves the database's rows against each other, and says what to do."""

from dataclasses import asdict

import typer

from clarion.cli.database import with_database
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json
from clarion.cli.output import print_json, say

EPILOG = "clarion doctor --json"


def doctor(data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Check ledger, wallets, holds, counters, and what nobody comes back to. Exit 1 if something is wrong; warnings alone exit 0.

    It reads one snapshot, beside a running server or without one.
    """
    from clarion.store.doctor import examine

    findings = with_database(data_dir, database_url, lambda runtime: runtime.store.read(examine, runtime.clock.now()))
    wrong = any(finding.severity == "error" for finding in findings)
    if as_json:
        print_json({"healthy": not wrong, "findings": [asdict(finding) for finding in findings]})
    elif not findings:
        say("Healthy: ledger, wallets, holds, messages and counters agree, and nothing is stuck.")
    else:
        for finding in findings:
            shown = ", ".join(finding.examples) + (", …" if finding.count > len(finding.examples) else "")
            say(f"{finding.severity}: {finding.count:,} {finding.what} [{finding.code}]\n  {shown}\n  {finding.advice}\n")
        say("Something is wrong." if wrong else "Nothing is wrong; what is listed wants a look.")
    if wrong:
        raise typer.Exit(1)
