"""Canaries in every field of a request: none appears in a log, a metric or an answer."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.server.device.served import Served, serve
from tests.server.device.test_answers import PACKAGE

CANARY = "canary4711"
ROOT = Path(__file__).parents[2]
HEADERS = [
    *("Host", "Accept-Encoding", "Range", "If-Range", "If-None-Match", "Accept", "User-Agent"),
    *("Accept-Language", "Referer", "Via", "Cookie", "Authorization", "Content-Type", "Expect"),
    *("If-Modified-Since", "X-Imei", "Sec-Canary", "Transfer-Encoding", "Upgrade", "Connection"),
]


def requests():
    """Yield requests with a canary in every field, well-formed or not."""
    path = "/metadata/timestamp.json"
    for line in (
        f"GET /{CANARY} HTTP/1.1",
        f"GET {path}?{CANARY} HTTP/1.1",
        f"GET /metadata/1.{CANARY}.json HTTP/1.1",
        f"GET /log/proof/{CANARY}.1 HTTP/1.1",
        f"GET /targets/{CANARY}/id/stable/{'0' * 64}.a.zip HTTP/1.1",
        f"{CANARY} {path} HTTP/1.1",
        f"GET {path} {CANARY}",
        f"GET http://{CANARY}{path} HTTP/1.1",
        f"GET /{CANARY * 500} HTTP/1.1",
        f"GET {PACKAGE} HTTP/1.1",
    ):
        yield f"{line}\r\nHost: {CANARY}.example\r\nUser-Agent: {CANARY}\r\n\r\n".encode()
    for name in HEADERS:
        host = "" if name == "Host" else "Host: a\r\n"
        for value in (CANARY, f"\0{CANARY}", CANARY * 500):
            yield f"GET {path} HTTP/1.1\r\n{host}{name}: {value}\r\n\r\n".encode()
    yield f"GET {path} HTTP/1.1\r\nHost: a\r\n{CANARY}: 1\r\n\r\n".encode()
    yield f"GET {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{CANARY}".encode()


@pytest.fixture
def process(world):
    """Run the real server with metrics, and collect everything it prints."""
    command = [sys.executable, "-c", "from server.cli import main; main()", "run"]
    with subprocess.Popen(
        [*command, "--state", str(world.folder.root), "--port", "0", "--metrics-port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        port = int(server.stdout.readline().rpartition(":")[2])
        # A request for a package whose blob is missing is a failure of the server.
        for blob in world.folder.blobs.rglob("*"):
            if blob.is_file():
                blob.unlink()
        yield server, Served(port, None, None)
        server.kill()


def test_nothing_of_a_request_is_printed(process, world):
    """Stdout, stderr and answers, a provoked 500 included, repeat no canary."""
    server, served = process
    answers = [
        served.exchange(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        for data in requests()
    ]
    assert any(b" 500 " in answer for answer in answers)
    assert any(b" 200 " in answer for answer in answers)
    assert CANARY.encode() not in b"".join(answers)
    server.terminate()
    out, err = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0
    assert CANARY not in out + err
    assert "127.0.0.1" not in err.replace('"host": "127.0.0.1"', "")
    assert "Traceback" not in err
    for path in world.folder.root.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


def test_metrics_hold_counts_by_closed_labels_only(published_state):
    """The metrics have statuses and reasons, but no time of a single request."""
    with serve(published_state.folder) as served:
        before = served.metrics()
        for data in requests():
            served.exchange(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        after = served.metrics()
    assert CANARY not in after

    def shape(text):
        return [line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"]

    def times(text):
        return [line for line in text.splitlines() if "_created" in line]

    assert shape(before) == shape(after)
    assert times(before) == times(after)
