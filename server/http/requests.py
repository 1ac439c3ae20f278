"""The rules for requests to all public planes; refusals are only counted, by reason.

Source: docs/PRIVACY.md, the table of headers. Pure.
"""

import enum
import re
from collections.abc import Callable, Sequence

READ = frozenset({b"host", b"accept-encoding", b"range", b"if-range", b"if-none-match"})
TOLERATED = frozenset(
    {
        b"accept",
        b"accept-charset",
        b"accept-language",
        b"cache-control",
        b"connection",
        b"dnt",
        b"if-modified-since",
        b"if-unmodified-since",
        b"keep-alive",
        b"origin",
        b"pragma",
        b"priority",
        b"referer",
        b"save-data",
        b"te",
        b"upgrade-insecure-requests",
        b"user-agent",
        b"via",
    }
)
REFUSED = frozenset(
    {
        b"cookie",
        b"authorization",
        b"proxy-authorization",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"expect",
        b"upgrade",
        b"http2-settings",
    }
)
HOST = re.compile(rb"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")
Headers = Sequence[tuple[bytes, bytes]]


class GateMode(enum.StrEnum):
    """The mode of the gate, which decides which requests it accepts."""

    DIRECT = "direct"
    EDGE = "edge"
    STRICT = "strict"


class Reason(enum.StrEnum):
    """The reason of a refusal, which is also the label of its counter."""

    METHOD = "method"
    PATH = "path"
    QUERY = "query"
    VERSION = "version"
    HOST = "host"
    BODY = "body"
    COOKIE = "cookie"
    HEADER = "header"
    MALFORMED = "malformed"
    STRICT = "strict"


class Refused(Exception):  # noqa: N818 - an answer to a client, not a fault of the server
    """The rules refuse a request; the exception has only the `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def check_form(
    method: str,
    path: str,
    version: tuple[int, int],
    headers: Headers,
    mode: GateMode,
    is_path: Callable[[str], bool],
) -> bool:
    """Raise Refused unless a request is well formed; return whether it has unknown headers.

    `path` is the request target and `headers` the names and values, all as received. `is_path`
    returns whether a path is in the plane's grammar.
    """
    if method not in {"GET", "HEAD"}:
        raise Refused(Reason.METHOD)
    if version not in {(1, 0), (1, 1)}:
        raise Refused(Reason.VERSION)
    if "?" in path or "#" in path:
        raise Refused(Reason.QUERY)
    if not is_path(path):
        raise Refused(Reason.PATH)
    names = [name.lower() for name, _ in headers]
    if names.count(b"host") != 1 or any(names.count(name) > 1 for name in READ):
        raise Refused(Reason.HOST if names.count(b"host") != 1 else Reason.HEADER)
    unknown = _check_names(names, mode)
    if HOST.fullmatch(headers[names.index(b"host")][1]) is None:
        raise Refused(Reason.HOST)
    return unknown


def _check_names(names: Sequence[bytes], mode: GateMode) -> bool:
    unknown = False
    for name in names:
        if name == b"cookie":
            raise Refused(Reason.COOKIE)
        if name in REFUSED:
            raise Refused(Reason.BODY if name.startswith((b"content", b"trans")) else Reason.HEADER)
        if name in READ or name in TOLERATED or name.startswith(b"sec-"):
            continue
        if mode is not GateMode.EDGE:
            raise Refused(Reason.HEADER)
        unknown = True
    return unknown
