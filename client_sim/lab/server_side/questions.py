"""Plain requests, without a canary, which show whether all clients are answered alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from client_sim.lab.oracles.answers import decode_answers
from client_sim.lab.server_side.positions import PATH, request

_GZIP: Final = b"Accept-Encoding: gzip"
_BLOCK: Final = b"Range: bytes=0-99"
_HABITS: Final = (
    *("User-Agent", "Accept-Language", "Referer", "Cookie", "X-Forwarded-For", "Authorization"),
    *("If-None-Match", "If-Modified-Since", "Via", "Accept", "DNT", "Sec-CH-UA-Model", "Priority"),
)
_TWO: Final = (b"4711", b"0815")  # values of one length, so that only their meaning differs


@dataclass(frozen=True, slots=True)
class Question:
    """A request that any client may send; questions of one `group` must be answered alike.

    `words` distinguish them.
    """

    group: str
    data: bytes
    is_head: bool = False
    words: str = ""


def find_paths(host: bytes, get: Callable[[bytes], bytes]) -> tuple[bytes, ...]:
    """List paths of what the server has, led by its own timestamp and snapshot.

    `get` sends bytes and gives the answer. A server with another tree has the fixed paths alone.
    """
    paths = [PATH, b"/metadata/1.root.json", b"/log/checkpoint"]

    def versions(path: bytes) -> dict[str, int]:
        answers = decode_answers(get(request(_GZIP, path=path, host=host)))
        return answers[0].versions() if answers else {}

    for name, version in versions(PATH).items():
        snapshot = b"/metadata/%d.%s.json" % (version, name.encode())
        paths.append(snapshot)
        for role, number in sorted(versions(snapshot).items()):
            paths.append(b"/metadata/%d.%s.json" % (number, role.encode()))
            paths.append(b"/log/proof/%s.%d" % (role.encode(), number))
    return tuple(paths)


def plan_questions(host: bytes, paths: tuple[bytes, ...]) -> Iterator[Question]:
    """Yield every path in several ways, then requests that are refused."""
    for path in paths:
        name = path.decode()
        yield Question(f"GET {name}", request(_GZIP, path=path, host=host))
        yield Question(f"GET {name}, identity", request(path=path, host=host))
        yield Question(f"HEAD {name}", request(path=path, host=host, method=b"HEAD"), is_head=True)
        yield Question(f"GET {name}, first bytes", request(_BLOCK, path=path, host=host))
        tag = request(b'If-None-Match: "a"', path=path, host=host)
        yield Question(f"GET {name}, another tag", tag)
    for name, data in (
        ("the next root", request(_GZIP, path=b"/metadata/9007199254740991.root.json", host=host)),
        ("a path that is none", request(path=b"/nowhere", host=host)),
        ("a query", request(path=PATH + b"?a", host=host)),
        ("a body", request(b"Content-Length: 1", host=host) + b"a"),
        ("another method", request(method=b"DELETE", host=host)),
        ("another version", request(version=b"7.7", host=host)),
        ("HTTP/1.0", request(version=b"1.0", host=host)),
        ("an unknown header", request(b"X-A: a", host=host)),
        ("no HTTP", b"a\r\n\r\n"),
    ):
        yield Question(name, data)


def plan_habits(host: bytes) -> Iterator[Question]:
    """Yield pairs of requests that differ in what a client says of itself and in nothing else."""
    for name in _HABITS:
        for value in _TWO:
            line = name.encode() + b": " + value
            data = request(_GZIP, line, host=host)
            yield Question(f"whatever {name} says", data, words=line.decode())
