"""What a phone polls: recorded from the real client, which other loads repeat."""

import gzip
import time

from benchmarks.device.wire import HOST, ask, request
from client_sim.fleet.response_learner import record_idle_poll
from client_sim.fleet.target import Target


def idle_poll(port: int) -> tuple[str, ...]:
    """Return the paths of a poll of our server that finds nothing new, in order."""
    came = ask(port, request(port, "/metadata/1.root.json"))
    root = gzip.decompress(came.body) if "content-encoding" in came.fields else came.body
    return record_idle_poll(Target(HOST, port, HOST, tls=False, root=root), time.time())
