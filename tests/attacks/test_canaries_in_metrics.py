"""Canaries are sent in every field of a request: none appears in a metric.

`test_canary_positions` searches everything else.
"""

from tests.server.device.served import serve
from tests.server.device.test_answer import PACKAGE

CANARY = "canary4711"
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


def test_metrics_have_no_canary(published_state):
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
