"""Exchanges over raw sockets: requests, compared answers, and failures."""

import socket
from types import SimpleNamespace

import pytest

from client_sim.fleet.answer_tree import Edge, End, Node
from client_sim.fleet.lines import Line
from client_sim.fleet.loader import Dialler, Exchange, Loader
from client_sim.fleet.tally import Failure
from client_sim.fleet.target import Target
from tests.patience import PATIENCE

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
OTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhullo"
BLOCK = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 9\r\n\r\n"


class Client(Exchange):
    """An exchange that records its callbacks."""

    def __init__(self):
        super().__init__()
        self.events = []

    def again(self):
        """Record an answer that equals the kept one."""
        self.events.append("again")

    def answer(self, came):
        """Record the bodies of answers."""
        self.events += [each.body for each in came]

    def finish_body(self):
        """Record the end of a body."""
        self.events.append("whole")

    def end_early(self, why, detail=""):
        """Record the end and the bytes before it."""
        self.events.append((why, detail, self.buffer))
        self.harness.loader.close(self, is_good=False)


class Body:
    """A body of nine bytes."""

    def __init__(self):
        self.left, self.data = 9, b""

    def begin(self, head):
        """Refuse all but a partial answer."""
        return "" if head.status == 206 else f"status {head.status}"

    def add(self, data):
        """Take bytes."""
        self.left -= len(data)
        self.data += data
        if self.left < 0:
            raise ValueError("too many")

    def receive(self, wire):
        """Receive three bytes at most."""
        data = wire.recv(3)
        self.add(data)
        return len(data)


class Harness:
    """A loader, and a listener for which the test answers."""

    def __init__(self, **options):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        port = self.listener.getsockname()[1]
        self.traffic = SimpleNamespace(connections=0, received=0)
        self.target = Target("127.0.0.1", port, "127.0.0.1", tls=False, root=b"")
        self.loader = Loader(Dialler(self.target), self.traffic, **{"limit": 9, **options})
        self.wires = []

    def client(self):
        """Return a client of this loader."""
        client = Client()
        client.harness = self
        return client

    def accept(self):
        """Return the server's end of the next connection."""
        wire, _ = self.listener.accept()
        wire.settimeout(PATIENCE)
        self.wires.append(wire)
        return wire

    def look(self, client, count):
        """Run the loader until the client has `count` events."""
        while len(client.events) < count:
            self.loader.process(PATIENCE)

    def ask(self, node=None):
        """Let a new client send a request; return it and the server's socket."""
        client = self.client()
        self.loader.send(client, node or make_node())
        return client, self.accept()

    def close(self):
        """Close everything."""
        self.loader.close_all()
        for wire in (*self.wires, self.listener):
            wire.close()


@pytest.fixture
def make_harness():
    """Return a function that makes harnesses, which are closed at the end."""
    harnesses = []

    def make(**options):
        harnesses.append(Harness(**options))
        return harnesses[-1]

    yield make
    for each in harnesses:
        each.close()


@pytest.fixture
def harness(make_harness):
    """Make a harness without kept connections."""
    return make_harness()


def make_node(data=REQUEST, count=1):
    """Return a node that accepts any answer."""
    return Node(Line(data, 1), count)


def test_kept_answer_is_not_parsed_again(harness):
    """The client is called once the answer is complete, in however many pieces it came."""
    node = make_node()
    client, wire = harness.ask(node)
    assert wire.recv(99) == REQUEST
    wire.sendall(ANSWER)
    harness.look(client, 1)
    node.keep(ANSWER, Edge(200, End(None)))
    harness.loader.send(client, node)
    wire.sendall(ANSWER)
    harness.look(client, 2)
    harness.loader.send(client, node)
    for cut in (3, 20):
        wire.sendall(ANSWER[:3] if cut == 3 else ANSWER[3:cut])
        harness.loader.process(PATIENCE)
        assert len(client.events) == 2
    wire.sendall(ANSWER[20:])
    harness.look(client, 3)
    assert client.events == [b"hello", "again", "again"]
    assert harness.traffic.received == 3 * len(ANSWER)
    assert node.line.sent == 3


def test_answer_that_begins_like_the_kept_one(harness):
    """The compared bytes are among those that are parsed."""
    node = make_node()
    node.keep(ANSWER, Edge(200, End(None)))
    client, wire = harness.ask(node)
    wire.sendall(OTHER[:-4])
    harness.loader.process(PATIENCE)
    wire.sendall(OTHER[-4:])
    harness.look(client, 1)
    assert client.events == [b"hullo"]


def test_a_packet_has_as_many_answers_as_requests(harness):
    """The answers of a packet are delivered together."""
    client, wire = harness.ask(make_node(REQUEST * 3, 3))
    wire.sendall(ANSWER + OTHER)
    harness.loader.process(PATIENCE)
    assert client.events == []
    wire.sendall(ANSWER)
    harness.look(client, 1)
    assert client.events == [b"hello", b"hullo", b"hello"]


def test_failure_has_the_bytes_before_it(harness):
    """In the middle of a head, or of bytes without a rule for an answer's end."""
    junk = ANSWER + b"SSH-2.0\r\n\r\n"
    for node, sent, detail, rest in (
        (make_node(), ANSWER[:9], "after 9 bytes of an answer", ANSWER[:9]),
        (make_node(b"\x00", 0), junk, None, junk),
    ):
        client, wire = harness.ask(node)
        wire.recv(99)
        wire.sendall(sent)
        harness.loader.process(PATIENCE)
        wire.close()
        harness.look(client, 1)
        why, found, left = client.events[0]
        assert (why, left) == (Failure.BROKEN, rest)
        assert detail in {None, found}


def test_malformed_answer_ends_the_exchange(harness):
    """The failure says what was wrong."""
    for answer, detail in (
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "a head is too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "a body of 999999999 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "more bytes than the answers have"),
    ):
        client, wire = harness.ask()
        wire.sendall(answer)
        harness.look(client, 1)
        assert client.events[0][:2] == (Failure.HTTP, detail)


def test_large_request_is_sent_in_parts(harness):
    """It is counted when its last part is sent; an answer may come earlier."""
    node = make_node(b"x" * 20_000_000)
    client, wire = harness.ask(node)
    assert client.unsent
    assert node.line.sent == 0
    wire.sendall(ANSWER)
    harness.look(client, 1)
    left = node.line.size
    wire.setblocking(False)
    while left:
        harness.loader.process(0)
        try:
            left -= len(wire.recv(1 << 20))
        except BlockingIOError:
            continue
    assert client.events == [b"hello"]
    assert node.line.sent == 1


def test_body_is_streamed(harness):
    """The body gets the bytes after the head, and the next answer is parsed again."""
    client = harness.client()
    client.body = body = Body()
    harness.loader.send(client, make_node())
    wire = harness.accept()
    wire.sendall(BLOCK + b"ab")
    harness.loader.process(PATIENCE)
    assert (client.events, body.data) == ([], b"ab")
    wire.sendall(b"cdefghi")
    harness.look(client, 1)
    assert body.data == b"abcdefghi"
    harness.loader.send(client, make_node())
    wire.sendall(ANSWER)
    harness.look(client, 2)
    assert client.events == ["whole", b"hello"]


def test_a_body_may_be_refused(harness):
    """A body is refused by its head, or if it is too long."""
    for sent, detail in ((BLOCK + b"x" * 10, "too many"), (ANSWER, "status 200")):
        client = harness.client()
        client.body = Body()
        harness.loader.send(client, make_node())
        harness.accept().sendall(sent)
        harness.look(client, 1)
        assert client.events[0][:2] == (Failure.HTTP, detail)


def test_more_exchanges_than_connections_wait(make_harness):
    """The next exchange begins when another one ends."""
    harness = make_harness(limit=1)
    first, wire = harness.ask()
    second = harness.client()
    harness.loader.send(second, make_node())
    assert harness.loader.is_busy
    assert harness.loader.under_way == 2
    assert harness.traffic.connections == 1
    wire.sendall(ANSWER)
    harness.look(first, 1)
    harness.loader.close(first, is_good=True)
    harness.loader.process(0)
    harness.accept().sendall(ANSWER)
    harness.look(second, 1)
    assert harness.traffic.connections == 2


def test_longest_idle_connection_is_used_next(make_harness):
    """So no connection reaches the server's idle limit; a closed one is forgotten."""
    harness = make_harness(keep=True)
    clients = [harness.ask() for _ in range(3)]
    for client, wire in clients:
        wire.recv(99)
        wire.sendall(ANSWER)
        harness.look(client, 1)
        harness.loader.close(client, is_good=True)
    clients[0][1].close()
    harness.loader.process(PATIENCE)
    harness.loader.send(harness.client(), make_node())
    assert clients[1][1].recv(99) == REQUEST
    assert harness.traffic.connections == 3


def test_partial_requests_and_resets(harness):
    """A part of a request is sent, and a connection is reset, for benchmarks."""
    client, wire = harness.ask(make_node(b"", 0))
    harness.loader.send_part(client, b"GE")
    assert wire.recv(99) == b"GE"
    harness.loader.reset(client)
    with pytest.raises(ConnectionResetError):
        wire.recv(99)
    assert harness.loader.under_way == 0


def test_timeout_of_an_answer(make_harness):
    """After a minute of the loader's clock the failure says how much had arrived."""
    now = 0.0
    harness = make_harness(clock=lambda: now)
    client, wire = harness.ask()
    wire.sendall(ANSWER[:9])
    harness.loader.process(PATIENCE)
    now = 60.0
    harness.loader.process(0)
    assert client.events[0][:2] == (Failure.SLOW, "9 bytes of the answer came")


def test_refused_connection(harness):
    """The exchange ends when the connection is refused."""
    harness.listener.close()
    client = harness.client()
    harness.loader.send(client, make_node())
    harness.look(client, 1)
    assert client.events[0][0] is Failure.UNREACHABLE
