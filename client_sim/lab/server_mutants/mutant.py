"""Leaky servers, for tests of the instrument.

Most differ from the honest server in a line that they write for each request, in a body, or in
header lines; `stores_line`, `changes_body` and `changes_headers` make these from one function. The
others are classes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from client_sim.lab.server_mutants.toy import Line, Request, Running, ToyServer

STORES, VARIES = "L57", "L58"
"""Rows of the channel catalogue: a server keeps or reveals data of requests; answers differ."""


@dataclass(frozen=True, slots=True)
class ServerMutant:
    """A server: `family` is its row of the channel catalogue, L57 or L58, or `clean`.

    `id` is short and unique, of a-z, 0-9 and hyphens; `leak` describes the leak in a sentence.
    `kind(folder, node)` makes the server without a socket.
    """

    id: str
    family: str
    leak: str
    kind: Callable[[Path, int], ToyServer]

    def make(self, folder: Path, node: int) -> Running:
        """Start a server on loopback that writes into `folder`; the caller closes it.

        The nodes of a service have different numbers.
        """
        return Running(self.kind, folder, node)


def stores_line(
    name: str, leak: str, line: Callable[[Request], str | bytes], file: str = "notes"
) -> ServerMutant:
    """Make a server that appends a line to a file for each request, unless the line is empty."""

    class StoringServer(ToyServer):
        def on_request(self, request: Request) -> None:
            if text := line(request):
                append(self.folder / file, text)

    return ServerMutant(f"l57-{name}", STORES, leak, StoringServer)


def changes_body(
    family: str, name: str, leak: str, change: Callable[[ToyServer, Request, bytes], bytes]
) -> ServerMutant:
    """Make a server that changes the bodies of its answers."""

    class OtherBody(ToyServer):
        def body(self, request: Request, body: bytes) -> bytes:
            return change(self, request, body)

    return ServerMutant(f"{family.lower()}-{name}", family, leak, OtherBody)


def changes_headers(
    family: str,
    name: str,
    leak: str,
    change: Callable[[ToyServer, Request, list[Line]], list[Line]],
) -> ServerMutant:
    """Make a server that changes the header lines of its answers."""

    class OtherHeaders(ToyServer):
        def lines(self, request: Request, lines: list[Line]) -> list[Line]:
            return change(self, request, lines)

    return ServerMutant(f"{family.lower()}-{name}", family, leak, OtherHeaders)


def describe(family: str, kind: type[ToyServer]) -> ServerMutant:
    """Make a mutant from a server class; the docstring is the leak."""
    name = re.sub(r"(?=[A-Z])", "-", kind.__name__.removeprefix("_")).lower()
    return ServerMutant(
        f"{family.lower()}{name}", family, (kind.__doc__ or "").split("\n")[0], kind
    )


def append(path: Path, line: str | bytes) -> None:
    """Append a line to a file."""
    with path.open("ab") as file:
        file.write((line if isinstance(line, bytes) else line.encode("latin-1")) + b"\n")
