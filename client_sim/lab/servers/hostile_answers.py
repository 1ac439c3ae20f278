"""Pairs that differ in what else a head can say: redirects, refusals, interim answers, framing."""

from dataclasses import replace
from typing import Final

from client_sim.lab.servers.pairs import FIRST, HostilePair, Mark, make_pair
from client_sim.lab.servers.replies import Alter, Reply, name_host
from client_sim.lab.trace.memory import Asked
from client_sim.lab.trace.worlds import ELSEWHERE

TIMESTAMP: Final = "/metadata/timestamp.json"
_REDIRECTS: Final = {
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
}
_PLACES: Final = (
    ("the same origin", f"http://{{h}}{TIMESTAMP}?u={{t}}"),
    ("another path", "/u/{t}/timestamp.json"),
    ("another host", f"http://{{t}}.example.org{TIMESTAMP}"),
)
_REFUSALS: Final = (
    ("login asked for", 401, "Unauthorized", "WWW-Authenticate", 'Basic realm="{t}"'),
    (
        "login with a nonce",
        401,
        "Unauthorized",
        "WWW-Authenticate",
        'Digest realm="r", nonce="{t}", opaque="{t}"',
    ),
    ("login by ticket", 401, "Unauthorized", "WWW-Authenticate", 'Bearer realm="r", scope="{t}"'),
    (
        "proxy's login",
        407,
        "Proxy Authentication Required",
        "Proxy-Authenticate",
        'Basic realm="{t}"',
    ),
    ("too many", 429, "Too Many Requests", "Retry-After", "{n}"),
    ("not now", 503, "Service Unavailable", "Retry-After", "{n}"),
    ("not before", 503, "Service Unavailable", "Retry-After", "{d}"),
    ("not modified", 304, "Not Modified", "ETag", '"{t}"'),
    ("choices", 300, "Multiple Choices", "Location", "/u/{t}"),
    ("payment", 402, "Payment Required", "Location", "/u/{t}"),
    ("upgrade needed", 426, "Upgrade Required", "Upgrade", "{t}/2.0"),
    ("condition needed", 428, "Precondition Required", "ETag", '"{t}"'),
    (
        "network's login",
        511,
        "Network Authentication Required",
        "Location",
        "http://{t}.example.org/",
    ),
    ("hints missing", 425, "Too Early", "Critical-CH", "Sec-CH-{t}"),
)


def _fill(text: str, mark: Mark, host: str) -> str:
    return text.format(t=mark.text, n=mark.number, d=mark.date, h=host)


def _is_plain_poll(asked: Asked, target: str) -> bool:
    """Return whether this is what every phone asks: a redirected client is not redirected again."""
    return target == TIMESTAMP and asked.address != ELSEWHERE


def _say_instead(status: int, reason: str, name: str, value: str, mark: Mark) -> Alter:
    """Refuse the timestamp, or send a client elsewhere for it."""

    def alter(asked: Asked, target: str, reply: Reply) -> Reply:
        if not _is_plain_poll(asked, target):
            return reply
        fields = ((name, _fill(value, mark, name_host(asked))), ("Content-Length", "0"))
        return Reply(status, reason, fields, b"")

    return alter


def _redirect(status: int, where: str, place: str) -> HostilePair:
    return make_pair(
        f"{status} to {where}",
        "Location",
        lambda mark: _say_instead(status, _REDIRECTS[status], "Location", place, mark),
    )


def _refusal(name: str, status: int, reason: str, field: str, value: str) -> HostilePair:
    return make_pair(
        f"{status}, {name}", field, lambda mark: _say_instead(status, reason, field, value, mark)
    )


def _redirect_root(mark: Mark) -> Alter:
    """Send a client elsewhere for the root that is not there."""
    fields = (("Location", f"/u/{mark.text}/root.json"), ("Content-Length", "0"))
    instead = Reply(302, "Found", fields, b"")
    return lambda _asked, target, reply: instead if target.endswith(".root.json") else reply


def _interim(status: str, mark: Mark) -> Alter:
    """Say something before the answer."""
    link = f"Link: </{mark.text}>; rel=preload\r\nSet-Cookie: sid={mark.text}\r\n"
    before = f"HTTP/1.1 {status}\r\n{link}\r\n".encode()
    return lambda _asked, _target, reply: replace(reply, before=before)


def _reason(mark: Mark) -> Alter:
    return lambda _asked, _target, reply: replace(reply, reason=f"{reply.reason} {mark.text}")


def _chunk(mark: Mark) -> Alter:
    """Send the body in chunks with an extension, and a trailer field after it."""

    def alter(_asked: Asked, _target: str, reply: Reply) -> Reply:
        size = 64 if mark is FIRST else 501
        parts = [reply.body[at : at + size] for at in range(0, len(reply.body), size)]
        name = mark.text.encode()
        chunks = [b"%x;u=%s\r\n%s\r\n" % (len(part), name, part) for part in parts]
        body = b"".join(chunks) + b"0\r\nETag: %s\r\n\r\n" % name
        return replace(
            reply.drop("Content-Length").put(("Transfer-Encoding", "chunked")), body=body
        )

    return alter


def _frame(mark: Mark) -> Alter:
    """State the length in front, or send one chunk."""
    chunk = _chunk(mark)
    return lambda asked, target, reply: reply if mark is FIRST else chunk(asked, target, reply)


ANSWERS: Final[tuple[HostilePair, ...]] = (
    *(_redirect(status, *place) for status in _REDIRECTS for place in _PLACES),
    *(_refusal(*row) for row in _REFUSALS),
    make_pair("302 in place of a missing root", "Location", _redirect_root),
    make_pair("100 before the answer", "1xx", lambda mark: _interim("100 Continue", mark)),
    make_pair("102 before the answer", "1xx", lambda mark: _interim("102 Processing", mark)),
    make_pair("103 before the answer", "1xx", lambda mark: _interim("103 Early Hints", mark)),
    make_pair("reason phrase", "reason", _reason),
    make_pair("chunks", "Transfer-Encoding", _chunk),
    make_pair("chunks or length", "Transfer-Encoding", _frame),
)
