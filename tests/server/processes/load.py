"""Clients that send requests without a pause while something is done to the server."""

import threading
import time
from contextlib import ExitStack

from tests.server.processes.service import ask

KEPT, FRESH = 8, 2


class Load:
    """Kept connections, and connections for one poll each; counts answers and records failures."""

    def __init__(self, service):
        self._service = service
        self._stop = threading.Event()
        self.answered = {"kept": 0, "fresh": 0}
        self.told_to_close = 0
        self.failures = []

    def __enter__(self):
        """Begin."""
        works = [self._kept] * KEPT + [self._fresh] * FRESH
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        """End, and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - every one of them is a failed request
            self.failures.append(repr(error))

    def _check(self, kind, answer):
        self.answered[kind] += 1
        if answer[0] != 200:
            self.failures.append(f"answered {answer[0]}")

    def _kept(self):
        with ExitStack() as stack:
            one = stack.enter_context(self._service.connect())
            while not self._stop.is_set():
                answer = ask(one, port=self._service.port)
                self._check("kept", answer)
                if answer[2] == "close":
                    self.told_to_close += 1
                    stack.close()
                    one = stack.enter_context(self._service.connect())
                time.sleep(0.005)

    def _fresh(self):
        while not self._stop.is_set():
            self._check("fresh", self._service.poll())
            time.sleep(0.005)
