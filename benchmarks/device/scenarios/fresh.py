"""Polls over a new connection each."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import ClosedSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report
from benchmarks.device.rounds import alternate, ratio
from benchmarks.device.scenarios.columns import COLUMNS, rate_rows
from benchmarks.device.state import TIMESTAMP
from benchmarks.device.wire import phone_request

PEERS = ("nginx", "nginx, tcp_nopush", "nginx, sendfile off", "granian")


def one(lab: Lab) -> Report:
    """Measure connections that request only the timestamp."""
    title = "A new connection for each question"
    return _measure(lab, "fresh", title, lambda server: [_timestamp(server)])


def whole(lab: Lab) -> Report:
    """Measure a phone's polls: request the next root, then the timestamp, then close."""
    title = "A phone's whole poll: connect, next root, timestamp, close"
    return _measure(lab, "fresh-whole", title, lab.poll)


def _timestamp(server: Server) -> str:
    return phone_request(server.port, TIMESTAMP).decode()


def _measure(lab: Lab, name: str, title: str, make: Callable[[Server], list[str]]) -> Report:
    def run(server: Server) -> Measured:
        spec = ClosedSpec(
            port=server.port,
            seconds=lab.seconds,
            watch=server.pids,
            requests=make(server),
            keep=False,
        )
        return lab.run("closed", spec)

    with ExitStack() as stack:
        servers = lab.start(stack, *PEERS)
        runs = {name: partial(run, server) for name, server in servers.items()}
        results = alternate(runs, lab.rounds, lab.tell)
    value = ratio(results, "hening", "nginx", lambda measured: measured.per_cpu)
    claims = [Claim(title.lower(), value, 0.9, "of nginx per CPU second")]
    return Report(name, title, COLUMNS, rate_rows(results), claims)
