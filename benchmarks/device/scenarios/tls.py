"""TLS 1.3 as phones use it: a connection for each poll, without tickets or resumption.

hening is compared with nginx, with the same certificate (P-256) and protocol settings.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmarks.device.lab import Lab, finish
from benchmarks.device.load.spec import ClosedSpec, OpenSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report
from benchmarks.device.rounds import Rounds, alternate, median, ratio
from benchmarks.device.scenarios import downloads as plain
from benchmarks.device.scenarios.columns import COLUMNS, rate_rows
from benchmarks.device.state import MIB, TIMESTAMP
from benchmarks.device.wire import phone_request

SETTINGS = ("nginx", "nginx, tcp_nopush")
EDGE = "nginx cache before hening"
PROBES = 200.0  # polls per second during the downloads
Run = Callable[[Lab, str, Server], Measured]


def polls(lab: Lab, peers: tuple[str, ...] = (*SETTINGS, EDGE)) -> Report:
    """Measure polls: connect, handshake, request the next root and the timestamp, close."""
    results = _measure(lab, peers, partial(_ask, keep=False))
    cost = ratio(results, "hening", "nginx", lambda run: 1 / run.per_cpu)
    claims = [Claim("a whole TLS poll to nginx", cost, 1.1, "CPU", at_least=False)]
    title = "A phone's whole poll over TLS: connect, next root, timestamp, close"
    return Report("tls-poll", title, COLUMNS, rate_rows(results), claims)


def kept(lab: Lab) -> Report:
    """Measure polls over kept TLS connections, as edges use them."""
    results = _measure(lab, (*SETTINGS, EDGE), partial(_ask, keep=True))
    found = ratio(results, "hening", "nginx", lambda run: run.per_cpu)
    claims = [Claim("polls over kept TLS connections to nginx", found, 1.0, "per CPU second")]
    title = "Polls over kept TLS connections"
    return Report("tls-kept", title, COLUMNS, rate_rows(results), claims)


def downloads(lab: Lab, connections: int) -> Report:
    """Measure clients that download and decrypt pieces of 16 MiB."""
    results = _measure(lab, SETTINGS, partial(_pull, connections=connections))
    claims = [
        Claim(
            f"{connections} TLS downloads to nginx",
            ratio(results, "hening", "nginx", lambda run: run.rate),
            0.9,
            "bytes per second",
        )
    ]
    name = "tls-single" if connections == 1 else "tls-downloads"
    title = f"{connections} clients over TLS, ranges of 16 MiB"
    return Report(name, title, plain.COLUMNS, plain.rows(results), claims)


def late(lab: Lab) -> Report:
    """Measure polls over kept TLS connections while 64 clients download over TLS."""
    results = _measure(lab, SETTINGS, _probe)
    ours, theirs = (
        median(results[name], lambda run: run.latencies["p99"]) if name in results else None
        for name in ("hening", "nginx")
    )
    more = None if ours is None or theirs is None else ours / theirs
    claims = [Claim("p99 beside TLS downloads to nginx", more, 1.0, "of nginx", at_least=False)]
    rows = [
        (name, [median(runs, partial(_latency, which)) for which in ("p50", "p99", "max")])
        for name, runs in results.items()
    ]
    title = f"{PROBES:.0f} polls a second while 64 clients download, all over TLS"
    return Report("tls-late", title, ["p50 ms", "p99 ms", "worst ms"], rows, claims)


def _measure(lab: Lab, peers: tuple[str, ...], run: Run) -> Rounds:
    with ExitStack() as stack:
        servers, authority = lab.start_tls(stack, *peers)
        runs = {name: partial(run, lab, authority, server) for name, server in servers.items()}
        return alternate(runs, lab.rounds, lab.tell)


def _ask(lab: Lab, authority: str, server: Server, *, keep: bool) -> Measured:
    spec = ClosedSpec(
        port=server.port,
        seconds=lab.seconds,
        watch=server.pids,
        requests=[phone_request(server.port, TIMESTAMP).decode()] if keep else lab.poll(server),
        keep=keep,
        authority=authority,
    )
    return lab.run("closed", spec)


def _pull(lab: Lab, authority: str, server: Server, connections: int = 64) -> Measured:
    return lab.run("pull", plain.pull_spec(lab, server, connections, 16 * MIB, authority))


def _probe(lab: Lab, authority: str, server: Server) -> Measured:
    pulls = lab.begin("pull", plain.pull_spec(lab, server, 64, 16 * MIB, authority))
    spec = OpenSpec(
        port=server.port,
        seconds=max(0.5, lab.seconds - 1),  # the downloads are under way before and after
        watch=server.pids,
        known=[pulls.pid],
        requests=[phone_request(server.port, TIMESTAMP).decode()],
        rate=PROBES,
        keep=True,
        connections=16,
        urgent=True,
        authority=authority,
    )
    try:
        return lab.run("open", spec)
    finally:
        finish(pulls)


def _latency(which: str, run: Measured) -> float:
    return run.latencies[which]
