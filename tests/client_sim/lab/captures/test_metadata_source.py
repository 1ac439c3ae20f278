"""Metadata from a folder and from a server."""

import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from client_sim.lab.captures.metadata_source import load_source, nothing
from client_sim.lab.errors import LabError, SurroundingsError


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


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_what_is_there_is_given_and_nothing_else(kind, published, url):
    """The same bytes from both."""
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


def test_a_server_that_does_not_answer_is_a_failure_of_the_surroundings():
    """The sentence says what to do."""
    with pytest.raises(SurroundingsError, match="start it first"):
        load_source("http://127.0.0.1:1")
