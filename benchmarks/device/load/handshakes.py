"""TLS handshakes by clients that send no request and disconnect.

Run as `python -m benchmarks.device.load.handshakes SPEC`. Threads share the work: a handshake
mostly waits for the server, and Python releases its lock (GIL) while OpenSSL works.
"""

import contextlib
import itertools
import socket
import ssl
import threading
import time

from benchmarks.device.load.spec import HandshakeSpec, main
from benchmarks.device.measured import Measured, Window
from benchmarks.device.wire import HOST

WAIT_SECONDS = 10.0


class Leavers:
    """The clients of a load; `done` and `failed` count their handshakes."""

    def __init__(self, spec: HandshakeSpec) -> None:
        self.done = self.failed = 0
        self._spec = spec
        self._context = ssl.create_default_context(cafile=spec.authority)
        self._numbers = itertools.count()  # `next` on it is atomic
        self._count = threading.Lock()

    def come_and_go(self, begin: float) -> None:
        """Connect, make a handshake and disconnect, repeatedly, until the load ends."""
        end = begin + self._spec.seconds
        while True:
            due = begin
            if self._spec.rate:
                due += next(self._numbers) / self._spec.rate
            if max(due, time.perf_counter()) >= end:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            is_good = self._shake_hands()
            with self._count:
                self.done += is_good
                self.failed += not is_good

    def _shake_hands(self) -> bool:
        with contextlib.suppress(OSError):
            plain = socket.create_connection((HOST, self._spec.port), WAIT_SECONDS)
            with plain, self._context.wrap_socket(plain, server_hostname=HOST):
                return True
        return False


def run(spec: HandshakeSpec) -> Measured:
    """Make handshakes for `spec.seconds`."""
    leavers = Leavers(spec)
    window = Window(spec.watch, spec.known)
    begin = time.perf_counter()
    threads = [
        threading.Thread(target=leavers.come_and_go, args=(begin,)) for _ in range(spec.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return window.close(leavers.done, leavers.failed)


if __name__ == "__main__":
    main(HandshakeSpec, run)
