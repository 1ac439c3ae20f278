"""Pairs of servers with different heads: fields of good answers, redirects, refusals, framing."""

from dataclasses import replace
from typing import Final

from client_sim.lab.servers.replies import (
    FIRST,
    Alter,
    HostilePair,
    Mark,
    Reply,
    always,
    find_host,
    make_pair,
    refuse,
)
from client_sim.lab.trace.memory import OTHER_ADDRESS, Request

# Name of the pair, name of the field, value; {t} is a token, {n} a number of seconds, {d} a date,
# {h} the host.
_COMMON: Final = (
    ("strong validator", "ETag", '"{t}"'),
    ("cookie for all paths", "Set-Cookie", "sid={t}; Path=/; Max-Age=31536000"),
    ("date of change", "Last-Modified", "{d}"),
    ("place of a good answer", "Location", "/metadata/{t}.json"),
    ("link to the same", "Link", '</metadata/timestamp.json?u={t}>; rel="canonical"'),
    ("place of the content", "Content-Location", "/metadata/timestamp.json?u={t}"),
    ("refresh", "Refresh", "{n}; url=/metadata/timestamp.json?u={t}"),
    ("wait of a good answer", "Retry-After", "{n}"),
    ("age allowed", "Cache-Control", "public, max-age={n}"),
    ("age", "Age", "{n}"),
    ("expiry", "Expires", "{d}"),
    ("other service", "Alt-Svc", 'h2="{t}.example.org:443"; ma={n}, h3=":443"; ma={n}'),
    ("strict transport", "Strict-Transport-Security", "max-age={n}; includeSubDomains; id={t}"),
    (
        "pinned keys",
        "Public-Key-Pins",
        'pin-sha256="{t}"; max-age={n}; report-uri="http://{t}.example.org/"',
    ),
    ("server", "Server", "hening/{t}"),
    ("program", "X-Powered-By", "{t}"),
    ("date", "Date", "{d}"),
    ("way", "Via", "1.1 {t}.example.org"),
    ("challenge of a good answer", "WWW-Authenticate", 'Basic realm="{t}"'),
    ("result of a login", "Authentication-Info", 'nextnonce="{t}"'),
    ("hints wanted", "Accept-CH", "Sec-CH-UA-Model, Sec-CH-{t}"),
    ("hints needed", "Critical-CH", "Sec-CH-UA-Model, Sec-CH-{t}"),
    ("variants", "Vary", "Accept-Encoding, X-{t}"),
    ("parts", "Accept-Ranges", "bytes, {t}"),
    ("idle time", "Keep-Alive", "timeout={n}, max=100"),
    ("name of the request", "X-Request-Id", "{t}"),
    ("trace", "traceparent", "00-{t}-00f067aa0ba902b7-01"),
    ("measurements", "Server-Timing", 'edge;dur={n};desc="{t}"'),
    (
        "reports",
        "Report-To",
        '{{"group":"{t}","max_age":{n},"endpoints":[{{"url":"http://{h}/{t}"}}]}}',
    ),
    ("reporting endpoints", "Reporting-Endpoints", 'main="http://{h}/{t}"'),
    ("network errors", "NEL", '{{"report_to":"{t}","max_age":{n},"success_fraction":1.0}}'),
    (
        "policy with reports",
        "Content-Security-Policy",
        "default-src 'none'; report-uri http://{h}/{t}",
    ),
    ("certificate reports", "Expect-CT", 'max-age={n}, report-uri="http://{h}/{t}"'),
    ("warning", "Warning", '199 - "{t}" "{d}"'),
    ("file name", "Content-Disposition", 'attachment; filename="{t}.json"'),
    ("language", "Content-Language", "x-{t}"),
    ("kind", "Content-Type", "application/json; boundary={t}"),
    ("digest", "Repr-Digest", "sha-256=:{t}:"),
    ("old digest", "Content-MD5", "{t}"),
    ("codings taken", "Accept-Encoding", "gzip, {t}"),
    ("data to clear", "Clear-Site-Data", '"cookies", "{t}"'),
    ("source map", "SourceMap", "http://{h}/{t}"),
    ("new protocol", "Upgrade", "h2c, {t}"),
    ("pragma", "Pragma", "no-cache, {t}"),
    ("origin allowed", "Access-Control-Allow-Origin", "http://{t}.example.org"),
    ("address of a name", "DNS-Prefetch", "{t}.example.org"),
    ("unknown", "X-Hening-Poll", "{t}"),
)
_ALONE: Final = (
    ("weak validator", "ETag", 'W/"{t}"'),
    ("bare validator", "ETag", "{t}"),
    ("cookie for the domain", "Set-Cookie", "sid={t}; Domain={h}; Path=/; Secure; HttpOnly"),
    ("cookie of a folder", "Set-Cookie", "sid={t}; Path=/metadata; SameSite=None; Expires={d}"),
    ("cookie with a prefix", "Set-Cookie", "__Host-sid={t}; Path=/; Secure"),
    ("cookie's name", "Set-Cookie", "{t}=1"),
    ("old cookie", "Set-Cookie2", 'sid="{t}"; Version="1"; Port'),
    ("link to prepare", "Link", "</{t}>; rel=preload; as=fetch, <http://{t}.{h}/>; rel=preconnect"),
    ("link to the next", "Link", '</metadata/timestamp.json?page={t}>; rel="next"'),
    ("refresh at once", "Refresh", "0; url=http://{t}.example.org/metadata/timestamp.json"),
    ("date to wait for", "Retry-After", "{d}"),
    ("age allowed to caches", "Cache-Control", "s-maxage={n}, stale-while-revalidate={n}"),
    ("no cache", "Cache-Control", 'no-cache="{t}", max-age={n}, must-revalidate'),
    ("other service cleared", "Alt-Svc", 'clear, h3="{h}:{n}"'),
    ("pins reported", "Public-Key-Pins-Report-Only", 'pin-sha256="{t}"; report-uri="/{t}"'),
    ("digest challenge", "WWW-Authenticate", 'Digest realm="hening", nonce="{t}", qop="auth"'),
    ("connection", "Connection", "{t}"),
    ("last answer", "Connection", "close, {t}"),
    ("proxy's challenge", "Proxy-Authenticate", 'Basic realm="{t}"'),
    ("two lengths to choose", "X-Original-Content-Length", "{n}"),
)

TIMESTAMP: Final = "/metadata/timestamp.json"
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_PLACES: Final = (
    ("the same origin", f"http://{{h}}{TIMESTAMP}?u={{t}}"),
    ("another path", "/u/{t}/timestamp.json"),
    ("another host", f"http://{{t}}.example.org{TIMESTAMP}"),
)
_REFUSALS: Final = (
    ("login asked for", 401, "WWW-Authenticate", 'Basic realm="{t}"'),
    ("login with a nonce", 401, "WWW-Authenticate", 'Digest realm="r", nonce="{t}", opaque="{t}"'),
    ("login by ticket", 401, "WWW-Authenticate", 'Bearer realm="r", scope="{t}"'),
    ("proxy's login", 407, "Proxy-Authenticate", 'Basic realm="{t}"'),
    ("too many", 429, "Retry-After", "{n}"),
    ("not now", 503, "Retry-After", "{n}"),
    ("not before", 503, "Retry-After", "{d}"),
    ("not modified", 304, "ETag", '"{t}"'),
    ("choices", 300, "Location", "/u/{t}"),
    ("payment", 402, "Location", "/u/{t}"),
    ("upgrade needed", 426, "Upgrade", "{t}/2.0"),
    ("condition needed", 428, "ETag", '"{t}"'),
    ("network's login", 511, "Location", "http://{t}.example.org/"),
    ("hints missing", 425, "Critical-CH", "Sec-CH-{t}"),
)


def _pair(name: str, field: str, value: str, *, is_common: bool) -> HostilePair:
    def make(mark: Mark) -> Alter:
        return lambda request, _target, reply: reply.put(
            (field, mark.fill(value, find_host(request)))
        )

    return make_pair(name, field, make, is_common=is_common)


def _reorder(mark: Mark) -> Alter:
    """Reverse the order of the fields in one of the two servers."""
    step = 1 if mark is FIRST else -1
    return always(lambda reply: replace(reply, fields=reply.fields[::step]))


def _respell(mark: Mark) -> Alter:
    """Write all names in lower case, or all in upper case."""
    spell = str.lower if mark is FIRST else str.upper
    return always(
        lambda reply: replace(reply, fields=tuple((spell(name), v) for name, v in reply.fields))
    )


def _pad(mark: Mark) -> Alter:
    """Put white space around values, more of it in one of the two servers."""
    gap = " " if mark is FIRST else " \t  "
    return always(
        lambda reply: replace(
            reply, fields=tuple((name, f"{gap}{value}{gap}") for name, value in reply.fields)
        )
    )


def _repeat(mark: Mark) -> Alter:
    """Send two cookies and two validators."""
    more = (
        ("Set-Cookie", f"a={mark.text}"),
        ("Set-Cookie", f"b={mark.text[::-1]}; Path=/"),
        ("ETag", f'"{mark.text[::-1]}"'),
    )
    return always(lambda reply: replace(reply, fields=(*reply.fields, *more)))


def _on_missing(mark: Mark) -> Alter:
    """Mark only the answer for the missing root."""
    more = (
        ("Set-Cookie", f"sid={mark.text}; Path=/"),
        ("ETag", f'"{mark.text}"'),
        ("Cache-Control", f"public, max-age={mark.number}"),
        ("Retry-After", str(mark.number)),
    )
    return always(lambda reply: reply.put(*more) if reply.status == 404 else reply)


FIELDS: Final[tuple[HostilePair, ...]] = (
    *(_pair(*row, is_common=True) for row in _COMMON),
    *(_pair(*row, is_common=False) for row in _ALONE),
    make_pair("several of a kind", "Set-Cookie", _repeat),
    make_pair("fields of what is not there", "Set-Cookie", _on_missing),
    make_pair("order of the fields", "order", _reorder),
    make_pair("spelling of the fields", "case", _respell),
    make_pair("white space of the fields", "white space", _pad),
)


def _replace_timestamp(name: str, status: int, field: str, value: str) -> HostilePair:
    """Return a pair that refuses or redirects the request for the timestamp."""

    def make(mark: Mark) -> Alter:
        def alter(request: Request, target: str, reply: Reply) -> Reply:
            # The query is compared as well, so a redirected client is not redirected again.
            if target != TIMESTAMP or request.address == OTHER_ADDRESS:
                return reply
            return refuse(status, (field, mark.fill(value, find_host(request))))

        return alter

    return make_pair(name, field, make)


def _redirect_root(mark: Mark) -> Alter:
    """Redirect the request for the missing root."""
    instead = refuse(302, ("Location", f"/u/{mark.text}/root.json"))
    return lambda _request, target, reply: instead if target.endswith(".root.json") else reply


def _interim(status: str) -> HostilePair:
    """Return a pair that sends an informational answer (1xx) before the final one."""

    def make(mark: Mark) -> Alter:
        link = f"Link: </{mark.text}>; rel=preload\r\nSet-Cookie: sid={mark.text}\r\n"
        before = f"HTTP/1.1 {status}\r\n{link}\r\n".encode()
        return always(lambda reply: replace(reply, before=before))

    return make_pair(f"{status[:3]} before the answer", "1xx", make)


def _reason(mark: Mark) -> Alter:
    return always(lambda reply: replace(reply, reason=f"{reply.reason} {mark.text}"))


def _chunk(mark: Mark) -> Alter:
    """Send the body in chunks with an extension, and a trailer field after it."""
    size, name = (64 if mark is FIRST else 501), mark.text.encode()

    def change(reply: Reply) -> Reply:
        parts = [reply.body[at : at + size] for at in range(0, len(reply.body), size)]
        chunks = [b"%x;u=%s\r\n%s\r\n" % (len(part), name, part) for part in parts]
        body = b"".join(chunks) + b"0\r\nETag: %s\r\n\r\n" % name
        return replace(
            reply.drop("Content-Length").put(("Transfer-Encoding", "chunked")), body=body
        )

    return always(change)


def _frame(mark: Mark) -> Alter:
    """Send a body with Content-Length, or in chunks."""
    return always(lambda reply: reply) if mark is FIRST else _chunk(mark)


ANSWERS: Final[tuple[HostilePair, ...]] = (
    *(
        _replace_timestamp(f"{status} to {where}", status, "Location", place)
        for status in _REDIRECTS
        for where, place in _PLACES
    ),
    *(_replace_timestamp(f"{status}, {name}", status, *rest) for name, status, *rest in _REFUSALS),
    make_pair("302 in place of a missing root", "Location", _redirect_root),
    *map(_interim, ("100 Continue", "102 Processing", "103 Early Hints")),
    make_pair("reason phrase", "reason", _reason),
    make_pair("chunks", "Transfer-Encoding", _chunk),
    make_pair("chunks or length", "Transfer-Encoding", _frame),
)
