"""Captures from files: the format follows from the content, and TLS is taken off by tshark."""

import bz2
import gzip
import io
import lzma
import os
import ssl

import pytest

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.known import Known
from client_sim.lab.captures.loading import BYTES_LIMIT, decode_capture, load_capture
from client_sim.lab.captures.requests import split_requests
from client_sim.lab.captures.seen import State
from client_sim.lab.captures.tshark import list_randoms
from client_sim.lab.errors import CaptureError, EnvironmentFailedError
from client_sim.lab.trace.hello import ja4, read_hello
from fixtures.capture_writer import write_pcap, write_pcapng
from fixtures.captures import FOLDER, HOST, POLL

SAMPLES = [path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.name != "known.json"]
PLAIN = b"".join(POLL).replace(b":8080", b"")


def test_the_format_is_told_by_the_content(tmp_path):
    """Whatever the file is called; anything else is the bytes of one connection."""
    for name, form in (
        ("ours.pcap", "pcap"),
        ("redmi-1s-2014.pcap", "pcap"),
        ("ours.pcapng", "pcapng"),
        ("ours.har", "HAR"),
    ):
        path = tmp_path / "capture.bin"
        path.write_bytes((FOLDER / name).read_bytes())
        assert load_capture(path).form == form
    path.write_bytes(PLAIN)
    capture = load_capture(path)
    assert (capture.form, capture.conversations[0].data) == ("octets", PLAIN)


def test_size_is_looked_at_before_anything_is_read(tmp_path):
    """Files with holes have any size."""
    for start, size, words in (
        (b"x", BYTES_LIMIT + 1, "cut it into connections"),
        (b" {", 256 * 1024 * 1024 + 1, "export fewer"),
        (b"\xa1\xb2\xc3\xd4", 1024 * 1024 * 1024 + 1, "cut it into parts"),
    ):
        path = tmp_path / "capture"
        path.write_bytes(start)
        os.truncate(path, size)
        with pytest.raises(CaptureError, match=words):
            load_capture(path)


def test_what_may_hold_a_capture_is_none():
    """The sentence says what the file is and what to do; its bytes are nobody's connection."""
    for data, words in (
        (b"", "is empty"),
        (gzip.compress(SAMPLES[0]), r"compressed by gzip: unpack it first \(gunzip\)"),
        (bz2.compress(SAMPLES[0]), "compressed by bzip2"),
        (lzma.compress(SAMPLES[0]), "compressed by xz"),
        (b"\x28\xb5\x2f\xfd\x00", "compressed by Zstandard"),
        (b"PK\x03\x04\x14\x00", "a zip archive"),
        ((FOLDER / "ours.har").read_text().encode("utf-16"), "text in UTF-16"),
        ((FOLDER / "ours.har").read_text().encode("utf-16-le"), "text in UTF-16"),
        ((FOLDER / "ours.har").read_text().encode("utf-16-be"), "text in UTF-16"),
    ):
        with pytest.raises(CaptureError, match=f"^not a capture: the file .*{words}"):
            decode_capture(io.BytesIO(data), len(data))


def test_a_key_log_is_limited(tmp_path):
    """It is small, or it is none."""
    keys = tmp_path / "keys"
    keys.touch()
    os.truncate(keys, 16 * 1024 * 1024 + 1)
    with pytest.raises(CaptureError, match="it is no key log"):
        load_capture(FOLDER / "ours.pcap", key_log=keys)


def test_the_randoms_of_a_key_log():
    """Of the lines that have one; comments and damage are passed over."""
    line = b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48
    other = b"SERVER_HANDSHAKE_TRAFFIC_SECRET " + b"EF" * 32 + b" 00"
    data = b"# comment\n" + line + b"\r\n" + other + b"\nCLIENT_RANDOM abcd 00\n"
    assert list_randoms(data) == {b"\xab" * 32, b"\xef" * 32}


def test_without_keys_a_hello_is_all_that_is_seen(secure_poll, tmp_path):
    """Name and fingerprint are told; the verdict is not clean."""
    packets, _ = secure_poll()
    path = tmp_path / "capture.pcap"
    path.write_bytes(write_pcap(packets))
    capture = load_capture(path)
    (talk,) = capture.conversations
    assert (talk.state, talk.hello.server_name) == (State.ENCRYPTED, HOST.encode())
    audit = audit_capture(capture, HOST.encode(), None)
    assert audit.verdict == "not judged: encrypted"
    assert {row.name for row in audit.fields} >= {"TLS JA4", "TLS server name", "TLS resumption"}


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("embedded", [False, True])
def test_with_keys_the_requests_are_read(version, embedded, secure_poll, tmp_path):
    """In a file beside it, or in the capture; of two polls in one capture, both."""
    packets, keys = secure_poll(version)
    packets += secure_poll(version, 1)[0]
    path = tmp_path / "capture"
    if embedded:
        path.write_bytes(write_pcapng(packets, keys=keys.read_bytes()))
        capture = load_capture(path)
    else:
        path.write_bytes(write_pcap(packets))
        capture = load_capture(path, key_log=keys)
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
def test_headers_of_http_2_are_read_by_tshark(secure_poll, tmp_path):
    """Known values are looked for in them; the grammar has nothing of it."""
    packets, keys = secure_poll(said=[(HTTP_2, SETTINGS)], protocols=["h2"])
    path = tmp_path / "capture"
    path.write_bytes(write_pcap(packets))
    capture = load_capture(path, key_log=keys)
    (talk,) = capture.conversations
    assert talk.data == HTTP_2
    ((label, headers),) = talk.readings
    assert label == "headers of HTTP/2"
    assert headers.splitlines()[-1] == b":authority: www.example.com"
    known = Known({"site": (b"www.example.com",)}, {})
    audit = audit_capture(capture, HOST.encode(), known)
    assert audit.verdict == "leak"


@pytest.mark.needs("tshark")
def test_keys_of_another_connection_open_nothing(secure_poll, tmp_path):
    """It stays encrypted, and tshark is not even asked."""
    packets, keys = secure_poll()
    keys.unlink()
    _, keys = secure_poll()
    path = tmp_path / "capture"
    path.write_bytes(write_pcap(packets))
    (talk,) = load_capture(path, key_log=keys).conversations
    assert talk.state is State.ENCRYPTED


@pytest.mark.needs("tshark")
def test_secrets_that_are_wrong_open_nothing(secure_poll, tmp_path):
    """The random is there, the secret is another: not judged, and nothing breaks."""
    packets, keys = secure_poll()
    lines = [line.rpartition(" ")[0] for line in keys.read_text().splitlines()]
    keys.write_text("".join(f"{line} {'0' * 96}\n" for line in lines))
    path = tmp_path / "capture"
    path.write_bytes(write_pcap(packets))
    (talk,) = load_capture(path, key_log=keys).conversations
    assert talk.state is State.ENCRYPTED


def test_keys_without_tshark_are_a_failure_of_the_environment(secure_poll, tmp_path, monkeypatch):
    """The sentence says what to install; without keys there is a result."""
    packets, keys = secure_poll()
    path = tmp_path / "capture"
    path.write_bytes(write_pcap(packets))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailedError, match="tshark is not installed"):
        load_capture(path, key_log=keys)
    assert load_capture(path).conversations[0].state is State.ENCRYPTED


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_fingerprint_is_that_of_tshark(version, secure_poll, tmp_path, tshark):
    """Another program's, of the same hello."""
    packets, _ = secure_poll(version)
    path = tmp_path / "capture"
    path.write_bytes(write_pcap(packets))
    (talk,) = load_capture(path).conversations
    words = ("-Y", "tls.handshake.type == 1", "-T", "fields", "-e", "tls.handshake.ja4")
    assert ja4(read_hello(talk.data)) == tshark(path, *words).strip()


@pytest.mark.needs("tshark")
@pytest.mark.parametrize(
    "name",
    ["ours.pcap", "ours.pcapng", "redmi-1s-2014.pcap", "miui-update.pcapng", "grapheneos.pcap"],
)
def test_another_program_sees_the_same_requests_and_names(name, tshark):
    """Lines of requests and names that were asked for, as tshark prints them."""
    capture = load_capture(FOLDER / name)
    words = ("-Y", "http.request", "-T", "fields", "-e", "http.request.method")
    frames = tshark(FOLDER / name, *words, "-e", "http.request.uri").splitlines()
    theirs = [
        pair
        for frame in frames  # of several requests in one, methods and targets stand together
        for pair in zip(*(words.split(",") for words in frame.split("\t")), strict=True)
    ]
    requests = [each for talk in capture.conversations for each in split_requests(talk.data)]
    assert [(each.method.decode(), each.target.decode()) for each in requests] == theirs
    words = ("-Y", "dns.flags.response == 0", "-T", "fields", "-e", "dns.qry.name")
    names = [question.name.decode() for question in capture.asked]
    assert names == tshark(FOLDER / name, *words).split()
