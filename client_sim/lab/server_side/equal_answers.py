"""Plain requests without canaries, whose answers must be equal for all clients, except for Date."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from client_sim.lab.oracles.answers import decode_answers
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.server_side.positions import PATH, request

_GZIP: Final = b"Accept-Encoding: gzip"
_BLOCK: Final = b"Range: bytes=0-99"
_SELF_DESCRIPTIONS: Final = (
    *("User-Agent", "Accept-Language", "Referer", "Cookie", "X-Forwarded-For", "Authorization"),
    *("If-None-Match", "If-Modified-Since", "Via", "Accept", "DNT", "Sec-CH-UA-Model", "Priority"),
)
_VALUES: Final = (b"4711", b"0815")  # values of one length, so that only their meaning differs

_DATE: Final = re.compile(rb"(\r\ndate: ?)[^\r\n]*", re.IGNORECASE)
_SHOWN: Final = 16  # differing bytes listed in an explanation
_IDENTIFYING_HEADERS: Final = frozenset(
    {
        *(b"set-cookie", b"set-cookie2", b"last-modified", b"alt-svc", b"accept-ch", b"nel"),
        *(b"critical-ch", b"report-to", b"reporting-endpoints", b"refresh", b"location"),
        *(b"www-authenticate", b"proxy-authenticate", b"authentication-info", b"expect-ct"),
    }
)


@dataclass(frozen=True, slots=True)
class Question:
    """A request that any client may send; questions of the same `group` must get equal answers.

    `words` distinguish them in findings.
    """

    group: str
    data: bytes
    is_head: bool = False
    words: str = ""


def find_paths(host: bytes, get: Callable[[bytes], bytes]) -> tuple[bytes, ...]:
    """Return paths of the server's files, found in its timestamp and snapshot.

    `get` sends bytes and returns the answer. For a server with another tree, only the fixed paths
    are returned.
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
    """Yield several requests for each path, and then requests that are refused."""
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
        ("an unknown path", request(path=b"/nowhere", host=host)),
        ("a query", request(path=PATH + b"?a", host=host)),
        ("a body", request(b"Content-Length: 1", host=host) + b"a"),
        ("another method", request(method=b"DELETE", host=host)),
        ("another version", request(version=b"7.7", host=host)),
        ("HTTP/1.0", request(version=b"1.0", host=host)),
        ("an unknown header", request(b"X-A: a", host=host)),
        ("no HTTP", b"a\r\n\r\n"),
    ):
        yield Question(name, data)


def plan_self_descriptions(host: bytes) -> Iterator[Question]:
    """Yield pairs of requests that differ only in a header by which a client describes itself."""
    for name in _SELF_DESCRIPTIONS:
        for value in _VALUES:
            line = name.encode() + b": " + value
            data = request(_GZIP, line, host=host)
            yield Question(f"whatever {name} says", data, words=line.decode())


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a question; `origin` describes the client, the server and the time."""

    group: str
    origin: str
    answer: bytes


def judge_equality(replies: Sequence[Reply]) -> Iterator[Finding]:
    """Find answers that differ from the most frequent answer of their group."""
    groups: dict[str, list[Reply]] = {}
    for reply in replies:
        groups.setdefault(reply.group, []).append(reply)
    for group, same_group in groups.items():
        plain = [hide_date(reply.answer) for reply in same_group]
        majority = Counter(plain).most_common(1)[0][0]
        other = same_group[plain.index(majority)]
        for reply, answer in zip(same_group, plain, strict=True):
            if answer != majority:
                yield _differ(group, (reply.origin, other.origin), answer, majority)


def judge_pairs(
    first_answers: Mapping[str, bytes], second_answers: Mapping[str, bytes], names: tuple[str, str]
) -> Iterator[Finding]:
    """Find questions that two servers, or one server at two times, answered differently."""
    for group, answer in first_answers.items():
        one, other = hide_date(answer), hide_date(second_answers.get(group, b""))
        if one != other:
            yield _differ(group, names, one, other)


def judge_headers(replies: Sequence[Reply]) -> Iterator[Finding]:
    """Find headers that make a client send something back, or follow an address."""
    seen: set[bytes] = set()
    for reply in replies:
        head = reply.answer.partition(b"\r\n\r\n")[0]
        offset = 0
        for line in head.split(b"\r\n"):
            name = line.partition(b":")[0].strip().lower()
            if name in _IDENTIFYING_HEADERS and name not in seen:
                seen.add(name)
                yield Finding(
                    where=f"the answer to {reply.group}",
                    explanation=f"{name.decode()} could identify the phone at its next poll",
                    data=head,
                    offset=offset,
                    length=len(line),
                )
            offset += len(line) + 2


def hide_date(answer: bytes) -> bytes:
    """Return an answer without the value of `Date`, the only part that may differ."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    return _DATE.sub(rb"\1-", head) + blank + body


def _differ(group: str, origins: tuple[str, str], answer: bytes, other: bytes) -> Finding:
    common = min(len(answer), len(other))
    offsets = [offset for offset in range(common) if answer[offset] != other[offset]]
    first = offsets[0] if offsets else common
    shown = ", ".join(
        f"{offset}: {answer[offset]:02x} and {other[offset]:02x}" for offset in offsets[:_SHOWN]
    )
    more = f" and {len(offsets) - _SHOWN} more" if len(offsets) > _SHOWN else ""
    lengths = "" if len(answer) == len(other) else f"; {len(answer)} bytes and {len(other)}"
    # After the first difference most bytes are only shifted; show some bytes before it.
    start = max(first - 64, 0)
    return Finding(
        where=f"{group}, {origins[0]}",
        explanation=(
            f"{origins[0]} and {origins[1]} were answered differently from byte {first} on"
            f"{': ' + shown if shown else ''}{more}{lengths}"
        ),
        data=answer[start : first + 192],
        offset=first - start,
        length=_count_run(offsets, first),
        other=other[start : first + 192],
    )


def _count_run(offsets: list[int], first: int) -> int:
    """Return the number of consecutive differing bytes."""
    length = 1
    for number, offset in enumerate(offsets):
        if offset != first + number:
            break
        length = number + 1
    return length
