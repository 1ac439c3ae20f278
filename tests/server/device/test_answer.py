"""Prepared answers, and RFC 9110 on real sockets: representations, conditions and caching."""

import base64
import gzip
import hashlib
import re

import pytest

from server.core.names import decode_pointer_path
from server.device.answer import Served, make_served, phone_host
from server.device.snapshot import EMPTY
from server.http.requests import GateMode
from server.publisher.rollout import plan_halt
from tests.cases import case
from tests.server.ceremony import release
from tests.server.device.served import TIMESTAMP, serve
from tests.server.device.test_wire import without_date
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2

HOSTS = (b"updates.example", b"updates.example:8443")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://updates.example", b"updates.example"),
        ("https://updates.example:443", b"updates.example"),
        ("https://updates.example:8443/", b"updates.example:8443"),
        ("http://updates.example:80", b"updates.example"),
        ("http://127.0.0.1:8080", b"127.0.0.1:8080"),
        ("http://[::1]:8080", b"[::1]:8080"),
    ],
)
def test_phone_host_omits_the_default_port(url, host):
    """A phone's Host omits the scheme's default port: docs/FORMATS.md section 9."""
    assert phone_host(url) == host


def test_updated_answers_equal_new_ones(world):
    """After each publication, the updated table of answers equals a newly made one."""
    snapshot, served = EMPTY, Served()

    def follow():
        nonlocal snapshot, served
        before = served
        snapshot = world.snapshot(snapshot)
        served = make_served(snapshot, HOSTS, GateMode.DIRECT, before)
        assert served == make_served(snapshot, HOSTS, GateMode.DIRECT, Served())
        return before

    assert follow().exact == {}
    assert follow() == served
    pointers = world.published().pointers()
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    before = follow()
    assert before != served
    for _ in range(5):  # until documents leave the window of nine served versions
        world.run(lambda publisher: publisher.change_pointers(lambda _published: {}))
        world.run(lambda publisher: publisher.change_pointers(lambda _published: pointers))
        follow()
    assert not before.exact.keys() <= served.exact.keys()
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    asked = b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example\r\n"
    asked += b"Accept-Encoding: gzip\r\n\r\n"
    assert served.exact[asked][0] == 404
    follow()
    assert served.exact[asked][0] == 200
    assert served.exact[asked.replace(b"/2.", b"/3.")][0] == 404


def test_answers_for_another_host_are_made_anew(published_state):
    """A table for another Host takes over no prepared answers."""
    snapshot = published_state.snapshot()
    first = make_served(snapshot, HOSTS[:1], GateMode.DIRECT, Served())
    assert make_served(snapshot, HOSTS[1:], GateMode.DIRECT, first) == make_served(
        snapshot, HOSTS[1:], GateMode.DIRECT, Served()
    )


def test_strict_mode_prepares_answers_for_phones_only(published_state):
    """In strict mode there are no prepared answers for caches and auditors."""
    snapshot = published_state.snapshot()
    direct = make_served(snapshot, HOSTS, GateMode.DIRECT, Served())
    strict = make_served(snapshot, HOSTS, GateMode.STRICT, direct)
    assert strict == make_served(snapshot, HOSTS, GateMode.STRICT, Served())
    others = direct.exact.keys() - strict.exact.keys()
    assert len(others) == 2 * 3
    assert all(b"If-None-Match" in each or b"GET /log/checkpoint" in each for each in others)
    assert not any(b"If-None-Match" in each for each in strict.exact)


def test_no_prepared_answers_before_the_first_publication():
    """Before the first publication there are no prepared answers."""
    assert make_served(EMPTY, HOSTS, GateMode.DIRECT, Served()) == Served(EMPTY, HOSTS)


DIGEST = hashlib.sha256(PACKAGE_1).hexdigest()
PACKAGE = f"/targets/armani/id/stable/{DIGEST}.armani-1.zip"
POINTER = f"/targets/latest/armani/id/{hashlib.sha256(b'').hexdigest()}.stable"
NEGOTIATED = [TIMESTAMP, "/metadata/1.root.json", "/log/checkpoint", "/log/proof/armani.2"]


def tile(folder):
    """Return the path of a public tile."""
    tiles = (folder.public / "log" / "tile" / "0").rglob("*")
    file = next(path for path in sorted(tiles) if path.is_file())
    return "/" + file.relative_to(folder.public).as_posix()


@pytest.mark.parametrize("path", NEGOTIATED)
def test_plain_and_compressed_representations(direct, published_state, path):
    """Plain and compressed forms have the same content, each with its own ETag and digest."""
    plain = direct.get(path)
    packed = direct.get(path, b"Accept-Encoding: gzip")
    content = (published_state.folder.public / path[1:]).read_bytes()
    assert plain.body == gzip.decompress(packed.body) == content
    assert (plain["Content-Encoding"], packed["Content-Encoding"]) == (None, "gzip")
    assert plain["Vary"] == packed["Vary"] == "Accept-Encoding"
    for response in (plain, packed):
        digest = base64.b64encode(hashlib.sha256(response.body).digest()).decode()
        assert response["Repr-Digest"] == f"sha-256=:{digest}:"
    of_plain = b"If-None-Match: " + plain["ETag"].encode()
    assert direct.get(path, b"Accept-Encoding: gzip", of_plain).status == 200


def test_gzip_negotiation(direct):
    """Gzip is sent only to clients that accept it."""
    accepting = (b"gzip", b"GZIP", b"br, gzip", b"gzip;q=0.5")
    others = (b"gzip;q=0", b"gzip; q=0.000", b"identity", b"br", b"", b"*", b"gzipx")
    for value in (*accepting, *others):
        with case(value):
            coding = direct.get(TIMESTAMP, b"Accept-Encoding: " + value)["Content-Encoding"]
            assert coding == ("gzip" if value in accepting else None)


def test_head_has_the_headers_of_get(direct):
    """Status and headers of HEAD are those of GET (RFC 9110 section 9.3.2)."""
    for path in (*NEGOTIATED, PACKAGE, "/metadata/9.root.json"):
        for line in (b"Accept-Encoding: gzip", b"Accept-Encoding: identity"):
            with case(path, line):
                whole, head = direct.get(path, line), direct.get(path, line, method="HEAD")
                assert without_date(whole)[:2] == without_date(head)[:2]
                assert head.body == b""
                assert whole["Content-Length"] == str(len(whole.body))


@pytest.mark.parametrize("coding", [b"gzip", b"identity"])
def test_if_none_match(direct, coding):
    """A matching ETag gives 304 for its own representation, in any list."""
    line = b"Accept-Encoding: " + coding
    for path in (*NEGOTIATED, PACKAGE):
        etag = direct.get(path, line)["ETag"]
        for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            response = direct.get(path, line, f"If-None-Match: {value}".encode())
            assert (response.status, response["ETag"], response.body) == (304, etag, b""), path
            assert response["Content-Encoding"] is None
        assert direct.get(path, line, b'If-None-Match: "other"').status == 200


def test_gone_and_unknown_files(world):
    """A withdrawn package or removed version gives 410, an unknown one 404."""
    world.run(lambda publisher: publisher.change_pointers(halt_all))
    files = {FIRST: (PACKAGE_1, release(1, withdrawn=True))}
    result = world.publish({("armani", 3): world.ceremony.role("armani", 3, files)})
    assert result.reason == ""
    with serve(world.folder) as served:
        assert served.get(PACKAGE).status == 410
        assert served.get("/metadata/2.armani.json").status == 200
        (world.folder.public / "metadata" / "2.armani.json").unlink()
    with serve(world.folder) as served:
        assert served.get("/metadata/2.armani.json").status == 410
        assert served.get("/metadata/4.armani.json").status == 404


def halt_all(published):
    """Return the pointers, all halted."""
    return {
        path: plan_halt(decode_pointer_path(path), pointer, {})
        for path, pointer in published.pointers().items()
    }


def test_cache_control(direct, published_state):
    """Mutable files are cached for a minute, all others for a year."""
    for path in (TIMESTAMP, "/log/checkpoint", "/log/proof/armani.2"):
        assert direct.get(path)["Cache-Control"] == "public, max-age=60"
    for path in ("/metadata/1.root.json", PACKAGE, POINTER, tile(published_state.folder)):
        assert direct.get(path)["Cache-Control"] == "public, max-age=31536000, immutable"


def test_no_vary_without_a_compressed_form(direct, published_state):
    """Tiles and packages have a single form, and no Vary."""
    for path in (PACKAGE, POINTER, tile(published_state.folder)):
        response = direct.get(path, b"Accept-Encoding: gzip")
        assert response["Vary"] is response["Content-Encoding"] is None


def test_answers_do_not_depend_on_the_user_agent(direct):
    """Clients with different User-Agents get the same answer, except for its date."""
    answers = {
        re.sub(rb"Date: [^\r]*", b"", answer.head) + answer.body
        for number in range(10)
        for answer in [
            direct.get(TIMESTAMP, b"Accept-Encoding: gzip", f"User-Agent: phone-{number}".encode())
        ]
    }
    assert len(answers) == 1
