"""The plane of the dialects on a real socket, in a thread with its own loop."""

from server.compat.plane import CompatPlane
from server.compat.rendering import Rendered
from server.http.counts import Counts
from server.processes.delta import make_lists
from tests.server.device.served import serve_plane


def serve_contents(options, contents, blobs, *, changes=(), clock=lambda: 0.0, tls=None):
    """Serve a map during the block; `clock` returns epoch seconds."""
    plane = CompatPlane(options, blobs, Counts(), clock)
    plane.serve(make_lists(Rendered(contents=contents, changes=tuple(changes))))
    return serve_plane(plane, tls=tls)
