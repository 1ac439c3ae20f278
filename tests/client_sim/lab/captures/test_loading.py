"""The format of a capture follows from its content, and tshark decrypts TLS."""

import bz2
import gzip
import io
import lzma
import os
import ssl

import pytest

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.capture import State
from client_sim.lab.captures.known_values import Known
from client_sim.lab.captures.loading import BYTES_LIMIT, decode_capture, load_capture
from client_sim.lab.captures.requests import iterate_requests
from client_sim.lab.captures.tshark import list_randoms
from client_sim.lab.errors import CaptureError, EnvironmentFailedError
from client_sim.lab.trace.hello import ja4, read_hello
from fixtures.capture_writer import write_pcap, write_pcapng
from fixtures.captures import FOLDER, HOST, POLL
from tests.cases import case

PLAIN = b"".join(POLL).replace(b":8080", b"")


@pytest.fixture
def write(tmp_path):
    """Return a function that writes packets, or the bytes of a file, as a capture."""

    def make(packets):
        path = tmp_path / "capture"
        path.write_bytes(packets if isinstance(packets, bytes) else write_pcap(packets))
        return path

    return make


def test_format_follows_from_the_content(write):
    """Any other content is the bytes of one connection."""
    for name, form in (
        *(("ours.pcap", "pcap"), ("redmi-1s-2014.pcap", "pcap")),
        *(("ours.pcapng", "pcapng"), ("ours.har", "HAR")),
    ):
        assert load_capture(write((FOLDER / name).read_bytes())).form == form
    capture = load_capture(write(PLAIN))
    assert (capture.form, capture.conversations[0].data) == ("octets", PLAIN)


def test_size_is_checked_before_reading(write):
    """Sparse files can have any size; a key log has its own limit."""
    for start, size, words in (
        (b"x", BYTES_LIMIT + 1, "cut it into connections"),
        (b" {", 256 * 1024 * 1024 + 1, "export fewer"),
        (b"\xa1\xb2\xc3\xd4", 1024 * 1024 * 1024 + 1, "cut it into parts"),
    ):
        path = write(start)
        os.truncate(path, size)
        with pytest.raises(CaptureError, match=words):
            load_capture(path)
    os.truncate(path, 16 * 1024 * 1024 + 1)
    with pytest.raises(CaptureError, match="it is not a key log"):
        load_capture(FOLDER / "ours.pcap", key_log=path)


def test_archives_and_utf_16_are_refused():
    """The message names the format and what to do."""
    har = (FOLDER / "ours.har").read_text()
    for data, words in (
        (b"", "is empty"),
        (gzip.compress(PLAIN), r"compressed by gzip: unpack it first \(gunzip\)"),
        (bz2.compress(PLAIN), "compressed by bzip2"),
        (lzma.compress(PLAIN), "compressed by xz"),
        (b"\x28\xb5\x2f\xfd\x00", "compressed by Zstandard"),
        (b"PK\x03\x04\x14\x00", "a zip archive"),
        *((har.encode(code), "text in UTF-16") for code in ("utf-16", "utf-16-le", "utf-16-be")),
    ):
        with pytest.raises(CaptureError, match=f"^not a capture: the file .*{words}"):
            decode_capture(io.BytesIO(data), len(data))


def test_randoms_of_a_key_log():
    """Comments and damaged lines are skipped."""
    line = b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48
    other = b"SERVER_HANDSHAKE_TRAFFIC_SECRET " + b"EF" * 32 + b" 00"
    data = b"# comment\n" + line + b"\r\n" + other + b"\nCLIENT_RANDOM abcd 00\n"
    assert list_randoms(data) == {b"\xab" * 32, b"\xef" * 32}


def test_encrypted_capture_shows_only_the_hello(secure_poll, write):
    """Server name and fingerprint are fields; the verdict is not clean."""
    capture = load_capture(write(secure_poll()[0]))
    (talk,) = capture.conversations
    assert (talk.state, talk.hello.server_name) == (State.ENCRYPTED, HOST.encode())
    audit = audit_capture(capture, HOST.encode(), None)
    assert audit.verdict == "not judged: encrypted"
    assert {row.name for row in audit.fields} >= {"TLS JA4", "TLS server name", "TLS resumption"}


@pytest.mark.needs("tshark")
def test_capture_is_decrypted_with_keys(secure_poll, write):
    """Keys can be in a file or in the capture, and decrypt every poll in it."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        packets, keys = secure_poll(version)
        packets += secure_poll(version, 1)[0]
        if version is ssl.TLSVersion.TLSv1_2:
            capture = load_capture(write(packets), key_log=keys)
        else:
            capture = load_capture(write(write_pcapng(packets, keys=keys.read_bytes())))
        assert [talk.data for talk in capture.conversations] == [PLAIN, PLAIN]
        assert {talk.state for talk in capture.conversations} == {State.DECRYPTED}
        assert audit_capture(capture, HOST.encode(), None).verdict == "clean"


# RFC 7540 sections 3.5 and 6.5, RFC 7541 appendix C.4.1: www.example.com by Huffman's code.
SETTINGS = bytes.fromhex("000000 04 00 00000000")
BLOCK = bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")
HTTP_2 = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS + bytes.fromhex("000011 01 05 00000001") + BLOCK
)


@pytest.mark.needs("tshark")
def test_http_2_headers_are_searched(secure_poll, write):
    """They are decoded by tshark; the grammar does not allow HTTP/2."""
    packets, keys = secure_poll(exchanges=[(HTTP_2, SETTINGS)], protocols=["h2"])
    capture = load_capture(write(packets), key_log=keys)
    (talk,) = capture.conversations
    assert talk.data == HTTP_2
    ((label, headers),) = talk.readings
    assert label == "headers of HTTP/2"
    assert headers.splitlines()[-1] == b":authority: www.example.com"
    known = Known({"site": (b"www.example.com",)}, {})
    assert audit_capture(capture, HOST.encode(), known).verdict == "leak"


@pytest.mark.needs("tshark")
def test_wrong_keys_decrypt_nothing(secure_poll, write):
    """Keys of another connection, or a wrong secret for the right random."""
    packets, keys = secure_poll()
    lines = [line.rpartition(" ")[0] for line in keys.read_text().splitlines()]
    keys.unlink()
    path = write(packets)
    _, keys = secure_poll()
    for log in (keys.read_text(), "".join(f"{line} {'0' * 96}\n" for line in lines)):
        keys.write_text(log)
        (talk,) = load_capture(path, key_log=keys).conversations
        assert talk.state is State.ENCRYPTED


def test_keys_without_tshark_fail(secure_poll, write, monkeypatch):
    """The message says what to install; without keys the capture is audited."""
    packets, keys = secure_poll()
    path = write(packets)
    monkeypatch.setenv("PATH", str(path.parent))
    with pytest.raises(
        EnvironmentFailedError, match="tshark, which decrypts them, is not installed"
    ):
        load_capture(path, key_log=keys)
    assert load_capture(path).conversations[0].state is State.ENCRYPTED


@pytest.mark.needs("tshark")
def test_fingerprints_are_those_of_tshark(secure_poll, write, tshark):
    """JA4 of the same hello is the same in both programs, for TLS 1.2 and 1.3."""
    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    polls = [secure_poll(version, number)[0] for number, version in enumerate(versions)]
    path = write([packet for packets in polls for packet in packets])
    fingerprints = [ja4(read_hello(talk.data)) for talk in load_capture(path).conversations]
    words = ("-Y", "tls.handshake.type == 1", "-T", "fields", "-e", "tls.handshake.ja4")
    assert fingerprints == tshark(path, *words).split()
    assert [each[:3] for each in fingerprints] == ["t12", "t13"]


@pytest.mark.needs("tshark")
def test_tshark_finds_the_same_requests_and_names(tshark):
    """Methods, targets and resolved names of each sample are compared."""
    words = ("-Y", "http.request or dns.flags.response == 0", "-T", "fields")
    fields = ("http.request.method", "http.request.uri", "dns.qry.name")
    for path in (path for path in FOLDER.iterdir() if path.suffix in {".pcap", ".pcapng"}):
        capture = load_capture(path)
        lines = tshark(path, *words, *(each for name in fields for each in ("-e", name)))
        frames = [line.split("\t") for line in lines.splitlines()]
        theirs = [
            pair
            for methods, targets, _ in frames  # a frame with several requests lists them together
            for pair in zip(methods.split(","), targets.split(","), strict=True)
            if pair[0]
        ]
        requests = [each for talk in capture.conversations for each in iterate_requests(talk.data)]
        with case(path.name):
            assert [(each.method.decode(), each.target.decode()) for each in requests] == theirs
            names = [question.name.decode() for question in capture.dns_questions]
            assert names == [name for *_, name in frames if name]
