"""Logs: one line an event on standard error, for people on a terminal and as JSON otherwise; no message text and no key in them."""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog
from structlog.typing import Processor

SECRETS = frozenset({"key", "password", "text", "message", "authorization", "token"})
"""Fields that no event may carry, whoever wrote it."""


def set_up_logs(form: str = "auto", least: int = logging.INFO) -> None:
    """Configure structlog and the standard library's loggers alike. `form` is auto, terminal or json, `least` the level that is shown."""
    terminal = sys.stderr.isatty() if form == "auto" else form == "terminal"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_secrets,
    ]
    # Local variables would bring texts and keys into tracebacks.
    traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    renderer: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if terminal
        else [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class Lossy:
    """A place for lines that may be full or gone: then the line is lost, and whoever wrote it goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Never raises OSError."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Never raises OSError."""
        with suppress(OSError):
            self._stream.flush()


def _drop_secrets(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in SECRETS & event.keys():
        del event[name]
    return event
