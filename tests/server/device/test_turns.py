"""The order in which connections are served, with in-memory transports and no clock."""

import asyncio
import functools
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.http import fast_path, turns
from server.http.fast_path import FastPath, State
from server.http.requests import GateMode
from server.http.turns import ANSWER, PIECE, Turns
from soak.memory_transport import MemoryTransport
from soak.two_ways import POINTER, TwoWays, cut

TARGET = b"/metadata/timestamp.json HTTP/1.1\r\nHost: updates.example\r\n"
POLL = b"GET " + TARGET + b"Accept-Encoding: gzip\r\n\r\n"
COMMAS = b"HEAD " + TARGET + b"Accept-Encoding: ,,,\r\n\r\n"
NEXT_ROOT = POLL.replace(b"timestamp", b"2.root")
TILE = b"GET /log/tile/0/000.p/3 HTTP/1.1\r\nHost: updates.example\r\n\r\n"
# aiohttp answers this poll, because it has no space after the colon.
FALLEN_BACK = POLL.replace(b"Host: ", b"Host:")
MAX_ANSWERS = 64  # small answers in a turn
MAX_FALLBACKS = 5  # requests that aiohttp gets in a turn, plus one that just fitted
ANSWER_TURNS = 10  # turns of the loop that an answer takes at most
MAX_TURNS = 1_000  # turns of the loop after which a test gives up


class Server:
    """Connections to one process; `served` has the client of each answer, in order."""

    def __init__(self):
        self.ways = TwoWays(GateMode.DIRECT)
        self.registry = self.ways.server().registry
        self.served = []

    def connect(self, name):
        """Open a connection."""
        transport = MemoryTransport()
        write = transport.write

        def note(data):
            self.served.extend([name] * data.count(b"HTTP/1.1 "))
            write(data)

        transport.write = note
        transport.set_protocol(FastPath(self.registry))
        transport.protocol.connection_made(transport)
        return transport

    async def until(self, condition):
        """Run the loop until a condition holds; return the number of answers of each turn."""
        answers = []
        while not condition():
            before = len(self.served)
            await asyncio.sleep(0)
            answers.append(len(self.served) - before)
            assert len(answers) < MAX_TURNS
        return answers


@pytest.mark.parametrize("asked", [POLL, COMMAS])
async def test_answers_per_turn_are_bounded(asked):
    """A turn of the loop has a limited number of answers, for all connections together."""
    server = Server()
    attackers = [server.connect("attacker") for _ in range(50)]
    for each in attackers:
        each.feed(asked * 20)
    answers = await server.until(lambda: len(server.served) == 50 * 20)
    assert max(answers) <= MAX_ANSWERS


async def test_single_request_is_answered_before_pipelines():
    """A single request is answered immediately, before all pipelined ones."""
    server = Server()
    for _ in range(50):
        server.connect("attacker").feed(POLL * 1_000)
    await asyncio.sleep(0)
    phone = server.connect("phone")
    for asked in (NEXT_ROOT, POLL):
        before = len(server.served)
        phone.feed(asked)
        assert server.served[before:] == ["phone"]
        await asyncio.sleep(0)


async def test_short_pipeline_does_not_wait_for_long_ones():
    """A short pipeline does not wait for the end of long ones."""
    server = Server()
    for number in range(20):
        server.connect(number).feed(POLL * 1_000)
    server.connect("browser").feed(POLL * 2)
    await server.until(lambda: server.served.count("browser") == 2)
    last = len(server.served) - 1 - server.served[::-1].index("browser")
    for number in range(20):
        assert server.served[:last].count(number) <= 2 * (PIECE // ANSWER + 1)


async def test_full_turn_answers_single_requests_only():
    """If a turn is full, a single request is answered and pipelined ones wait."""
    server = Server()
    server.registry.turns.budget = -ANSWER
    server.connect("attacker").feed(COMMAS * 2)
    server.connect("browser").feed(COMMAS)
    assert server.served == ["browser"]
    await server.until(lambda: server.served.count("attacker") == 2)


async def test_answers_count_by_their_size(monkeypatch):
    """The larger the answers, the fewer fit into a turn."""
    monkeypatch.setattr(turns, "ANSWER", 1)
    monkeypatch.setattr(fast_path, "ANSWER", 1)
    monkeypatch.setattr(turns, "TURN", 1_000)
    server = Server()
    size = len(server.registry.plane.plan(TILE)[1])
    server.connect("attacker").feed(TILE * 100)
    answers = await server.until(lambda: len(server.served) == 100)
    assert max(answers) <= 1_000 // size + 1


async def test_aiohttp_gets_one_request_per_turn():
    """Connections of aiohttp get one request per turn, and few connections do."""
    server = Server()
    for _ in range(20):
        server.connect("attacker").feed(FALLEN_BACK * 20)
    answers = await server.until(lambda: len(server.served) == 20 * 20)
    assert max(answers) <= MAX_FALLBACKS


async def test_few_aiohttp_requests_begin_per_turn():
    """Few requests begin in aiohttp per turn, on however many connections."""
    server = Server()
    attackers = [server.connect("attacker") for _ in range(50)]
    for number in (1, 2):  # the first makes the connection fall back
        for each in attackers:
            each.feed(FALLEN_BACK)
        answers = await server.until(lambda most=50 * number: len(server.served) == most)
        assert max(answers) <= MAX_FALLBACKS


async def test_waiting_fallbacks_are_spread_over_turns():
    """Fallbacks that waited for the next second do not all begin in one turn."""
    server = Server()
    server.registry._fallbacks_left = 0
    attackers = [server.connect("attacker") for _ in range(100)]
    for each in attackers:
        each.feed(FALLEN_BACK)
    waiting = [100]
    while waiting[-1]:
        waiting.append(sum(isinstance(each.protocol, fast_path.FastPath) for each in attackers))
        if len(waiting) == MAX_ANSWERS:  # all of them had their turn to request it
            assert waiting[-1] == 100
            server.registry.tick()
        await asyncio.sleep(0)
        assert len(waiting) < MAX_TURNS
    assert max(a - b for a, b in itertools.pairwise(waiting)) <= MAX_FALLBACKS


async def test_fallbacks_keep_their_order():
    """Fallbacks that wait are served in order."""
    server = Server()
    server.registry._fallbacks_left = 0
    server.connect("first").feed(FALLEN_BACK)
    server.registry._fallbacks_left = 1
    server.connect("second").feed(FALLEN_BACK)
    server.registry.tick()
    await server.until(lambda: len(server.served) == 2)
    assert server.served == ["first", "second"]


async def test_closed_connection_is_skipped():
    """A connection closed in the queue is skipped."""
    server = Server()
    gone, other = server.connect("gone"), server.connect("other")
    gone.feed(POLL * 1_000)
    other.feed(POLL * 1_000)
    gone.abort()
    before = server.served.count("gone")
    await server.until(lambda: server.served.count("other") == 1_000)
    assert server.served.count("gone") == before


async def test_waiting_request_is_dropped_with_its_connection():
    """A waiting request for aiohttp is dropped with its connection.

    Otherwise aiohttp's task would begin with it after the end, and fail.
    """
    server = Server()
    gone = server.connect("gone")
    gone.feed(FALLEN_BACK)
    for _ in range(ANSWER_TURNS):  # until aiohttp's task waits for the next request
        await asyncio.sleep(0)
    (task,) = asyncio.all_tasks() - {asyncio.current_task()}
    server.registry.turns.spend(turns.TURN + ANSWER)
    gone.feed(FALLEN_BACK)
    gone.abort()  # the second request's turn comes before the loop reports the connection's end
    asyncio.get_running_loop().call_soon(gone.protocol.connection_lost, None)
    await asyncio.wait([task])
    assert task.cancelled() or task.exception() is None
    assert server.served == ["gone"]


async def test_client_that_stops_reading_gets_no_answers():
    """A client that stops reading while it waits gets no answer until it reads again."""
    server = Server()
    slow, other = server.connect("slow"), server.connect("other")
    slow.feed(POLL * 100)
    slow.protocol.pause_writing()
    before = server.served.count("slow")
    other.feed(POLL * 1_000)
    await server.until(lambda: server.served.count("other") == 1_000)
    assert server.served.count("slow") == before
    slow.protocol.resume_writing()
    await server.until(lambda: server.served.count("slow") == 100)


async def test_invalid_state_change_raises():
    """A change of state that the table does not allow raises an error."""
    server = Server()
    transport = server.connect("browser")
    transport.feed(POLL.replace(b"Accept-Encoding: gzip", b"Connection: close"))
    await server.until(lambda: transport.has_ended)
    with pytest.raises(RuntimeError, match="READY from ENDING"):
        transport.protocol._set_state(State.READY)


async def test_failed_turn_does_not_end_others():
    """An error in one connection's turn is reported, and the next one has its turn."""
    reported, done = [], []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context)
    )
    line = Turns()
    line.line_up(lambda: 1 // 0)
    line.line_up(functools.partial(done.append, "next"))
    await asyncio.sleep(0)
    assert done == ["next"]
    assert isinstance(reported[0]["exception"], ZeroDivisionError)


REQUESTS = st.lists(
    st.sampled_from(
        [
            POLL,
            COMMAS,
            NEXT_ROOT,
            TILE,
            FALLEN_BACK,
            POLL.replace(b"GET", b"POST"),
            b"GET %b HTTP/1.1\r\nHost: updates.example\r\n\r\n" % POINTER.encode(),
        ]
    ),
    max_size=40,
)


@settings(deadline=None)
@given(
    requests=REQUESTS,
    places=st.lists(st.integers(0, 10_000), max_size=8),
    room=st.integers(1, 3 * ANSWER),
    piece=st.integers(1, 2 * ANSWER),
    is_slow=st.booleans(),
)
def test_answers_do_not_depend_on_limits(requests, places, room, piece, is_slow):
    """The answers are the same for any packets and any limits of a turn."""
    data = b"".join(requests)

    async def answer(pieces, **how):
        return await TwoWays(GateMode.DIRECT).over_fast_path(pieces, **how)

    expected = asyncio.run(answer(re.findall(rb".+?\r\n\r\n", data, re.DOTALL)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "TURN", room)
        patch.setattr(fast_path, "PIECE", piece)
        assert asyncio.run(answer(cut(data, places), is_slow=is_slow)) == expected
