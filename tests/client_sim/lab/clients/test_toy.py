"""The toy client: its requests, its hooks, and failing servers."""

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from tests.cases import case

HOST = b"Host: updates.example.org:8080\r\nAccept-Encoding: gzip\r\n\r\n"
REQUESTS = [
    b"GET /metadata/2.root.json HTTP/1.1\r\n" + HOST,
    b"GET /metadata/timestamp.json HTTP/1.1\r\n" + HOST,
]


def make_toy(public, answers, kind=ToyClient):
    """Make a toy whose server returns these answers in turn, and the list of its requests."""
    asked = []

    def respond(request):
        asked.append(request.data)
        answer = answers[len(asked) - 1]
        if isinstance(answer, OSError):
            raise answer
        return answer

    world = MemoryWorld(public, None, entropy=Entropy(b"e"), start=0.0, respond=respond)
    return kind(world), asked


class Listening(ToyClient):
    """Records the arguments of its hooks."""

    def __init__(self, world):
        super().__init__(world)
        self.heard = []

    def answered(self, head):
        """Record the head."""
        self.heard.append(head)

    def received_body(self, body):
        """Record the body."""
        self.heard.append(body)

    def failed(self, error):
        """Record the error."""
        self.heard.append(str(error))


def test_poll_is_two_requests(public):
    """Their bytes are those of FORMATS section 9."""
    toy, asked = make_toy(public, [b"HTTP/1.1 404 x\r\n\r\n", b"HTTP/1.1 200 x\r\n\r\n"])
    assert toy.poll() == "nothing new"
    assert asked == REQUESTS


def test_hooks_receive_head_and_body(public):
    """A truncated body as far as it came; an invalid length is ignored."""
    first = b"HTTP/1.1 404 x\r\nCONTENT-LENGTH: 3\r\n\r\nabcd"
    second = b"HTTP/1.1 200 x\r\nContent-Length: -1\r\n\r\nef"
    toy, _ = make_toy(public, [first, second], Listening)
    toy.poll()
    assert toy.heard == [
        *("HTTP/1.1 404 x\r\nCONTENT-LENGTH: 3", b"abcd"),
        *("HTTP/1.1 200 x\r\nContent-Length: -1", b"ef"),
    ]
    short, _ = make_toy(public, [b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nabc"] * 2, Listening)
    short.poll()
    assert short.heard[1::2] == [b"abc", b"abc"]


HUNG_UP = "the server closed the connection before it had answered"


def test_failing_server_ends_the_poll(public):
    """After one request, with one sentence; the next poll is drawn as usual."""
    for answer, said in (
        (b"", HUNG_UP),
        (b"HTTP/1.1 200 x\r\n", HUNG_UP),
        (OSError("timed out"), "timed out"),
    ):
        with case(answer, said):
            toy, asked = make_toy(public, [answer, b""], Listening)
            assert toy.poll() == f"the server was not reached: {said}"
            assert toy.heard == [said]
            assert asked == REQUESTS[:1]
            assert 14_400 <= toy.next_poll(0.0) <= 28_800
