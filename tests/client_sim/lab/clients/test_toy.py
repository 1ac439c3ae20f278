"""The clean toy asks what every phone asks, and survives whatever a server does."""

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from tests.cases import case

HOST = b"Host: updates.example.org:8080\r\nAccept-Encoding: gzip\r\n\r\n"
REQUESTS = [
    b"GET /metadata/2.root.json HTTP/1.1\r\n" + HOST,
    b"GET /metadata/timestamp.json HTTP/1.1\r\n" + HOST,
]


def make_toy(public, answers, kind=ToyClient):
    """Make a toy whose server gives these answers in turn, and the list of what it is asked."""
    asked = []

    def respond(question):
        asked.append(question.data)
        answer = answers[len(asked) - 1]
        if isinstance(answer, OSError):
            raise answer
        return answer

    world = MemoryWorld(public, None, entropy=Entropy(b"e"), start=0.0, respond=respond)
    return kind(world), asked


class Listening(ToyClient):
    """Keeps what its hooks are told."""

    def __init__(self, world):
        super().__init__(world)
        self.told = []

    def answered(self, head):
        """Keep the head."""
        self.told.append(head)

    def took(self, body):
        """Keep the body."""
        self.told.append(body)

    def failed(self, error):
        """Keep the error."""
        self.told.append(str(error))


def test_a_poll_is_two_requests_in_the_bytes_of_the_formats(public):
    """FORMATS section 9: request line, Host, Accept-Encoding."""
    toy, asked = make_toy(public, [b"HTTP/1.1 404 x\r\n\r\n", b"HTTP/1.1 200 x\r\n\r\n"])
    assert toy.poll() == "nothing new"
    assert asked == REQUESTS


def test_hooks_are_told_head_and_body(public):
    """A body that is cut short is told as far as it came; a length that is none counts nothing."""
    first = b"HTTP/1.1 404 x\r\nCONTENT-LENGTH: 3\r\n\r\nabcd"
    second = b"HTTP/1.1 200 x\r\nContent-Length: -1\r\n\r\nef"
    toy, _ = make_toy(public, [first, second], Listening)
    toy.poll()
    assert toy.told == [
        *("HTTP/1.1 404 x\r\nCONTENT-LENGTH: 3", b"abcd"),
        *("HTTP/1.1 200 x\r\nContent-Length: -1", b"ef"),
    ]
    short, _ = make_toy(public, [b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nabc"] * 2, Listening)
    short.poll()
    assert short.told[1::2] == [b"abc", b"abc"]


HUNG_UP = "the server closed the connection before it had answered"


def test_a_server_that_fails_ends_the_poll_and_no_more(public):
    """One request, one sentence, and the next poll is drawn as ever."""
    for answer, said in (
        (b"", HUNG_UP),
        (b"HTTP/1.1 200 x\r\n", HUNG_UP),
        (OSError("timed out"), "timed out"),
    ):
        with case(answer, said):
            toy, asked = make_toy(public, [answer, b""], Listening)
            assert toy.poll() == f"the server was not reached: {said}"
            assert toy.told == [said]
            assert asked == REQUESTS[:1]
            assert 14_400 <= toy.next_poll(0.0) <= 28_800
