"""Clients pipeline requests without end: few of their answers delay a phone's poll."""

import contextlib
import select
import threading

import pytest

from tests.server.device.served import read_response, request, serve

ATTACKERS = 100
ROUNDS = 10
SENT = 64 * 1024  # bytes that an attacker writes to its socket at a time
TURNS = 5  # turns of the server's event loop that a poll over a new connection may take
TIMESTAMP = request("/metadata/timestamp.json", b"Accept-Encoding: gzip")
NEXT_ROOT = request("/metadata/2.root.json", b"Accept-Encoding: gzip")
# Requests in this form are answered by aiohttp.
FOREIGN = TIMESTAMP.replace(b"Host: ", b"Host:")


class Answers(dict):
    """Counts answers by status, and records the number of 200s at the time of each 404."""

    def __init__(self, counts):
        super().__init__(counts)
        self.at_404 = []

    def __setitem__(self, status, count):
        super().__setitem__(status, count)
        if status == 404:
            self.at_404.append(self[200])


@contextlib.contextmanager
def attacking(served, data):
    """Pipeline a request over many connections, and read all answers, until the block ends."""
    batch, is_over = data * (SENT // len(data)), threading.Event()

    def attack():
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(served.connect()) for _ in range(ATTACKERS)]
            poll = stack.enter_context(select.epoll())
            for stream in streams:
                stream.setblocking(False)
                poll.register(stream, select.EPOLLIN | select.EPOLLOUT)
            found = {stream.fileno(): stream for stream in streams}
            begins = dict.fromkeys(found, 0)
            while not is_over.is_set():
                for number, event in poll.poll(0.1):
                    if event & select.EPOLLIN:
                        assert found[number].recv(1 << 20)
                    if event & select.EPOLLOUT:
                        sent = found[number].send(batch[begins[number] :])
                        begins[number] = (begins[number] + sent) % len(data)

    thread = threading.Thread(target=attack)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextlib.contextmanager
def standing_still(served):
    """Block the server's event loop until the block ends; data sent meanwhile waits."""
    stands, goes_on = threading.Event(), threading.Event()

    def stand():
        stands.set()
        goes_on.wait()

    served.loop.call_soon_threadsafe(stand)
    assert stands.wait(60)
    try:
        yield
    finally:
        goes_on.set()


# One turn of the loop answers 64 waiting requests and the first request that it reads of each
# attacker. Of requests for aiohttp, it answers four and one that had begun.
@pytest.mark.parametrize(
    ("data", "in_a_turn"),
    [(TIMESTAMP, 64 + ATTACKERS), (FOREIGN, 5)],
    ids=["fast path", "aiohttp"],
)
def test_poll_waits_for_few_other_answers(published_state, data, in_a_turn):
    """A phone's poll over a new connection waits for a bounded number of other answers."""
    with serve(published_state.folder) as served, attacking(served, data):
        counts = served.plane.counts
        answers = served.listener._registry.answers = Answers(counts.answers)
        counts.answers = answers
        while counts.connections < ATTACKERS or answers[200] < 2 * ATTACKERS:
            threading.Event().wait(0.01)
        for _ in range(ROUNDS):
            with standing_still(served):
                phone = served.connect()
                phone.sendall(NEXT_ROOT)
                before = answers[200]
            with phone:
                assert read_response(phone).status == 404
            assert answers.at_404.pop() - before <= TURNS * in_a_turn
