"""`hening-device compat`: the offer of an app, as text and as JSON."""

import http.server
import json
import threading

import pytest
from click.testing import CliRunner

from client_sim.cli import cli, find_status
from client_sim.compat.errors import AwayError, DialectError
from server.compat.dialects import DIALECTS
from tests.server.compat.models import FROM, make_model, make_shelf


@pytest.fixture
def address():
    """Serve the lists of two models, one of which has no offer."""
    pages = {}
    for name in ("lineage1", "graphene"):
        pages |= DIALECTS[name].lists(make_model(), FROM)
        pages |= DIALECTS[name].lists(make_model(make_shelf(None), device="FP5"), FROM)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            body = b"" if page is None else page.body
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run(*words):
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["compat", *map(str, words)])


def test_an_offer(address):
    """The offer is printed as text and as JSON."""
    phone = ("--device", "FP4", "--channel", "nightly", "--version", "22.1")
    done = run("lineage1", address, *phone)
    assert done.exit_code == 0
    assert done.output.startswith("The app would offer armani-3.zip\n  version   22.1\n")
    assert "\n  datetime  2026-01-01 00:00:03 UTC\n" in done.output
    value = json.loads(run("lineage1", address, *phone, "--json").output)
    assert (value["dialect"], value["fetched"]) == ("lineage1", "")
    assert value["offer"]["name"] == "armani-3.zip"
    value = json.loads(run("graphene", address, *phone, "--incremental", "1.2", "--json").output)
    assert value["offer"]["url"].endswith("/graphene/FP4-incremental-1.2-1.3.zip")
    assert value["offer"]["fallback"].endswith("/graphene/FP4-ota_update-1.3.zip")


def test_no_offer(address):
    """No offer is not an error."""
    done = run("graphene", address, "--device", "FP5", "--channel", "nightly")
    assert (done.exit_code, done.output) == (0, "The app would offer nothing to FP5.\n")


def test_exit_statuses(address):
    """A refusal is 1, a server without an answer 3, Custota without a certificate 2."""
    done = run("graphene", address, "--device", "FP6", "--channel", "nightly")
    assert isinstance(done.exception, DialectError)
    assert find_status(done.exception) == 1
    done = run("graphene", "http://127.0.0.1:9", "--device", "FP4", "--channel", "nightly")
    assert isinstance(done.exception, AwayError)
    assert find_status(done.exception) == 3
    assert run("custota", address, "--device", "FP4").exit_code == 2
