"""Opens a database by its URL: `sqlite:///path` or `postgresql://user@host/name`."""

from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from clarion.core.clock import Timer
from clarion.store.errors import UnsupportedUrl
from clarion.store.interface import Store
from clarion.store.sqlite import SqliteStore


async def open_store(url: str, timer: Timer, *, owner: bool = False, busy_timeout_ms: int = 5000) -> Store:
    """Open a migrated database. With `owner` the process gets a number of its own to hold binds under (`store.owner`).

    `busy_timeout_ms` is how long a SQLite writer waits for one in another process. Raises `Unavailable` or `UnsupportedUrl`.
    """
    if is_sqlite(url):
        store: Store = SqliteStore(sqlite_path(url), timer, busy_timeout_ms)
    else:
        from clarion.store.postgres import PostgresStore  # noqa: PLC0415  (an extra: the driver may be absent)

        store = PostgresStore(url, timer)
    if owner:
        try:
            await store.take_ownership()
        except BaseException:
            await store.close()
            raise
    return store


def is_sqlite(url: str) -> bool:
    """Which of the two engines a URL names. Raises `UnsupportedUrl` if neither."""
    kind = _parsed(url).get_backend_name()
    if kind not in {"sqlite", "postgresql", "postgres"}:
        raise UnsupportedUrl(f"No engine for {kind}://: use sqlite:///path/to/file or postgresql://user:password@host/database.")
    return kind == "sqlite"


def sqlite_path(url: str) -> Path:
    """The file that a SQLite URL names."""
    name = _parsed(url).database
    if not name or name == ":memory:":
        raise UnsupportedUrl("A SQLite database needs a file: sqlite:///path/to/file.")
    return Path(name)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        # The driver takes it apart by itself: a password that would end its host is to be seen here, and in no traceback.
        urlsplit(url).port  # noqa: B018  (refuses what is no number)
    except (ArgumentError, ValueError):
        raise UnsupportedUrl(
            "That is no database URL: use sqlite:///path/to/file or postgresql://user:password@host/database "
            "(in a password / is %2F, ? is %3F, # is %23, @ is %40)."
        ) from None
    return parsed
