"""The requests of a phone's poll, recorded from the real client for the loads to repeat."""

import gzip
import time

from benchmarks.device.wire import HOST, ask, request
from client_sim.fleet.response_learner import record_idle_poll
from client_sim.fleet.target import Target


def idle_poll(port: int) -> tuple[str, ...]:
    """Return the paths, in order, of a poll that finds nothing new on hening at `port`."""
    came = ask(port, request(port, "/metadata/1.root.json"))
    root = gzip.decompress(came.body) if "content-encoding" in came.fields else came.body
    return record_idle_poll(Target(HOST, port, HOST, tls=False, root=root), time.time())
