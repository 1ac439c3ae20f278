"""The grammar accepts exactly the bytes of docs/FORMATS.md section 9, and names all others."""

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.grammar import Request, Violation, find_violations, parse_requests
from tests.cases import case

HOST = b"updates.example.org:8080"
BLOCK = 8 * 1024 * 1024
DIGEST = "a18b869b2e81c0c529552a3c4fa5c92ed08b98a4e146aed778d71d27517f83ac"
PACKAGE = f"/targets/armani/id/stable/{DIGEST}.armani-id-2-full.zip"


def request(path, header="Accept-Encoding: gzip", host="updates.example.org:8080"):
    """Encode one request by hand."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n\r\n".encode()


def block(first, last, path=PACKAGE):
    """Encode the request for one block."""
    return request(path, f"Range: bytes={first}-{last}")


def role(version, name):
    """Encode the request for one role version."""
    return request(f"/metadata/{version}.{name}.json")


POLL = role(2, "root") + request("/metadata/timestamp.json")
CHANGED = (
    POLL
    + role(9, "snapshot")
    + role(3, "targets")
    + role(8, "latest")
    + request("/log/proof/latest.8")
    + role(2, "tables")
    + request("/log/proof/tables.2")
    + role(2, "content")
    + request("/log/proof/content.2")
    + request(f"/targets/tables/apn/{DIGEST}.15.xz")
    + request(f"/targets/content/greetings/{DIGEST}.07.xz")
)
INSTALL = role(4, "armani") + request("/log/proof/armani.4")

CLEAN = {
    "unchanged": POLL,
    "changed": CHANGED,
    "new roots": role(2, "root") + role(3, "root") + POLL.replace(b"/2.", b"/4."),
    "only a codename changed": POLL + role(9, "snapshot"),
    "ends early": role(2, "root"),
    "the previous poll ended after the snapshot": POLL
    + role(8, "latest")
    + request("/log/proof/latest.8"),
    "one role changed": POLL + role(9, "snapshot") + role(2, "content"),
    "install": INSTALL + block(0, BLOCK - 1) + block(BLOCK, BLOCK + 5),
    "poll and install": CHANGED + INSTALL + block(0, 41),
    "download continues": block(BLOCK, 2 * BLOCK - 1) + block(2 * BLOCK, 2 * BLOCK + 1),
    "a part of a split latest": POLL
    + role(9, "snapshot")
    + role(3, "targets")
    + role(8, "latest-a")
    + request("/log/proof/latest-a.8")
    + role(2, "content"),
    "a part, then an installation": POLL
    + role(9, "snapshot")
    + role(8, "latest-0")
    + request("/log/proof/latest-0.8")
    + INSTALL,
    "a picture": request(f"/targets/content/wallpapers/{DIGEST}.dawn.jpg"),
    "a part that an earlier poll did not fetch": POLL
    + request(f"/targets/tables/ca/{DIGEST}.00.xz"),
    "a model called latestfoo": role(1, "latestfoo") + request("/log/proof/latestfoo.1"),
}


def test_allowed_requests_and_any_changed_byte():
    """Polls and installations are clean; flipping any byte, except in versions, is a violation."""
    for name, data in CLEAN.items():
        with case(name):
            assert find_violations(data, HOST) == find_violations(data, None) == ()
            for place in range(len(data)):
                changed = data[:place] + bytes((data[place] ^ 0x20,)) + data[place + 1 :]
                if not chr(data[place]).isalnum() or not chr(changed[place]).isalnum():
                    assert find_violations(changed, HOST), (place, changed[place : place + 20])


BROKEN = [
    (b"GET /metadata/timestamp.json HTTP/1.0\r\n", 0, b"GET /metadata/timestamp.json HTTP/1.0"),
    (POLL.replace(b"GET", b"HEAD", 1), 0, b"HEAD /metadata/2.root.json HTTP/1.1"),
    (POLL.replace(b"Encoding", b"encoding"), 68, b"Accept-encoding: gzip"),
    (POLL.replace(b"gzip\r\n", b"gzip, br\r\n", 1), 68, b"Accept-Encoding: gzip, br"),
    (POLL.replace(b"gzip\r\n", b"gzip \r\n", 1), 68, b"Accept-Encoding: gzip "),
    (
        POLL.replace(b"gzip\r\n", b"gzip\r\nX-Id: 7\r\n", 1),
        91,
        b"X-Id: 7\r\n\r\n",
    ),
    (POLL.replace(b".json", b".json?i=1", 1), 0, b"GET /metadata/2.root.json?i=1 HTTP/1.1"),
    (POLL.replace(HOST, b"updates.example.org", 1), 36, b"Host: updates.example.org"),
    (POLL.replace(b"2.root", b"02.root"), 0, b"GET /metadata/02.root.json HTTP/1.1"),
    (POLL + b"x", 189, b"x"),
    (POLL + b"x\r\n\r\n", 189, b"x"),
]


def test_violation_has_offset_and_bytes():
    """The first violation is the wrong line."""
    for data, offset, offending in BROKEN:
        with case(data, offset, offending):
            (first, *_) = find_violations(data, HOST)
            assert (first.offset, first.data) == (offset, offending)


OUT_OF_ORDER = {
    "root skipped": role(2, "root") + role(4, "root"),
    "roles in another order": POLL + role(9, "snapshot") + role(2, "tables") + role(8, "latest"),
    "proof of another version": CHANGED.replace(b"latest.8 ", b"latest.7 "),
    "a part before targets": POLL + role(9, "snapshot") + role(8, "latest-3") + role(8, "targets"),
    "proof of another part": POLL + role(8, "latest-3") + request("/log/proof/latest-2.8"),
    "codename not proven": role(4, "armani") + block(0, 5),
    "package of another model": role(4, "dior") + request("/log/proof/dior.4") + block(0, 5),
    "block left out": block(0, BLOCK - 1) + block(2 * BLOCK, 2 * BLOCK + 5),
    "another package": block(0, BLOCK - 1)
    + block(BLOCK, BLOCK + 5, PACKAGE.replace("full", "fuii")),
}
"""One case of each kind of complaint (`test_language` has all)."""


def test_requests_out_of_order_are_violations():
    """Gaps, repetitions and another order could carry data."""
    for name, data in OUT_OF_ORDER.items():
        (violation,) = find_violations(data, HOST)
        assert violation.rule == "order", name
        assert violation.data.startswith(b"GET ")
        assert data[violation.offset :].startswith(violation.data)


def test_other_paths_are_violations():
    """Files that a server may have, but no phone requests, are violations."""
    for path in (
        "/metadata/1.mirrors.json",
        "/metadata/1.latest-a.json",
        "/log/proof/snapshot.3",
        "/log/proof/tables.3",
        "/log/checkpoint",
        "/targets/armani/id/stable/x.zip",
        f"/targets/content/wallpapers/{DIGEST}.a.zip",
        f"/targets/content/wallpapers/{DIGEST}.Dawn.jpg",
        f"/targets/content/themes/{DIGEST}.dawn.jpg",
        f"/targets/tables/wallpapers/{DIGEST}.00.xz",
        f"/targets/tables/emergency/{DIGEST}.04.xz",
        f"/targets/tables/apn/{DIGEST}.16.xz",
        f"/targets/content/greetings/{DIGEST}.08.xz",
        f"/targets/content/notices/{DIGEST}.01.xz",
        f"/targets/armani/id/stable/{DIGEST}.a..zip",
        "/metadata/12345678901234567.armani.json",
        "/metadata/1.Armani.json",
    ):
        with case(path):
            assert find_violations(request(path), HOST)


def test_host_that_is_not_a_name_is_a_violation():
    """Any host name may be allowed, but never an address."""
    for host in ("192.0.2.1:8080", "127.0.0.1", "[::1]", "UPDATES.example.org", ""):
        with case(host):
            assert find_violations(role(2, "root").replace(HOST, host.encode()), None)


def test_host_may_not_change():
    """Later requests must name the host of the first."""
    data = role(2, "root") + request("/metadata/timestamp.json", host="other.example.org")
    (violation,) = find_violations(data, None)
    assert violation.data == b"Host: other.example.org"


def test_body_is_a_violation():
    """The next request after a form is still read."""
    form = b"POST /a HTTP/1.1\r\nHost: h\r\n\r\nimei=001017748048421"
    found = find_violations(form + POLL, HOST)
    assert [(violation.offset, violation.data) for violation in found] == [
        (0, b"POST /a HTTP/1.1"),
        (29, b"imei=001017748048421"),
    ]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_violations(data):
    """Arbitrary bytes raise no exception, and violations lie within the recording."""
    for recording in (data, POLL + data, data + POLL):
        for violation in find_violations(recording, HOST):
            end = violation.offset + len(violation.data)
            assert recording[violation.offset : end] == violation.data
    assert find_violations(data, HOST)
    if data:
        assert find_violations(POLL + data, HOST)


LINE = b"GET /metadata/2.root.json HTTP/1.1"
WRONG = {
    "request line": (
        LINE.replace(b".json", b".jsn"),
        *(b"Host: " + HOST, b"Accept-Encoding: gzip"),
        (0, LINE.replace(b".json", b".jsn"), "the request table does not have this line"),
    ),
    "host": (
        *(LINE, b"Host: other", b"Accept-Encoding: gzip"),
        (36, b"Host: other", "the second line must be Host with updates.example.org:8080"),
    ),
    "headers": (
        *(LINE, b"Host: " + HOST, b"Range: bytes=0-9"),
        (
            *(68, b"Range: bytes=0-9"),
            "the third line of a root request must be Accept-Encoding: gzip",
        ),
    ),
}


def test_exact_violations():
    """Each violation has offset, bytes, rule and explanation."""
    for rule, (*lines, (offset, data, words)) in WRONG.items():
        with case(rule):
            asked = b"\r\n".join((*lines, b"", b""))
            assert find_violations(asked, HOST) == (Violation(offset, data, rule, words),)


def test_missing_line_is_a_violation_at_the_end():
    """The violation is empty and lies after the last byte."""
    for asked, rule in ((LINE, "host"), (LINE + b"\r\nHost: " + HOST, "headers")):
        (violation,) = find_violations(asked, HOST)
        assert (violation.offset, violation.data, violation.rule) == (len(asked), b"", rule)
    whole = LINE + b"\r\nHost: " + HOST + b"\r\nAccept-Encoding: gzip"
    for rest in (b"", b"\r\n", b"\r\nX: 1\r\n\r\n"):
        (violation,) = find_violations(whole + rest, HOST)
        words = "nothing may follow the third line"
        at = min(len(whole) + 2, len(whole + rest))
        assert violation == Violation(at, rest[2:], "headers", words)


def test_explanations_without_patterns():
    """They name the header without its numbers, and any host as that of the ROM image."""
    (violation,) = find_violations(request(PACKAGE), HOST)
    words = "the third line of a package request must be Range: bytes="
    assert violation.explanation == words
    (violation,) = find_violations(role(2, "root").replace(HOST, b"192.0.2.1"), None)
    words = "the second line must be Host with the name of the ROM image"
    assert violation.explanation == words


def test_exact_violations_of_silence_and_order():
    """A request out of order is shown by its first line."""
    words = "the connection carries no request"
    assert find_violations(b"", HOST) == (Violation(0, b"", "silence", words),)
    asked = request("/metadata/timestamp.json")
    line = b"GET /metadata/timestamp.json HTTP/1.1"
    words = "timestamp may not follow the start of a connection"
    assert find_violations(asked, HOST) == (Violation(0, line, "order", words),)


def test_parse_requests_among_other_bytes():
    """Bytes that do not match the table are skipped."""
    asked = b"HEAD / HTTP/1.0\r\n\r\n" + role(2, "root") + block(0, 9)
    root, package = parse_requests(asked, None)
    assert root == Request(19, "root", b"/metadata/2.root.json", {"version": b"2"})
    assert package == Request(
        *(19 + len(role(2, "root")), "package", PACKAGE.encode()),
        {"codename": b"armani", "first": b"0", "last": b"9"},
    )


def test_host_names():
    """Any host name is accepted, with or without a port, if none is required."""
    for host, clean in (
        *(("a", True), ("a.b-c.example:65535", True), ("1a.2", True), ("a:0", False)),
        *(("a:", False), ("a.", False), (".a", False), ("1.2", False), ("a b", False)),
    ):
        with case(host, clean):
            asked = request("/metadata/2.root.json", host=host)
            assert (find_violations(asked, None) == ()) == clean


def test_next_head_after_a_body_is_found():
    """Any method can begin the next head."""
    for verb in (b"GET", b"HEAD", b"PROPFIND"):
        with case(verb):
            body = b"a=1&"
            asked = role(2, "root") + body + verb + b" /x HTTP/1.0\r\n\r\n"
            start = len(role(2, "root"))
            found = find_violations(asked, HOST)
            assert [(v.offset, v.data) for v in found] == [
                (start, body),
                (start + len(body), verb + b" /x HTTP/1.0"),
            ]


def test_bytes_before_a_head_are_one_violation():
    """The request after an extra byte is read as usual."""
    (found,) = find_violations(b"x" + POLL, HOST)
    assert (found.offset, found.data) == (0, b"x")
    found = find_violations(b"\r\n\r\njunk", HOST)
    assert [(violation.offset, violation.data) for violation in found] == [(0, b""), (4, b"junk")]
