"""`clarion broadcasts import` beside a running server: how long it takes, and how much memory, for few rows and for many."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import load, processes
from bench.house import Carrier, Place, house

COMMAND = Path(sys.executable).with_name("clarion")
TEXT = "Hello {name}, your order is on its way and will arrive today."

NUMBERS = 10_000_000
STRIDE = 7_368_787
"""Has no divisor in common with NUMBERS: numbers in no order, none of them twice, and none to be kept in mind."""

LOOK_S = 0.02


class Rows(NamedTuple):
    """How many a small file has, and a large one."""

    few: int = 10_000
    many: int = 1_000_000


class Import(NamedTuple):
    """Of one process, from its start to its end."""

    took_s: float
    peak_mb: float


async def imports(place: Place, rows: Rows) -> dict[str, float]:
    """A small file, and once its messages are final a large one. Raises RuntimeError if a row is not accepted."""
    async with house(place, Carrier()) as built:
        few = await _import(place, rows.few)
        await built.until_final(rows.few)
        many = await _import(place, rows.many)
    return {
        "import_few_rows": rows.few,
        "import_many_rows": rows.many,
        "import_few_s": few.took_s,
        "import_many_s": many.took_s,
        "import_times": many.took_s / few.took_s,
        "import_few_mb": few.peak_mb,
        "import_many_mb": many.peak_mb,
        "import_memory": many.peak_mb / few.peak_mb,
    }


async def _import(place: Place, rows: int) -> Import:
    file = place.folder / f"{rows}.csv"
    await asyncio.to_thread(_write, file, rows)
    where = ("--database-url", place.postgres_url) if place.postgres_url else ("--data-dir", str(place.folder))
    arguments = ("broadcasts", "import", "--file", str(file), "--text", TEXT, "--json", *where)
    begin = time.perf_counter()
    process = await asyncio.create_subprocess_exec(COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    ending = asyncio.create_task(process.communicate())
    peak_mb = 0.0
    while not ending.done():
        peak_mb = max(peak_mb, processes.peak_rss_mb(process.pid))
        await asyncio.wait({ending}, timeout=LOOK_S)
    took_s = time.perf_counter() - begin
    printed, errors = ending.result()
    if process.returncode or json.loads(printed)["accepted"] != rows:
        raise RuntimeError(f"an import of {rows:,} rows ended with {process.returncode}: {errors.decode() or printed.decode()}")
    file.unlink()
    return Import(took_s, peak_mb)


def _write(file: Path, rows: int) -> None:
    with file.open("w", encoding="utf-8") as opened:
        opened.writelines(_lines(rows))


def _lines(rows: int) -> Iterator[str]:
    yield "recipient,name\n"
    for number in range(rows):
        yield f"{load.FIRST + number * STRIDE % NUMBERS},Customer {number}\n"
