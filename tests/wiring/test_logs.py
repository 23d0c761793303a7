"""A log that cannot be written costs nobody anything but its lines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.harness import environment

PROGRAM = """
import logging, structlog
from clarion.wiring.logs import set_up_logs
set_up_logs("json")
for number in range(3):
    structlog.get_logger("a").warning("line", number=number, detail="x" * 10_000)
    logging.getLogger("b").warning("line %d", number)
print("went on")
"""


def run(stderr: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full here")
def test_a_full_disk_loses_lines_and_nothing_else() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert run(full).stdout == "went on\n"
    finally:
        os.close(full)


def test_a_pipe_that_nobody_reads_loses_lines_and_nothing_else() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run(writer).stdout == "went on\n"
    finally:
        os.close(writer)


def test_a_log_that_can_be_written_has_every_line() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as log:
        command = [sys.executable, "-c", PROGRAM.replace("10_000", "10")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=writer, env=environment()):
            os.close(writer)
            assert len(log.read().splitlines()) == 6
