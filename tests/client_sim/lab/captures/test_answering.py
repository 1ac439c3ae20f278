"""What the recording server says to whole, cut and wrong requests, and from which metadata."""

import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.answering import (
    encode_answer,
    find_request,
    load_source,
    nothing,
    plan_answer,
)
from client_sim.lab.captures.requests import HttpRequest
from client_sim.lab.errors import EnvironmentFailedError, LabError
from fixtures.captures import POLL, miui_update

CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


def test_a_request_is_found_when_it_is_whole():
    """Not a byte before, and what follows is left for the next."""
    for data in (POLL[0], miui_update(), CHUNKED):
        for end in range(len(data)):
            assert find_request(data[:end]) is True
        assert find_request(data).end == len(data)
        assert find_request(data + POLL[1]).end == len(data)


def test_what_will_never_be_a_request():
    """It is answered with 400."""
    for data in (b"\x16\x03\x01\r\n\r\n", b"hello\r\n\r\n", b"x" * 65_536):
        assert find_request(data) is False


@given(st.binary(max_size=100))
def test_any_bytes_are_a_request_or_not(data):
    """Nothing is raised."""
    for start in (b"", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", b"GET / HTTP/1.1\r\n"):
        found = find_request(start + data)
        assert isinstance(found, bool | HttpRequest)


def answer(data, bodies=()):
    """Answer a request."""
    return plan_answer(find_request(data), dict(bodies).get)


def test_there_is_nothing_new():
    """404 for the next root, the timestamp that there is, 404 for all else."""
    bodies = {"/metadata/timestamp.json": b"{}"}
    assert answer(POLL[0], bodies).data.startswith(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0")
    told = answer(POLL[1], bodies)
    assert (told.status, told.closes) == (200, False)
    assert told.data.endswith(b"\r\n\r\n{}")
    assert answer(miui_update(), bodies).status == 404


def test_nothing_else_is_looked_up():
    """No path leads out of the folder, and no package is given away."""
    for target in (
        b"/metadata/../x",
        b"/metadata/.x",
        b"/metadata//x",
        b"/targets/x.zip",
        b"/metadata/%2e",
        b"/",
    ):

        def load(path):
            raise AssertionError(path)

        request = find_request(b"GET " + target + b" HTTP/1.1\r\n\r\n")
        assert plan_answer(request, load).status == 404


def test_a_head_has_no_body_and_old_clients_are_left():
    """HTTP/1.0, and who asks for it, is closed."""
    bodies = {"/metadata/timestamp.json": b"{}"}
    head = answer(POLL[1].replace(b"GET", b"HEAD"), bodies)
    assert head.data.endswith(b"\r\n\r\n")
    assert b"Content-Length: 2\r\n" in head.data
    assert answer(POLL[0].replace(b"HTTP/1.1", b"HTTP/1.0")).closes
    assert answer(b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").closes
    assert b"\r\nConnection: close\r\n" in encode_answer(400, b"", closes=True).data


@pytest.fixture
def published(tmp_path):
    """Write what a server publishes."""
    folder = tmp_path / "public"
    (folder / "metadata").mkdir(parents=True)
    (folder / "metadata" / "timestamp.json").write_bytes(b'{"a":1}')
    return folder


@pytest.fixture
def url(published):
    """Serve it."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=published)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_is_there_is_given_and_nothing_else(published, url):
    """The same bytes from both."""
    for kind in ("folder", "server"):
        load = load_source(str(published) if kind == "folder" else url)
        assert load("/metadata/timestamp.json") == b'{"a":1}'
        assert load("/metadata/2.root.json") is None
        assert nothing("/metadata/timestamp.json") is None


def test_a_place_without_a_timestamp_is_refused(tmp_path, url):
    """At the start, not when a client asks."""
    with pytest.raises(LabError, match=r"has no /metadata/timestamp\.json"):
        load_source(str(tmp_path))
    with pytest.raises(LabError, match=r"has no /metadata/timestamp\.json"):
        load_source(f"{url}elsewhere")
    with pytest.raises(LabError, match="no URL of a server"):
        load_source("ftp://updates.example.org")
    with pytest.raises(EnvironmentFailedError, match="start it first"):
        load_source("http://127.0.0.1:1")
