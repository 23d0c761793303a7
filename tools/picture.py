"""Draws what a command leaves on a terminal as an SVG: `python tools/picture.py FILE.svg COMMAND…`. The command runs for real."""

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 108, 60
"""Wide enough for the demo's summary, narrow enough for a page."""

FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Rich's own, without its fonts from a CDN: a picture asks no other host, and falls back to the reader's monospace."""

ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b\][^\x07]*\x07|[\r\n]|[^\x1b\r\n]+|\x1b")


def main() -> int:
    """Run, draw, and answer with the command's own exit code."""
    target, *command = sys.argv[1:]
    output, code = run(command)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"\x1b[1m$ {' '.join(command)}\x1b[0m"))
    for line in screen(output):
        console.print(Text.from_ansi(line))
    console.save_svg(target, title="Clarion", code_format=FORMAT)
    return code


def run(command: list[str]) -> tuple[str, int]:
    """What the command wrote to a terminal of its own, and its exit code. Shown while it runs, too."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS))
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    collected = bytearray()
    while chunk := read(terminal):
        collected += chunk
        os.write(sys.stdout.fileno(), chunk)
    _, status = os.waitpid(child, 0)
    return collected.decode(errors="replace"), os.waitstatus_to_exitcode(status)


def read(terminal: int) -> bytes:
    """The next bytes; none when the other side is closed, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def screen(output: str) -> list[str]:
    """The lines that are left when a live display has redrawn itself: it moves up and erases by whole lines."""
    lines, row = [""], 0
    rewrite = False
    for match in ESCAPE.finditer(output):
        piece, (arguments, letter) = match[0], match.groups()
        if piece == "\n":
            row += 1
            lines.extend([""] * (row + 1 - len(lines)))
            rewrite = False
        elif piece == "\r":
            rewrite = True
        elif letter == "A":
            row = max(0, row - int(arguments or 1))
        elif letter == "K":
            lines[row] = "" if arguments == "2" or rewrite else lines[row]
        elif letter == "m" or not piece.startswith("\x1b"):
            lines[row] = piece if rewrite else lines[row] + piece
            rewrite = False
    return lines


if __name__ == "__main__":
    sys.exit(main())
