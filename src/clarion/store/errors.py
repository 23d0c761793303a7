"""What the store raises of its own. Everything else that a transaction raises reaches its caller as it is.

StoreError
├── Unavailable       the database does not answer, is full or is locked; work resumes by itself
├── NewerDatabase     it was written by a later version of the program
├── OlderDatabase     a start of the server migrates it
├── FolderInUse       another process serves this data folder
├── BackupRefused     there is nothing to be had this way, and how else
├── RestoreRefused    the copy cannot be used, or cannot be put there
├── UnsupportedUrl    no engine for this URL, or its extra is not installed
├── AlreadyThere      a name is taken
└── NotThere          nothing has this name or id
"""


class StoreError(Exception):
    """Each is one sentence for a person."""


class Unavailable(StoreError):
    """The database did not take the transaction. Nothing of it is kept, unless the message says that this is not known."""


class NewerDatabase(StoreError):
    """The database's revision is not known to this program."""

    def __init__(self, found: str, known: str) -> None:
        super().__init__(
            f"The database is at revision {found}, newer than this program, which knows revisions up to {known}. "
            "Install the version of Clarion that wrote it, or restore a backup."
        )
        self.found = found
        self.known = known


class FolderInUse(StoreError):
    """Another process has the data folder. `pid` is 0 where it cannot be told."""

    def __init__(self, path: str, pid: int) -> None:
        super().__init__(f"The data folder {path} is in use by another server{f' (process {pid})' if pid else ''}.")
        self.path = path
        self.pid = pid


class BackupRefused(StoreError):
    """The backup was not made; the message says what to do."""


class RestoreRefused(StoreError):
    """The copy was not restored; the message says why."""


class UnsupportedUrl(StoreError):
    """The database URL cannot be opened by this program."""


class OlderDatabase(StoreError):
    """The database waits for a migration, which only a server's start runs."""

    def __init__(self, found: str | None, known: str) -> None:
        super().__init__(
            f"The database is at revision {found or 'none'}, this program needs {known}: start `clarion serve` once, which migrates it."
        )
        self.found = found
        self.known = known


class AlreadyThere(StoreError):
    """The name is taken; the message is a sentence for people."""


class NotThere(StoreError):
    """Nothing has this name or id; the message is a sentence for people that names what there is."""
