"""The recording server's answers to complete, incomplete and malformed requests."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.answers import (
    encode_answer,
    find_request,
    load_nothing,
    load_source,
    plan_answer,
)
from client_sim.lab.captures.requests import HttpRequest
from client_sim.lab.errors import EnvironmentFailedError, LabError
from fixtures.captures import POLL, miui_update

CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


def test_find_request():
    """A request is found at its last byte; other protocols are refused."""
    for data in (POLL[0], miui_update(), CHUNKED):
        for end in range(len(data)):
            assert find_request(data[:end]) is True
        assert find_request(data).end == len(data)
        assert find_request(data + POLL[1]).end == len(data)
    for data in (b"\x16\x03\x01\r\n\r\n", b"hello\r\n\r\n", b"x" * 65_536):
        assert find_request(data) is False


@given(st.binary(max_size=100))
def test_find_request_in_arbitrary_bytes(data):
    """Arbitrary bytes raise no exception."""
    for start in (b"", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", b"GET / HTTP/1.1\r\n"):
        found = find_request(start + data)
        assert isinstance(found, bool | HttpRequest)


def plan(data, bodies=()):
    """Plan the answer to a request."""
    return plan_answer(find_request(data), dict(bodies).get)


def test_answers_without_news():
    """The timestamp is served; the next root and all other paths are 404.

    HEAD has no body. The connection is closed with HTTP/1.0, and if the client asks for that.
    """
    bodies = {"/metadata/timestamp.json": b"{}"}
    assert plan(POLL[0], bodies).data.startswith(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0")
    timestamp = plan(POLL[1], bodies)
    assert (timestamp.status, timestamp.closes) == (200, False)
    assert timestamp.data.endswith(b"\r\n\r\n{}")
    assert plan(miui_update(), bodies).status == 404
    head = plan(POLL[1].replace(b"GET", b"HEAD"), bodies)
    assert head.data.endswith(b"\r\n\r\n")
    assert b"Content-Length: 2\r\n" in head.data
    assert plan(POLL[0].replace(b"HTTP/1.1", b"HTTP/1.0")).closes
    assert plan(b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").closes
    assert b"\r\nConnection: close\r\n" in encode_answer(400, b"", closes=True).data
    for target in ("/metadata/../x", "/metadata/.x", "/metadata//x", "/metadata/%2e", "/targets/x"):
        request = find_request(f"GET {target} HTTP/1.1\r\n\r\n".encode())
        assert plan_answer(request, lambda _path: b"a private file").status == 404


@pytest.fixture
def url(tmp_path):
    """Serve a folder and return its URL."""
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_sources_of_metadata(tmp_path, url):
    """A folder and a URL give the same bytes; a source without a timestamp is refused."""
    for place in (str(tmp_path), url):
        with pytest.raises(LabError, match=r"has no /metadata/timestamp\.json"):
            load_source(place)
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "timestamp.json").write_bytes(b'{"a":1}')
    for place in (str(tmp_path), url):
        load = load_source(place)
        assert load("/metadata/timestamp.json") == b'{"a":1}'
        assert load("/metadata/2.root.json") is None
    assert load_nothing("/metadata/timestamp.json") is None
    with pytest.raises(LabError, match="not a server URL"):
        load_source("ftp://updates.example.org")
    with pytest.raises(EnvironmentFailedError, match="start it first"):
        load_source("http://127.0.0.1:1")
