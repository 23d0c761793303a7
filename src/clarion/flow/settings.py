"""The settings that everybody works by, kept until their version moves (law 1 of the design): the catalog, the keys, the senders."""

from clarion.core.clock import Timer
from clarion.core.sender import same_sender
from clarion.runtime import Runtime
from clarion.store import senders
from clarion.store.catalog import Catalog, Key, load_catalog, load_key, read_version

POLL_S = 1.0
"""Commands of the CLI take effect in a running server within two seconds: one poll and what it takes to reload."""

KEYS_MAX = 10_000
"""Remembered keys, the unknown ones among them; beyond that all are forgotten and read again."""


class Settings:
    """A cache in front of the store that is never older than the last poll."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._version = -1
        self.answered_at = runtime.timer.monotonic()
        """When the database last answered a poll."""
        self._catalog: Catalog | None = None
        self._last_catalog: Catalog | None = None
        self._keys: dict[bytes, Key | None] = {}
        self._senders: dict[int, frozenset[str]] = {}

    @property
    def last_catalog(self) -> Catalog | None:
        """The catalog as it was when it was last read, at most a poll ago where somebody asks for it: for whoever must not wait."""
        return self._last_catalog

    async def catalog(self) -> Catalog:
        """Carriers, routes and prices."""
        if self._catalog is None:
            catalog = await self._runtime.store.read(load_catalog)
            self._forget_before(catalog.version)
            self._catalog = self._last_catalog = catalog
        return self._catalog

    async def key(self, digest: bytes) -> Key | None:
        """The key with this SHA-256; None for one that does not exist."""
        if digest in self._keys:
            return self._keys[digest]
        version = self._version
        key = await self._runtime.store.read(load_key, digest)
        if len(self._keys) >= KEYS_MAX:
            self._keys.clear()
        if version == self._version:
            self._keys[digest] = key
        return key

    async def senders(self, organization_id: int) -> frozenset[str]:
        """The sender ids that an organization has registered, as `core.sender.same_sender` writes them."""
        known = self._senders.get(organization_id)
        if known is None:
            version = self._version
            found = await self._runtime.store.read(senders.of_organization, organization_id)
            known = frozenset(same_sender(sender.sender) for sender in found)
            if version == self._version:
                self._senders[organization_id] = known
        return known

    async def refresh(self) -> bool:
        """Read the version and forget what is older; True if it had moved."""
        version = await self._runtime.store.read(read_version)
        self.answered_at = self._runtime.timer.monotonic()
        return self._forget_before(version)

    def _forget_before(self, version: int) -> bool:
        if version == self._version:
            return False
        self._version = version
        self._catalog = None
        self._keys.clear()
        self._senders.clear()
        return True

    async def run(self) -> None:
        """Poll until cancelled. A database that does not answer leaves the settings as they are."""
        timer: Timer = self._runtime.timer
        while True:
            await timer.sleep(POLL_S)
            await self.refresh()
