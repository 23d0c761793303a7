"""Ports for servers that are told theirs."""

import random
import socket

BELOW = 32768
"""Where Linux begins to give ports to outgoing connections: one below stays free while its server is down between two starts."""

FIRST = 10_000


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens; by chance, so that runs beside each other do not take the same."""
    while True:
        port = random.SystemRandom().randrange(FIRST, BELOW)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
