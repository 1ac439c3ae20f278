"""Raw sockets under load: what is sent, what is compared, what is passed on."""

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
    """Notes what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def again(self):
        """Note an answer that is the last one."""
        self.told.append("again")

    def answer(self, came):
        """Note the bodies of answers."""
        self.told += [each.body for each in came]

    def whole(self):
        """Note the end of a body."""
        self.told.append("whole")

    def end_early(self, why, detail=""):
        """Note the end, and what has come before it."""
        self.told.append((why, detail, self.rest))
        self.town.loader.close(self, is_good=False)


class Body:
    """Takes nine bytes."""

    def __init__(self):
        self.left, self.data = 9, b""

    def begin(self, head):
        """Refuse anything but a part."""
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


class Town:
    """A listener that the test answers for, and a loader before it."""

    def __init__(self, **options):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        port = self.listener.getsockname()[1]
        self.traffic = SimpleNamespace(connections=0, received=0)
        self.target = Target("127.0.0.1", port, "127.0.0.1", tls=False, root=b"")
        self.loader = Loader(Dialler(self.target), self.traffic, **{"limit": 9, **options})
        self.wires = []

    def client(self):
        """Return a client of this town."""
        client = Client()
        client.town = self
        return client

    def accept(self):
        """Return the server's end of the next connection."""
        wire, _ = self.listener.accept()
        wire.settimeout(PATIENCE)
        self.wires.append(wire)
        return wire

    def look(self, client, count):
        """Look until the client was told so many things."""
        while len(client.told) < count:
            self.loader.look(PATIENCE)

    def ask(self, node=None):
        """Let a new client ask; returns it and the server's end."""
        client = self.client()
        self.loader.ask(client, node or make_node())
        return client, self.accept()

    def close(self):
        """Close everything."""
        self.loader.close_all()
        for wire in (*self.wires, self.listener):
            wire.close()


@pytest.fixture
def make_town():
    """Make towns that are closed at the end."""
    towns = []

    def make(**options):
        towns.append(Town(**options))
        return towns[-1]

    yield make
    for each in towns:
        each.close()


@pytest.fixture
def small(make_town):
    """Give a town without kept connections."""
    return make_town()


def make_node(data=REQUEST, count=1):
    """Return a node that any answer leads on from."""
    return Node(Line(data, 1), count)


def test_an_answer_that_is_kept_is_not_parsed_again(small):
    """However it is cut; a client is told once it is whole."""
    node = make_node()
    client, wire = small.ask(node)
    assert wire.recv(99) == REQUEST
    wire.sendall(ANSWER)
    small.look(client, 1)
    node.keep(ANSWER, Edge(200, End(None)))
    small.loader.ask(client, node)
    wire.sendall(ANSWER)
    small.look(client, 2)
    small.loader.ask(client, node)
    for cut in (3, 20):
        wire.sendall(ANSWER[:3] if cut == 3 else ANSWER[3:cut])
        small.loader.look(PATIENCE)
        assert len(client.told) == 2
    wire.sendall(ANSWER[20:])
    small.look(client, 3)
    assert client.told == [b"hello", "again", "again"]
    assert small.traffic.received == 3 * len(ANSWER)
    assert node.line.sent == 3


def test_an_answer_that_begins_like_the_kept_one_is_passed_on_whole(small):
    """The bytes that were compared only are among those that are parsed."""
    node = make_node()
    node.keep(ANSWER, Edge(200, End(None)))
    client, wire = small.ask(node)
    wire.sendall(OTHER[:-4])
    small.loader.look(PATIENCE)
    wire.sendall(OTHER[-4:])
    small.look(client, 1)
    assert client.told == [b"hullo"]


def test_a_packet_has_as_many_answers_as_requests(small):
    """They are passed on together."""
    client, wire = small.ask(make_node(REQUEST * 3, 3))
    wire.sendall(ANSWER + OTHER)
    small.loader.look(PATIENCE)
    assert client.told == []
    wire.sendall(ANSWER)
    small.look(client, 1)
    assert client.told == [b"hello", b"hullo", b"hello"]


def test_an_end_says_what_came_before_it(small):
    """In the middle of a head; or whatever came, where no rule says where an answer ends."""
    junk = ANSWER + b"SSH-2.0\r\n\r\n"
    for node, sent, detail, rest in (
        (make_node(), ANSWER[:9], "after 9 bytes of an answer", ANSWER[:9]),
        (make_node(b"\x00", 0), junk, None, junk),
    ):
        client, wire = small.ask(node)
        wire.recv(99)
        wire.sendall(sent)
        small.loader.look(PATIENCE)
        wire.close()
        small.look(client, 1)
        why, told, left = client.told[0]
        assert (why, left) == (Failure.BROKEN, rest)
        assert detail in {None, told}


def test_what_is_no_answer_ends_the_exchange(small):
    """The sentence says what was wrong."""
    for answer, detail in (
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "a head is too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "a body of 999999999 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "more bytes than the answers have"),
    ):
        client, wire = small.ask()
        wire.sendall(answer)
        small.look(client, 1)
        assert client.told[0][:2] == (Failure.HTTP, detail)


def test_a_request_that_no_buffer_holds_is_sent_in_parts(small):
    """It is counted when the last of them is sent; answers may come before."""
    node = make_node(b"x" * 20_000_000)
    client, wire = small.ask(node)
    assert client.unsent
    assert node.line.sent == 0
    wire.sendall(ANSWER)
    small.look(client, 1)
    left = node.line.size
    wire.setblocking(False)
    while left:
        small.loader.look(0)
        try:
            left -= len(wire.recv(1 << 20))
        except BlockingIOError:
            continue
    assert client.told == [b"hello"]
    assert node.line.sent == 1


def test_a_body_is_taken_as_it_comes(small):
    """From the bytes behind the head on; then the next answer is an answer again."""
    client = small.client()
    client.body = body = Body()
    small.loader.ask(client, make_node())
    wire = small.accept()
    wire.sendall(BLOCK + b"ab")
    small.loader.look(PATIENCE)
    assert (client.told, body.data) == ([], b"ab")
    wire.sendall(b"cdefghi")
    small.look(client, 1)
    assert body.data == b"abcdefghi"
    small.loader.ask(client, make_node())
    wire.sendall(ANSWER)
    small.look(client, 2)
    assert client.told == ["whole", b"hello"]


def test_a_body_may_be_refused(small):
    """By its head, and where it is too long."""
    for sent, detail in ((BLOCK + b"x" * 10, "too many"), (ANSWER, "status 200")):
        client = small.client()
        client.body = Body()
        small.loader.ask(client, make_node())
        small.accept().sendall(sent)
        small.look(client, 1)
        assert client.told[0][:2] == (Failure.HTTP, detail)


def test_more_exchanges_than_connections_wait(make_town):
    """The next one begins when another one ends."""
    town = make_town(limit=1)
    first, wire = town.ask()
    second = town.client()
    town.loader.ask(second, make_node())
    assert town.loader.is_busy
    assert town.loader.under_way == 2
    assert town.traffic.connections == 1
    wire.sendall(ANSWER)
    town.look(first, 1)
    town.loader.close(first, is_good=True)
    town.loader.look(0)
    town.accept().sendall(ANSWER)
    town.look(second, 1)
    assert town.traffic.connections == 2


def test_the_connection_that_was_idle_for_longest_is_used_next(make_town):
    """So that the server ends none for being idle; one that it ends is forgotten."""
    town = make_town(keep=True)
    clients = [town.ask() for _ in range(3)]
    for client, wire in clients:
        wire.recv(99)
        wire.sendall(ANSWER)
        town.look(client, 1)
        town.loader.close(client, is_good=True)
    clients[0][1].close()
    town.loader.look(PATIENCE)
    town.loader.ask(town.client(), make_node())
    assert clients[1][1].recv(99) == REQUEST
    assert town.traffic.connections == 3


def test_what_benchmarks_do_to_connections(small):
    """A part of a request is sent; a connection is reset, which the server sees, and no end."""
    client, wire = small.ask(make_node(b"", 0))
    small.loader.send_part(client, b"GE")
    assert wire.recv(99) == b"GE"
    small.loader.reset(client)
    with pytest.raises(ConnectionResetError):
        wire.recv(99)
    assert small.loader.under_way == 0


def test_no_answer_in_time_is_given_up(make_town):
    """How much had come is said; a minute has passed on the loader's clock."""
    now = 0.0
    town = make_town(clock=lambda: now)
    client, wire = town.ask()
    wire.sendall(ANSWER[:9])
    town.loader.look(PATIENCE)
    now = 60.0
    town.loader.look(0)
    assert client.told[0][:2] == (Failure.SLOW, "9 bytes of the answer came")


def test_nothing_listens(small):
    """The exchange ends when the connection is refused."""
    small.listener.close()
    client = small.client()
    small.loader.ask(client, make_node())
    small.look(client, 1)
    assert client.told[0][0] is Failure.UNREACHABLE
