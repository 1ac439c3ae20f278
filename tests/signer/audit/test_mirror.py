import contextlib
import gzip
import ipaddress
import os
import re
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.audit.findings import AnswerError, MirrorUnavailableError
from signer.audit.mirror import FolderMirror, HttpMirror
from signer.errors import SignerError
from tests.cases import case


def test_folder_mirror(tmp_path) -> None:
    """A file is read up to its limit; the folder must exist."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "checkpoint").write_bytes(b"12345")
    mirror = FolderMirror(tmp_path)
    assert mirror.fetch("/log/checkpoint", 5) == b"12345"
    with pytest.raises(AnswerError, match="/log/checkpoint is longer than the 4 bytes"):
        mirror.fetch("/log/checkpoint", 4)
    with pytest.raises(MirrorUnavailableError, match="does not exist; give a public folder"):
        FolderMirror(tmp_path / "public")


def test_missing_file_of_folder_mirror(tmp_path, monkeypatch) -> None:
    """Folders and pipes count as missing files, but a disk error is raised."""
    (tmp_path / "metadata").mkdir()
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    mirror = FolderMirror(tmp_path)
    for path in ("/nothing", "/metadata", "/file/checkpoint", "/pipe"):
        assert mirror.fetch(path, 10) is None

    def refuse(*_arguments, **_options):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(PermissionError):
        mirror.fetch("/file", 10)


PATH = "/log/checkpoint"


@contextlib.contextmanager
def serve_scripts(*scripts, hold=0.0):
    """Serve connections one after the other; a script holds the responses of one connection.

    Yields the mirror and a list of the requests.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    requests, stop = [], threading.Event()

    def serve():
        for script in scripts:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                for answer in script:
                    request = b""
                    while not request.endswith(b"\r\n\r\n"):
                        request += connection.recv(1) or b"(closed)\r\n\r\n"
                    requests.append(request)
                    for piece in [answer] if isinstance(answer, bytes) else answer:
                        connection.sendall(piece)
                stop.wait(hold)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    mirror = HttpMirror(f"http://127.0.0.1:{port}", time.monotonic, seconds=0.5)
    try:
        yield mirror, requests
    finally:
        stop.set()
        mirror.close()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        assert not thread.is_alive()


def answer(body, *lines, status="200 OK"):
    """Return the bytes of a response."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def test_request_bytes():
    """A request has Host and Accept-Encoding like a phone's; one connection serves all requests."""
    missing = (answer(b"", status="404 Not Found"), answer(b"gone", status="410 Gone"))
    with serve_scripts([answer(b"one"), *missing, answer(b"two")]) as (mirror, requests):
        assert mirror.fetch(PATH, 10) == b"one"
        for _ in missing:
            assert mirror.fetch("/metadata/2.root.json", 10) is None
        assert mirror.fetch(PATH, 10) == b"two"
    port = mirror._address.port
    assert requests[0] == (
        f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    )
    assert len(requests) == 4


def test_gzip():
    """The limit is that of the decoded bytes, and stops a decompression bomb."""
    packed = gzip.compress(b"x" * 1000, mtime=0)
    bomb = gzip.compress(bytes(50_000_000))
    encoding = "Content-Encoding: gzip"
    with serve_scripts([answer(packed, encoding)], [answer(bomb, encoding)]) as (mirror, _):
        assert mirror.fetch(PATH, 1000) == b"x" * 1000
        mirror.close()
        with pytest.raises(AnswerError, match="longer than the 1000 bytes"):
            mirror.fetch(PATH, 1000)


def test_unusable_answer():
    """A wrong file is a finding, not a failure of the mirror."""
    for data, reason in (
        (answer(b"x" * 11), "longer than the 10 bytes"),
        (answer(b"no", "Content-Encoding: gzip"), "damaged gzip"),
        (answer(gzip.compress(b"x", mtime=0)[:-3], "Content-Encoding: gzip"), "cut short"),
        (
            answer(gzip.compress(b"x", mtime=0) + b"y", "Content-Encoding: gzip"),
            "has bytes after",
        ),
        (answer(b"x", "Content-Encoding: br"), "not requested"),
    ):
        with (
            case(data),
            serve_scripts([data]) as (mirror, _),
            pytest.raises(AnswerError, match=reason),
        ):
            mirror.fetch(PATH, 10)


def test_unusable_mirror():
    """Redirects, errors and other protocols are failures of the mirror."""
    for data, reason in (
        (answer(b"", "Location: http://elsewhere/", status="302 Found"), "redirects"),
        (answer(b"", status="500 Internal Server Error"), "answers 500"),
        (answer(b"", status="400 Bad Request"), "answers 400"),
        (answer(b"", status="206 Partial Content"), "answers 206"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", r"does not speak HTTP/1\.1"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000, r"does not speak HTTP/1\.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "without a whole answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "without a whole answer"),
        (b"", "without a whole answer"),
    ):
        with (
            case(data),
            serve_scripts([data], [data]) as (mirror, _),
            pytest.raises(MirrorUnavailableError, match=reason),
        ):
            mirror.fetch(PATH, 10)


def test_endless_response():
    """Endless bodies, empty gzip blocks and heads are cut off."""

    def endless(head, piece):
        yield b"HTTP/1.1 200 OK\r\n" + head
        while True:
            yield piece

    chunked = b"Transfer-Encoding: chunked\r\n"
    start = chunked + b"Content-Encoding: gzip\r\n\r\na\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03\r\n"
    for head, piece, error, reason in (
        (chunked + b"\r\n", b"8000\r\n" + b"x" * 0x8000 + b"\r\n", AnswerError, "longer"),
        (start, b"5000\r\n" + b"\0\0\0\xff\xff" * 0x1000 + b"\r\n", AnswerError, "longer"),
        (b"", b"A: " + b"x" * 1000 + b"\r\n", MirrorUnavailableError, "HTTP"),
    ):
        with (
            case(head),
            serve_scripts([endless(head, piece)]) as (mirror, _),
            pytest.raises(error, match=reason),
        ):
            mirror.fetch(PATH, 4096)


def test_time_limit_starts_with_the_request(monkeypatch):
    """The clock is checked before each wait."""
    opened = FakeSocket(b"")
    monkeypatch.setattr(socket, "create_connection", lambda *_arguments: opened)
    mirror = HttpMirror("http://updates.example", iter([0.0, 200.0]).__next__)
    with pytest.raises(MirrorUnavailableError, match="takes too long"):
        mirror.fetch(PATH, 10)


def test_slow_mirror():
    """Silence and a byte now and then both end at the time limit."""

    def trickle():
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
        while True:
            time.sleep(0.02)
            yield b"x"

    for script in ([b""], [trickle()]):
        with (
            serve_scripts(script, hold=5) as (mirror, _),
            pytest.raises(MirrorUnavailableError, match=r"too long|timed out"),
        ):
            mirror.fetch(PATH, 4096)


def test_reconnect() -> None:
    """A closed idle connection is opened again; `Connection: close` is obeyed."""
    with serve_scripts([answer(b"one")], [answer(b"two")]) as (mirror, requests):
        assert mirror.fetch(PATH, 10) == b"one"
        assert mirror.fetch(PATH, 10) == b"two"
    assert len(requests) == 2
    first = answer(b"one", "Connection: close")
    with serve_scripts([first], [answer(b"two")]) as (mirror, _):
        assert mirror.fetch(PATH, 10) == b"one"
        assert mirror._socket is None
        assert mirror.fetch(PATH, 10) == b"two"


def test_unreachable_host():
    """A refused connection and an unknown name are failures of the mirror."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://nowhere.invalid"):
        with pytest.raises(MirrorUnavailableError):
            HttpMirror(url, time.monotonic).fetch(PATH, 10)


@contextlib.contextmanager
def serve_connection(serve):
    """Return the port of a server that handles one connection with `serve`."""

    def run():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


def test_https_needs_tls():
    """The handshake fails, and nothing is requested in plain text."""
    heard = []

    def serve(connection):
        heard.append(connection.recv(1000))
        connection.sendall(answer(b"in the clear"))

    with serve_connection(serve) as port, pytest.raises(MirrorUnavailableError):
        HttpMirror(f"https://127.0.0.1:{port}", time.monotonic).fetch(PATH, 10)
    assert b"GET" not in heard[0]


@pytest.mark.parametrize("is_trusted", [True, False])
def test_certificate_must_be_trusted(is_trusted, tmp_path, monkeypatch):
    """The certificates that OpenSSL trusts decide whether a file is requested."""
    key, certificate = make_certificate()
    pem = tmp_path / "server.pem"
    pem.write_bytes(key + certificate)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(certificate if is_trusted else make_certificate()[1])
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    def serve(connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1000)
            secure.sendall(answer(b"hello"))

    with serve_connection(serve) as port:
        mirror = HttpMirror(f"https://127.0.0.1:{port}", time.monotonic)
        if is_trusted:
            assert mirror.fetch(PATH, 10) == b"hello"
        else:
            with pytest.raises(MirrorUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                mirror.fetch(PATH, 10)
        mirror.close()


def make_certificate():
    """Return key and self-signed certificate of 127.0.0.1, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mirror")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(pem)


def test_mirror_urls() -> None:
    """A URL has a scheme, a host and a port; Host is written as phones write it."""
    for url, host in (
        ("http://updates.example", "updates.example"),
        ("http://updates.example/", "updates.example"),
        ("http://updates.example:80", "updates.example"),
        ("https://updates.example:443", "updates.example"),
        ("https://updates.example:80", "updates.example:80"),
        ("http://[::1]:8080", "[::1]:8080"),
    ):
        with case(url):
            assert HttpMirror(url, time.monotonic)._address.authority == host
    for url in (
        "ftp://updates.example",
        "http://",
        "http://user@updates.example",
        "http://updates .example",
        "http://" + "a" * 64 + ".example",
        "http://updates.example/mirror",
        "http://updates.example?x",
        "http://updates.example#x",
        "http://updates.example:99999",
        "http://updates.example:x",
        "http://[::1",
        "http://upd\u00e4tes.example",
        "http://updates.example\r\nX: y",
    ):
        with case(url), pytest.raises(SignerError):
            HttpMirror(url, time.monotonic)


@given(st.text(max_size=40) | st.text("a1.:/?#@[] \u00e4\n", max_size=30).map("http://".__add__))
def test_arbitrary_urls(url):
    """A URL is valid, or refused with a SignerError."""
    with contextlib.suppress(SignerError):
        HttpMirror(url, time.monotonic)
        assert url.isascii()
        assert re.fullmatch(r"https?://[^/?#@\s]+/?", url)


class FakeSocket:
    """A connection that has received all its data."""

    def __init__(self, data):
        self.data = data

    def recv(self, size):
        """Return the rest of the data."""
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def sendall(self, data):
        """Accept a request."""

    def settimeout(self, seconds):
        """Accept a timeout."""

    def close(self):
        """Close the connection."""


@settings(max_examples=300)
@given(
    st.binary(max_size=200)
    | st.binary(max_size=100).map(b"HTTP/1.1 200 OK\r\n".__add__)
    | st.binary(max_size=100).map(answer)
    | st.binary(max_size=100).map(lambda data: answer(data, "Content-Encoding: gzip"))
)
def test_arbitrary_answers(content):
    """Any response gives at most the limit of bytes, or one of the mirror's errors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_connection", lambda *_arguments: FakeSocket(content))
        mirror = HttpMirror("http://updates.example", time.monotonic)
        with contextlib.suppress(AnswerError, MirrorUnavailableError):
            assert len(mirror.fetch(PATH, 50) or b"") <= 50
