"""The stages of the road beside HTTP: settings, plan, sweep and binds, each a task that the process lives and ends with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from clarion.flow import plan
from clarion.flow.health import Watch
from clarion.flow.settings import Settings
from clarion.flow.sweep import Sweeper
from clarion.runtime import Runtime
from clarion.store.errors import Unavailable
from clarion.wiring.connections import Connections

log = structlog.get_logger(__name__)


@asynccontextmanager
async def background(
    runtime: Runtime, settings: Settings, connections: Connections, stop: asyncio.Event, retention_days: int = 0
) -> AsyncIterator[list[str]]:
    """The stages beside HTTP. One that fails stops the process: a supervisor starts it again, and the database knows where it was."""
    failed: list[str] = []

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("stage.failed", stage=task.get_name(), exc_info=error)
            failed.append(task.get_name())
            stop.set()

    stages: dict[str, Coroutine[Any, Any, None]] = {
        "settings": _patiently(runtime, settings.run),
        "plan": _patiently(runtime, lambda: plan.run(runtime)),
        "sweep": Sweeper(runtime, settings, retention_days).run(),
        "binds": connections.run(),
        "health": Watch(runtime, lambda: connections.held).run(),
    }
    # Before any bind: what came too late while nobody was here must not be taken.
    await plan.plan(runtime)
    tasks = [asyncio.create_task(stage, name=name) for name, stage in stages.items()]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield failed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await connections.close()


async def _patiently(runtime: Runtime, stage: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a stage, and begin it again when the database did not answer."""
    while True:
        try:
            await stage()
        except Unavailable as error:
            log.warning("store.unavailable", doing="stage", error=str(error))
            await runtime.timer.sleep(1.0)
