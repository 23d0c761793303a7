"""Carriers that do exactly what a test says: one over TCP, PDU by PDU, and a transport that only remembers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.carriers.recording import LIMIT_S

from clarion.carriers.smpp import pdu


class Pdu(NamedTuple):
    command: int
    status: int
    sequence: int
    octets: bytes


class ScriptedConnection:
    """The carrier's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def read(self) -> Pdu:
        """The next PDU; IncompleteReadError at the end."""
        async with asyncio.timeout(LIMIT_S):
            header = await self._reader.readexactly(pdu.HEADER_OCTETS)
            length, command, status, sequence = pdu.HEADER.unpack(header)
            return Pdu(command, status, sequence, header + await self._reader.readexactly(length - pdu.HEADER_OCTETS))

    async def expect(self, command: int) -> Pdu:
        read = await self.read()
        assert hex(read.command) == hex(command)
        return read

    def send(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        self.writer.write(pdu.frame(command, status, sequence, body))

    async def take_bind(self, status: int = 0) -> Pdu:
        bind = await self.read()
        assert bind.command in pdu.BINDS.values()
        self.send(bind.command | pdu.RESPONSE, status, bind.sequence, b"scripted\0")
        return bind

    async def submits(self, count: int) -> list[Pdu]:
        return [await self.expect(pdu.SUBMIT_SM) for _ in range(count)]

    def answer(self, submit: Pdu, message_id: str = "", status: int = 0) -> None:
        self.send(pdu.SUBMIT_SM_RESP, status, submit.sequence, (message_id or str(submit.sequence)).encode() + b"\0")

    def break_off(self) -> None:
        self.writer.transport.abort()


class ScriptedCarrier:
    """Listens; a test takes its connections one by one."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[ScriptedConnection] = asyncio.Queue()
        self.port = 0

    async def connection(self) -> ScriptedConnection:
        async with asyncio.timeout(LIMIT_S):
            return await self.connections.get()

    async def bound(self) -> ScriptedConnection:
        connection = await self.connection()
        await connection.take_bind()
        return connection


@asynccontextmanager
async def scripted_carrier() -> AsyncIterator[ScriptedCarrier]:
    carrier = ScriptedCarrier()
    open_ones: list[ScriptedConnection] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(ScriptedConnection(reader, writer))
        carrier.connections.put_nowait(open_ones[-1])

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    carrier.port = server.sockets[0].getsockname()[1]
    try:
        yield carrier
    finally:
        server.close()
        for connection in open_ones:
            connection.break_off()


class RememberingTransport(asyncio.Transport):
    """Takes writes and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
