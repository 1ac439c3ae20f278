"""The plane of the dialects over sockets: hostile requests, ranges and the clock."""

import hashlib
import ssl
import uuid
from datetime import UTC, datetime

import msgspec
import pytest

from server.compat.pages import GONE, json_page
from server.http.answers import Package
from server.http.requests import GateMode, Reason
from server.processes.serving import load_certificate, make_context
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import S3Blobs
from tests.server.compat.models import OPTIONS
from tests.server.compat.served import serve_contents
from tests.server.device import served as wire
from tests.server.device.served import put
from tests.server.release.certificate import write_certificate

DATA = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()
LIST, LINE = "/lineage/v1/FP4/nightly", "/graphene/FP4-nightly"
FILE = f"/lineage/files/FP4/{SHA256}.armani-3.zip"
WITHDRAWN = f"/lineage/files/FP4/{'0' * 64}.armani-2.zip"
CONTENTS = {
    LIST: json_page({"response": []}),
    LINE: json_page("a line"),
    FILE: Package(SHA256, len(DATA)),
    WITHDRAWN: GONE,
}
APP = (
    b"User-Agent: Dalvik/2.1.0 (Linux; U; Android 16; FP4 Build/BP4A)",
    b"Connection: Keep-Alive",
    b"Accept-Encoding: gzip",
)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """Return a store with one package."""
    folder = tmp_path_factory.mktemp("blobs")
    put(folder, DATA)
    return LocalBlobs(folder)


@pytest.fixture(scope="module", params=["direct", "strict", "edge"])
def served(request, blobs):
    """Serve the map in each mode of the gate."""
    options = msgspec.structs.replace(OPTIONS, gate=GateMode(request.param))
    with serve_contents(options, CONTENTS, blobs) as found:
        found.mode = request.param
        yield found


HOSTILE = [
    ("percent-coded", "/lineage/v1/F%504/nightly", Reason.PATH),
    ("percent-coded slash", "/lineage/v1/FP4%2Fnightly", Reason.PATH),
    ("doubled slash", "/lineage/v1//FP4/nightly", Reason.PATH),
    ("doubled at the front", "//lineage/v1/FP4/nightly", Reason.PATH),
    ("dotted", "/lineage/v1/../nightly", Reason.PATH),
    ("dotted once", "/lineage/v1/./nightly", Reason.PATH),
    ("blank device", "/lineage/v1///x", Reason.PATH),
    ("65 bytes", LIST + "/" + "a" * 65, Reason.PATH),
    ("a fourth segment", LIST + "/1/2", Reason.PATH),
    ("query", LIST + "?serial=1", Reason.QUERY),
    ("empty query", LIST + "?", Reason.QUERY),
    ("fragment", LIST + "#x", Reason.QUERY),
    ("the device plane's", "/metadata/timestamp.json", Reason.PATH),
    ("the device plane's log", "/log/checkpoint", Reason.PATH),
    ("the device plane's package", f"/targets/armani/id/stable/{SHA256}.a.zip", Reason.PATH),
    ("another app's", "/miotaV3.php", Reason.PATH),
]


def test_hostile_paths_are_refused_and_counted(served):
    """A hostile path gets 400 without an echo, and is counted by its reason."""
    for name, path, reason in HOSTILE:
        before = dict(served.plane.counts.refusals)
        response = served.get(path, *APP)
        assert response.status == 400, name
        assert response["Connection"] == "close", name
        assert path.encode() not in response.head + response.body, name
        changed = {each for each in Reason if before[each] != served.plane.counts.refusals[each]}
        assert changed == {reason}, name


def test_other_requests_are_refused(served):
    """Other methods, cookies, bodies and a second Host are refused."""
    for lines, method, reason in (
        ((), "POST", Reason.METHOD),
        ((), "PUT", Reason.METHOD),
        ((b"Cookie: a=b",), "GET", Reason.COOKIE),
        ((b"Content-Length: 3",), "GET", Reason.BODY),
        ((b"Transfer-Encoding: chunked",), "GET", Reason.BODY),
        ((b"Authorization: Bearer x",), "GET", Reason.HEADER),
    ):
        before = served.plane.counts.refusals[reason]
        assert served.get(LIST, *lines, method=method).status == 400, lines
        assert served.plane.counts.refusals[reason] == before + 1, lines


def test_gate_modes(served):
    """Strict mode accepts only the apps' own requests.

    The other modes tolerate the device plane's headers, and behind an edge any.
    """
    for line, direct, edge in (
        (b"Accept: application/json", 200, 200),
        (b"Accept-Charset: UTF-8", 200, 200),
        (b"Range: bytes=0-1", 200, 200),
        (b"If-None-Match: x", 200, 200),
        (b"Referer: x", 200, 200),
        (b"X-Serial: 1", 400, 200),
    ):
        expected = {"direct": direct, "edge": edge, "strict": 200}[served.mode]
        if served.mode == "strict" and line.split(b":")[0] in {b"If-None-Match", b"Referer"}:
            expected = 400
        if served.mode == "strict" and direct == 400:
            expected = 400
        assert served.get(LIST, line).status == expected, (line, served.mode)


def test_unknown_names_are_404_and_withdrawn_files_410(served):
    """Unknown names get 404 and withdrawn files 410, cached for a minute."""
    for path, status in (
        ("/lineage/v1/fp4/nightly", 404),
        ("/lineage/v1/FP4/Nightly", 404),
        ("/lineage/v1/FP5/nightly", 404),
        ("/graphene/FP4-incremental-0-9.zip", 404),
        ("/custota/FP4.json", 404),
        (WITHDRAWN, 410),
    ):
        response = served.get(path, *APP)
        assert (response.status, response["Cache-Control"]) == (status, "public, max-age=60")


def test_running_build_in_the_path_is_ignored(served):
    """A running build at the end of a path is ignored: the answer is the same."""
    plain = served.get(LIST, *APP)
    for running in ("", "1.2.0-id", "a" * 64, "eng.root.20260101"):
        answer = served.get(f"{LIST}/{running}", *APP)
        assert (answer.status, answer.body) == (200, plain.body)
        assert served.get(f"{LIST}/{running}", *APP, method="HEAD").status == 200


def test_no_content_coding_or_validators(served):
    """Lists and packages have neither a content coding nor an ETag nor Vary."""
    for path in (LIST, LINE, FILE):
        for coding in (b"gzip", b"br, gzip;q=1.0, *;q=0.5", b"identity;q=0", b"*"):
            response = served.get(path, b"Accept-Encoding: " + coding)
            names = {name for name, _ in response.headers}
            assert response.status == 200
            assert not names & {"Content-Encoding", "ETag", "Last-Modified", "Vary", "Location"}
            assert response["Content-Length"] == str(len(response.body))


def check_ranges(ask):
    """Request the whole file, ranges of it, and a range beyond its end."""
    end = len(DATA)
    whole = ask(wire.request(FILE, *APP))
    assert (whole.status, whole.body) == (200, DATA)
    assert whole["Content-Encoding"] is None
    assert whole["Cache-Control"] == "public, max-age=31536000, immutable"
    for value, first, last in (
        (b"bytes=0-", 0, end - 1),
        (b"bytes=%d-" % (end // 3), end // 3, end - 1),
        (b"bytes=5-9", 5, 9),
        (b"bytes=%d-" % (end - 1), end - 1, end - 1),
    ):
        response = ask(wire.request(FILE, *APP, b"Range: " + value))
        assert (response.status, response.body) == (206, DATA[first : last + 1])
        assert response["Content-Range"] == f"bytes {first}-{last}/{end}"
        assert response["Accept-Ranges"] == "bytes"
    beyond = ask(wire.request(FILE, *APP, b"Range: bytes=%d-" % end))
    assert (beyond.status, beyond["Content-Range"]) == (416, f"bytes */{end}")


def test_ranges_are_exact(served):
    """Ranges of local files are exact in each mode of the gate."""
    check_ranges(served.ask)
    head = served.get(FILE, *APP, method="HEAD")
    assert (head.status, head["Content-Length"], head.body) == (200, str(len(DATA)), b"")


@pytest.mark.needs("seaweed")
def test_ranges_from_s3(seaweed, tmp_path):
    """Ranges of a package in a real S3 store are exact."""
    store = S3Blobs(seaweed.place(f"compat/{uuid.uuid4()}"), lambda: datetime.now(UTC))
    (tmp_path / "source").write_bytes(DATA)
    store.ingest(tmp_path / "source", SHA256, len(DATA))
    with serve_contents(OPTIONS, CONTENTS, store) as served:
        check_ranges(served.ask)


def test_ranges_over_tls(blobs, tmp_path):
    """Ranges are exact over TLS, which version 2 of LineageOS requires; TLS 1.2 is accepted."""
    write_certificate(tmp_path, "u.example")
    tls = make_context(load_certificate(tmp_path / "cert.pem", tmp_path / "key.pem"))
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    client = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve_contents(OPTIONS, CONTENTS, blobs, tls=tls) as served:

        def ask(data):
            with client.wrap_socket(served.connect(), server_hostname="u.example") as connection:
                connection.sendall(data)
                return wire.read_response(connection)

        check_ranges(ask)


def test_both_paths_give_the_same_answers(served):
    """The fast path and aiohttp give the same answers."""
    for path in (LIST, FILE, WITHDRAWN, "/lineage/v1/FP5/nightly", "/lineage/v1///x"):
        fast = served.get(path, b"Accept: */*")
        slow = served.ask(b"\r\n" + wire.request(path, b"Accept: */*"))
        assert (fast.status, fast.body) == (slow.status, slow.body)
        kept = {"Date", "Connection"}
        assert {each for each in fast.headers if each[0] not in kept} == {
            each for each in slow.headers if each[0] not in kept
        }


def as_an_app(path):
    """Return an app's complete request, which is recognised without a parser."""
    lines = [b"GET %b HTTP/1.1" % path.encode(), APP[0], b"Host: u.example", *APP[1:]]
    return b"\r\n".join([*lines, b"", b""])


def test_recognised_requests_equal_parsed_ones(served):
    """Recognised requests get the same answers as parsed ones, in each mode."""
    for path in (LIST, LINE):
        found, other = served.ask(as_an_app(path)), served.get(path, b"Accept: */*")
        assert served.plane.served.exact.get(as_an_app(path)) is not None
        assert (found.status, found.body) == (200, other.body)
        assert {each for each in found.headers if each[0] != "Date"} == {
            each for each in other.headers if each[0] not in {"Date", "Connection"}
        }


def test_list_changes_at_the_scheduled_second(blobs):
    """A list changes at the scheduled second, without a new snapshot."""
    old, new = json_page("old"), json_page("new")
    changes = [(100, {LIST: new, LINE: None}), (200, {LIST: old})]
    clock = [99.0]
    with serve_contents(
        OPTIONS, {LIST: old, LINE: old}, blobs, changes=changes, clock=lambda: clock[0]
    ) as served:
        for now, body, status in ((99.0, "old", 200), (100.0, "new", 404), (200.5, "old", 404)):
            clock[0] = now
            served._in_loop(served.listener._registry.tick)
            assert served.get(LIST).body == f'"{body}"'.encode()
            assert served.ask(as_an_app(LIST)).body == f'"{body}"'.encode()
            assert served.get(LINE).status == status
