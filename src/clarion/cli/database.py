"""Commands that work on the database, beside a running server or without one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from clarion.cli.failures import Failure
from clarion.cli.output import zone_of

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization

T = TypeVar("T")


def with_database(data_dir: Path, database_url: str | None, work: "Callable[[Runtime], Awaitable[T]]") -> T:
    """Open the database, do the work, close it. Raises what `wiring.opening.open_database` raises."""
    from clarion.wiring.logs import set_up_logs
    from clarion.wiring.opening import open_database

    async def opened() -> T:
        async with open_database(data_dir, database_url) as runtime:
            return await work(runtime)

    # What went well the command says itself.
    set_up_logs("terminal", logging.WARNING)
    return asyncio.run(opened())


def folder_is_served(data_dir: Path, database_url: str | None) -> bool | None:
    """Whether a server has the data folder at this moment; None on PostgreSQL, where the rows of binds tell."""
    from clarion.store.engine import is_sqlite, sqlite_path
    from clarion.store.sqlite import is_folder_locked
    from clarion.wiring.opening import database_url as url_of

    url = url_of(data_dir, database_url)
    return is_folder_locked(sqlite_path(url).parent) if is_sqlite(url) else None


async def organization_named(runtime: "Runtime", name: str | None) -> "Organization":
    """The organization of this name; without one, the only one there is. Raises Failure with the names that there are."""
    from clarion.store import catalog

    every = await runtime.store.read(catalog.load_organizations)
    names = ", ".join(organization.name for organization in every)
    if not every:
        raise Failure("There is no organization yet. Make one: clarion organizations create NAME.")
    if name is None:
        if len(every) > 1:
            raise Failure(f"Name the organization with --organization; there are {names}.", 2)
        return every[0]
    for organization in every:
        if organization.name == name:
            return organization
    raise Failure(f"There is no organization {name!r}; there are {names}.")


class Shown(NamedTuple):
    """Whose rows a list shows: those of `owner`, or everybody's where none was named. `every` organization is there by its id."""

    owner: "Organization | None"
    every: "dict[int, Organization]"

    @property
    def owner_id(self) -> int | None:
        """What the store is asked for: None is everybody's."""
        return None if self.owner is None else self.owner.id

    @property
    def zone(self) -> str:
        """Of all times in the list."""
        return zone_of(self.every.values() if self.owner is None else [self.owner])


async def shown_organizations(runtime: "Runtime", name: str | None) -> Shown:
    """What a list is about that may name an organization. Raises Failure as `organization_named`."""
    from clarion.store import catalog

    owner = None if name is None else await organization_named(runtime, name)
    return Shown(owner, {each.id: each for each in await runtime.store.read(catalog.load_organizations)})
