"""Pairs that differ in header fields of otherwise good answers."""

from dataclasses import replace
from typing import Final

from client_sim.lab.servers.pairs import FIRST, HostilePair, Mark, make_pair
from client_sim.lab.servers.replies import Alter, Reply, name_host
from client_sim.lab.trace.memory import Asked

# Name of the pair, name of the field, value. {t} is a token, {n} seconds, {d} a date, {h} the host.
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
    (
        "strict transport",
        "Strict-Transport-Security",
        "max-age={n}; includeSubDomains; id={t}",
    ),
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


def _fill(value: str, mark: Mark, host: str) -> str:
    return value.format(t=mark.text, n=mark.number, d=mark.date, h=host)


def _field(name: str, value: str, mark: Mark) -> Alter:
    return lambda asked, _target, reply: reply.put((name, _fill(value, mark, name_host(asked))))


def _pair(name: str, field: str, value: str, *, is_common: bool) -> HostilePair:
    return make_pair(name, field, lambda mark: _field(field, value, mark), is_common=is_common)


def _reorder(mark: Mark) -> Alter:
    """Reverse the order of the fields, for one of the two."""

    def alter(_asked: Asked, _target: str, reply: Reply) -> Reply:
        return reply if mark is FIRST else replace(reply, fields=reply.fields[::-1])

    return alter


def _respell(mark: Mark) -> Alter:
    """Write all names in small letters, or all in capitals."""
    spell = str.lower if mark is FIRST else str.upper

    def alter(_asked: Asked, _target: str, reply: Reply) -> Reply:
        return replace(reply, fields=tuple((spell(name), value) for name, value in reply.fields))

    return alter


def _pad(mark: Mark) -> Alter:
    """Put white space around values: more of it for one of the two."""
    space = " " if mark is FIRST else " \t  "

    def alter(_asked: Asked, _target: str, reply: Reply) -> Reply:
        fields = tuple((name, f"{space}{value}{space}") for name, value in reply.fields)
        return replace(reply, fields=fields)

    return alter


def _repeat(mark: Mark) -> Alter:
    """Hand out two cookies and two validators."""
    more = (
        ("Set-Cookie", f"a={mark.text}"),
        ("Set-Cookie", f"b={mark.text[::-1]}; Path=/"),
        ("ETag", f'"{mark.text[::-1]}"'),
    )
    return lambda _asked, _target, reply: replace(reply, fields=(*reply.fields, *more))


def _on_missing(mark: Mark) -> Alter:
    """Mark the answer for the root that is not there alone."""
    more = (
        ("Set-Cookie", f"sid={mark.text}; Path=/"),
        ("ETag", f'"{mark.text}"'),
        ("Cache-Control", f"public, max-age={mark.number}"),
        ("Retry-After", str(mark.number)),
    )
    return lambda _asked, _target, reply: reply.put(*more) if reply.status == 404 else reply


FIELDS: Final[tuple[HostilePair, ...]] = (
    *(_pair(*row, is_common=True) for row in _COMMON),
    *(_pair(*row, is_common=False) for row in _ALONE),
    make_pair("several of a kind", "Set-Cookie", _repeat),
    make_pair("fields of what is not there", "Set-Cookie", _on_missing),
    make_pair("order of the fields", "order", _reorder),
    make_pair("spelling of the fields", "case", _respell),
    make_pair("white space of the fields", "white space", _pad),
)
