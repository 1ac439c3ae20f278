"""A unique word is sent in every position of a request, and all output of the server is searched.

Real servers run: one process, and two workers with TLS. Workers are killed and replaced, and both
servers are stopped while requests are unfinished. The number in a word shows its position.
"""

import base64
import contextlib
import itertools
import os
import re
import signal
import socket
import ssl
import struct
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from server.http.requests import READ, REFUSED, TOLERATED
from tests.patience import PATIENCE, until
from tests.ports import free_port
from tests.program_runner import Started
from tests.server.device.test_answer import PACKAGE
from tests.server.processes.service import children
from tests.server.release.certificate import write_certificate

PATH = b"/metadata/timestamp.json"
STEM = "canary"
NUMBER = b"471147114711"  # for positions that accept digits only
ADDRESS = "127.0.47.11"  # source address of these clients
WAYS = {
    "one process": (),
    "workers with TLS": (
        *("--workers", "2", "--tls-cert", "cert.pem", "--tls-key", "key.pem"),
        *("--public-url", "https://127.0.0.1:1"),
    ),
}
words = (f"{STEM}{number:04d}" for number in itertools.count())


def word():
    """Return a unique word."""
    return next(words).encode()


def head(*lines, method=b"GET", path=PATH, version=b"HTTP/1.1", host=b"a"):
    """Return the bytes of a request."""
    first = b" ".join([method, path, version])
    return b"\r\n".join([first, b"Host: " + host, *lines, b"", b""])


FORMS_OF_A_VALUE = (b"%s", b"\0%s", b'"%s"', b"a, %s;q=1", b"%s" * 400, b"\xe9%s", b"a\r\n %s")


def whole(values=FORMS_OF_A_VALUE):
    """Yield requests with words in every position, some followed by further bytes.

    Each header is sent with each form of a value.
    """
    yield head(method=word())
    yield head(method=word().upper())
    yield head(version=word())
    yield head(version=b"HTTP/1." + NUMBER)
    yield head(host=word() + b".example")
    yield head(host=b"a:" + NUMBER)
    yield head(host=word() + b"@a")
    for form in (
        *(b"/%s", b"/metadata/1.%s.json", b"/log/proof/%s.1", b"/log/tile/0/%s", b"/metadata/%s"),
        *(PATH + b"?%s", PATH + b"#%s", b"http://%s" + PATH, b"%s"),
        *(b"/targets/%s/id/stable/" + b"0" * 64 + b".a.zip", b"/%%2e%s", b"/../%s", b"*%s"),
        *(b"/targets/armani/id/stable/" + b"0" * 64 + b".%s.zip",),
    ):
        yield head(path=form % word())
        yield head(path=form % word(), method=b"HEAD")
        yield head(b"User-Agent: " + word(), path=form % (word() * 300))
    yield head(path=b"/metadata/%s.armani.json" % NUMBER)
    for name in sorted(READ | TOLERATED | REFUSED | {b"x-imei", b"x-forwarded-for", b"sec-a"}):
        title = name.title()
        for value in values:
            count = value.count(b"%s")
            yield head(title + b": " + value % tuple(word() for _ in range(count)))
        yield head(title + b": " + NUMBER)
        yield head(name + word() + b": a")
    for line in (word(), word() + b": a", b" " + word() + b": a", b"A " + word() + b": a"):
        yield head(line)
    yield head(b"Range: bytes=" + NUMBER + b"-", path=PACKAGE.encode())
    yield head(b"User-Agent: " + word(), path=PACKAGE.encode())  # its blob is missing: server error
    yield head(b"Content-Length: 10") + word()
    yield head(b"Transfer-Encoding: chunked") + b"a\r\n" + word() + b"\r\n0\r\nX: " + word()
    yield head() + word() + b"\r\n\r\n"
    yield head() + head(path=b"/" + word()) + head(b"Cookie: " + word()) + head(path=b"/" + word())
    yield head(b"Connection: close") + word() + b"\r\n\r\n"
    yield head(b"Connection: Upgrade, " + word(), b"Upgrade: h2c") + word()
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + word()
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + word() + b"\r\n\r\n"
    yield word() + b"\r\n\r\n"


def unfinished():
    """Yield beginnings of requests that are never completed."""
    yield b"GET /" + word()
    yield head(b"User-Agent: " + word())[:-2]
    yield head(b"X-" + word() + b": a")[:-4]
    yield head() + head(b"Accept: " + word())[:-3]
    yield head(b"Content-Length: 100") + word()
    yield word()


@dataclass
class Running:
    """A server, the folder to which it may write, and connections with unfinished requests."""

    process: Started
    folder: Path
    port: int
    metrics_port: int
    context: ssl.SSLContext | None
    half: list

    def connect(self, name=STEM):
        """Connect from an address that is a canary, too; with TLS send the server name."""
        plain = socket.create_connection(
            ("127.0.0.1", self.port), timeout=PATIENCE, source_address=(ADDRESS, 0)
        )
        if self.context is None:
            return plain
        return self.context.wrap_socket(plain, server_hostname=name)

    def exchange(self, data, cut=None):
        """Send bytes, in two packets if `cut` is given, and read until the server closes."""
        answer = b""
        with (
            self.connect(word().decode()) as connection,
            contextlib.suppress(ConnectionError, ssl.SSLError),
        ):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(data[:cut])
            if cut is not None:
                connection.sendall(data[cut:])
            connection.sendall(b"\0\r\n\r\n")  # the request is refused, which closes the connection
            while piece := connection.recv(65536):
                answer += piece
        return answer


@pytest.fixture(scope="module")
def servers(published_state, programs, tmp_path_factory):
    """Run a server of each kind, each with unfinished requests on several connections."""
    with contextlib.ExitStack() as stack:
        running = {}
        for name, options in WAYS.items():
            folder = tmp_path_factory.mktemp("kept")
            world = published_state.copy(folder / "state")
            running[name] = start(world, programs, folder, options, stack)
        yield running


def start(world, programs, folder, options, stack):
    """Start a server that writes only below `folder`; the blobs that it lists are missing."""
    (folder / "tmp").mkdir()
    certificate, _, _ = write_certificate(folder)
    context = None
    if options:
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        context.set_alpn_protocols([STEM])
    metrics_port = free_port()
    ports = ("--port", "0", "--metrics-port", str(metrics_port))
    names = [str(folder / each) if each.endswith(".pem") else each for each in options]
    output = stack.enter_context((folder / "output").open("wb"))
    process = stack.enter_context(
        programs.start(
            *("hening-server", "run", "--state", world.folder.root, *ports, *names),
            output=output,
            environment={"TMPDIR": str(folder / "tmp"), "HOME": str(folder)},
        )
    )
    stack.callback(process.kill)
    address = process.stdout.readline()
    for blob in world.folder.blobs.rglob("*"):
        if blob.is_file():
            blob.unlink()
    (folder / "stdout").write_text(address)
    server = Running(process, folder, int(address.rpartition(":")[2]), metrics_port, context, [])
    for data in unfinished():
        connection = stack.enter_context(server.connect(word().decode()))
        connection.sendall(data)
        server.half.append(connection)
    return server


#: The stem, unchanged and in the forms in which programs escape it.
FORMS = (
    *(STEM.encode(), STEM.upper().encode(), STEM.encode().hex().encode(), NUMBER),
    base64.b64encode(STEM.encode()),
    ADDRESS.encode(),
    socket.inet_aton(ADDRESS).hex().encode(),
)
FOUND = re.compile(rb"(?:%s)\d*" % b"|".join(map(re.escape, FORMS)), re.IGNORECASE)


@pytest.mark.parametrize("way", WAYS)
def test_no_canary_is_kept(servers, way):
    """Answers, output, metrics, state and temporary files have no canary, also after kills."""
    server = servers[way]
    answers = [server.exchange(data) for data in whole()]
    # The point at which a request is split does not depend on the form of a value.
    answers += [server.exchange(data, len(data) // 2) for data in whole([b"%s"])]
    assert {b" 200 ", b" 400 ", b" 404 ", b" 500 "} <= {
        match[0] for answer in answers for match in re.finditer(rb" \d{3} ", answer[:20])
    }
    for data in whole([b"%s"]):
        with server.connect(word().decode()) as connection:
            connection.sendall(data)
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    for connection in server.half:  # closed, perhaps after answers to earlier requests
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := connection.recv(65536):
                answers.append(piece)
    if way != "one process":
        disturb(server)
    with urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=PATIENCE) as response:
        answers.append(response.read())
    server.process.terminate()
    assert server.process.wait(PATIENCE) == 0
    answers.append(server.process.stdout.read().encode())
    assert [match[0] for answer in answers for match in FOUND.finditer(answer)] == []
    assert search(server.folder) == []
    assert b"Traceback" not in (server.folder / "output").read_bytes()


def disturb(server):
    """Kill a worker and then replace all workers, while canaries are in their buffers."""
    pid = server.process.pid
    first = children(pid)
    half = [server.connect(word().decode()) for _ in range(16)]
    fallen_back = head().replace(b"Host: ", b"Host:")  # aiohttp answers it, and what follows
    for before, connection in zip((b"", fallen_back) * 8, half, strict=True):
        connection.sendall(before + head(b"User-Agent: " + word())[:-2])
    os.kill(first[0], signal.SIGKILL)
    until(lambda: len(set(children(pid)) - {first[0]}) == len(first))
    second = children(pid)
    server.process.send_signal(signal.SIGHUP)
    for connection in half:
        connection.close()
    until(lambda: not set(second) & set(children(pid)))
    assert server.exchange(head(b"User-Agent: " + word())).startswith(b"HTTP/1.1 200 ")


def search(folder):
    """Return every canary in the names and contents of files below a folder."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        names = str(path.relative_to(folder)).encode()
        found += [(path, match[0]) for match in FOUND.finditer(names + b"\n" + content)]
    return found
