"""Requests of existing Updater apps are explained row by row, and other bytes are found."""

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.dialects import DIALECTS, ROWS, find_row
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.captures.rendering import audit_to_dict
from fixtures.captures import DALVIK, FOLDER, HOST
from fixtures.captures import DIALECTS as SAMPLES

HOST_LINE = HOST.encode()


def audit(path, dialects=DIALECTS):
    """Audit a capture."""
    return audit_capture(load_capture(path), HOST_LINE, None, dialects=dialects)


def write_raw(tmp_path, data):
    """Write the raw bytes of one connection as a capture."""
    path = tmp_path / "raw"
    path.write_bytes(data)
    return path


def test_every_request_of_the_samples_is_explained():
    """Each row has its number of requests and what it reveals, the User-Agent included."""
    found = audit(FOLDER / "dialects.pcap")
    assert (found.verdict, found.requests) == ("clean", 7)
    counts = {each.row: each.count for each in found.disclosures}
    assert counts == {
        "lineage1-list": 1,
        "lineage2-list": 1,
        "lineage-file": 1,
        "graphene-step": 1,
        "graphene-line": 1,
        "custota-info": 1,
        "custota-file": 1,
        "User-Agent": 4,
    }
    shown = audit_to_dict(found, personal=False)["dialects"]
    assert {"row": "lineage2-list", "requests": 1, "reveals": "device"} in shown


def test_requests_are_explained_only_by_their_dialect():
    """Polls of hening match no dialect, and no path matches two."""
    assert audit(FOLDER / "dialects.pcap", ("lineage2",)).verdict == "unexplained"
    assert audit(FOLDER / "dialects.pcap", ()).verdict == "unexplained"
    assert audit(FOLDER / "ours.pcap").verdict == "unexplained"
    assert audit(FOLDER / "ours.pcap").disclosures == ()
    for dialect, requests in SAMPLES.items():
        path = requests[0].split(b" ")[1]
        row = find_row(path, (dialect,))
        assert row is not None
        assert ROWS[row].dialect in dialect
        others = [each for each in DIALECTS if each != dialect]
        assert find_row(path, others) is None
    assert DALVIK.encode() in SAMPLES["lineage1"][0]


def test_bytes_beyond_the_row_are_found(tmp_path):
    """A query, a header, a body, a cookie, a method or other bytes are a finding."""
    (sample,) = SAMPLES["lineage2"]
    assert audit(write_raw(tmp_path, sample)).questions[0].passed
    for old, new in (
        (b"/builds ", b"/builds?serial=1 "),
        (b"/builds ", b"/builds/ "),
        (b"\r\n\r\n", b"\r\nX-Serial: 02ab34cd56ef\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nCookie: a=b\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nIf-None-Match: x\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nRange: bytes=1-2,4-5\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx"),
        (b"GET ", b"POST "),
        (b"\r\n\r\n", b"\r\n\r\nimei"),
    ):
        changed = sample.replace(old, new, 1)
        assert changed != sample
        question = audit(write_raw(tmp_path, changed)).questions[0]
        assert (question.name, question.passed) == ("grammar", False), new
