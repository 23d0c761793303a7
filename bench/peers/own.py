"""What only Clarion is asked: how fast it accepts and imports, what its client does alone, and what dominates its road."""

from itertools import count
from pathlib import Path
from typing import Any

from bench import ceiling, dominates, scenarios
from bench.house import Place
from bench.imports import Rows, imports
from bench.peers.clarion import place_for
from bench.peers.measured import LOOP, WRITER, Part
from bench.scenarios import DELAY_MS, DELAYED_WINDOW, Figures, Sizes

LOOP_PARTS, WRITER_PARTS = 12, 8
"""How many are named; what is left is one part."""

_numbers = count(1)


async def accepts(folder: Path, sizes: Sizes) -> Figures:
    """Requests of 10,000 on SQLite."""
    return await scenarios.accepts(Place(_own(folder)), sizes)


async def files(postgres: Any, folder: Path, rows: Rows) -> Figures:  # noqa: ANN401  (a class of an optional package)
    """Imports, on this PostgreSQL or without one on SQLite."""
    return await imports(await place_for(postgres, _own(folder)), rows)


async def client(folder: Path, submits: int) -> Figures:
    """Without a database: how much of window ÷ round trip a carrier that answers in 50 ms leaves to anybody."""
    rate = await ceiling.delayed(folder, DELAY_MS, submits)
    return {"delayed_bare": 100 * rate / (DELAYED_WINDOW / (DELAY_MS / 1000))}


async def road(folder: Path, sizes: Sizes) -> tuple[Figures, list[Part]]:
    """The CPU of the threads in an ordinary run, and its parts by a profiled one, the largest first; those that are put together behind."""
    plain = await scenarios.road(Place(_own(folder)), sizes)
    profile = folder / "profile"
    profiled = await scenarios.road(Place(_own(folder)), sizes, profile=profile)
    server, loop, writer = (plain[f"road_cpu_{name}"] for name in ("server", "loop", "writer"))
    of_writer = dominates.of_writer(profile, profiled["road_cpu_writer"] * sizes.recipients / 1000, WRITER_PARTS)
    parts = [Part(LOOP, share.name, share.share * loop / server) for share in dominates.of_loop(profile, LOOP_PARTS)]
    parts += [Part(WRITER, share.name, share.share * writer / server) for share in of_writer]
    parts.append(Part("other threads", dominates.OTHERS, max(0.0, 1 - (loop + writer) / server)))
    return plain, sorted(parts, key=lambda part: (part.name == dominates.OTHERS, -part.share))


def _own(folder: Path) -> Path:
    return folder / f"own-{next(_numbers)}"
