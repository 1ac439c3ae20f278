"""A server that sends ranges of one file over loopback, in a separate process."""

import contextlib
import multiprocessing
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

_RANGE = re.compile(rb"Range: bytes=(\d+)-(\d+)")


@contextlib.contextmanager
def sending(path: Path) -> Iterator[int]:
    """Serve range requests for `path` until the block ends; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(listener, path), daemon=True
    )
    process.start()
    port = listener.getsockname()[1]
    listener.close()
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def _serve(listener: socket.socket, path: Path) -> None:
    with path.open("rb") as file:
        while True:
            wire, _ = listener.accept()
            with wire, contextlib.suppress(ConnectionError):
                _answer(wire, file.fileno(), path.stat().st_size)


def _answer(wire: socket.socket, source: int, length: int) -> None:
    asked = b""
    while data := wire.recv(65_536):
        asked += data
        while b"\r\n\r\n" in asked:
            head, _, asked = asked.partition(b"\r\n\r\n")
            found = _RANGE.search(head)
            if found is None:
                return
            first, last = int(found[1]), int(found[2])
            wire.sendall(
                b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n"
                b"Content-Range: bytes %d-%d/%d\r\n\r\n" % (last - first + 1, first, last, length)
            )
            while first <= last:
                first += os.sendfile(wire.fileno(), source, first, last + 1 - first)
