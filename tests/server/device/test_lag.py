"""A node that lags waits for a file of the next version, and for no other."""

import contextlib
import threading
import time

import pytest

from server.device.answer import Served, make_served
from server.device.plane import DevicePlane
from server.http.counts import Counts
from server.http.requests import GateMode
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE
from tests.server.device.served import HOST, serve_plane
from tests.server.device.test_answer import PACKAGE
from tests.server.world import PACKAGE_2

NEXT = "/metadata/3.armani.json"
GZIP = b"Accept-Encoding: gzip"


def answers_of(world):
    """Return the answers that a node with a world's public tree serves."""
    return make_served(world.snapshot(), (HOST,), GateMode.DIRECT, Served())


@contextlib.contextmanager
def lagging(world, lag):
    """Serve a world's current state from a node that waits up to `lag` seconds."""
    blobs = LocalBlobs(world.folder.blobs)
    plane = DevicePlane(blobs, Counts(), GateMode.DIRECT, time.time, lag=lag)
    plane.show(answers_of(world))
    with serve_plane(plane) as served:
        yield served


@pytest.mark.parametrize("path", [NEXT, "/log/proof/armani.3"])
def test_request_waits_for_the_next_version(world, path):
    """A request for the next version is answered when its snapshot arrives."""
    with lagging(world, PATIENCE) as served:
        found = []
        thread = threading.Thread(target=lambda: found.append(served.get(path, GZIP)))
        thread.start()
        while served.plane.counts.connections < 1:
            threading.Event().wait(0.01)
        assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
        served.loop.call_soon_threadsafe(served.plane.show, answers_of(world))
        thread.join(PATIENCE)
        assert found[0].status == 200


def test_request_gives_404_after_the_lag(world):
    """If the next version does not arrive, the answer is 404 after the lag."""
    with lagging(world, 0.05) as served:
        assert served.get(NEXT, GZIP).status == 404
        assert served.get(NEXT, b"Accept: */*", method="HEAD").status == 404


def test_other_requests_do_not_wait(world):
    """Other requests are answered immediately, including that for the next root."""
    with lagging(world, 10 * PATIENCE) as served:
        for path, status in (
            ("/metadata/2.root.json", 404),
            ("/metadata/timestamp.json", 200),
            (PACKAGE, 200),
            ("/metadata/0.armani.json", 400),
        ):
            for line in (GZIP, b"Accept: */*"):  # a phone's bytes, and another client's
                assert served.get(path, line).status == status
