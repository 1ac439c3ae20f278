"""Good polls over TLS during floods of handshakes, of hening and nginx."""

from contextlib import ExitStack
from functools import partial

from benchmarks.device.crowd import crowd
from benchmarks.device.lab import Lab, finish
from benchmarks.device.load.spec import CrowdSpec, HandshakeSpec, Kind, OpenSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report
from benchmarks.device.rounds import Rounds, alternate, median, ratio

HALF_OPEN = 5_000
GOOD = 200.0  # polls a second, each over a new connection
MORE_SECONDS = 2.0  # of the flood, before and after the measurement
# The beginning of a ClientHello: a record of 292 bytes, a version, the first bytes of its random.
HELLO = "\x16\x03\x01\x01\x24\x01\x00\x01\x20\x03\x03" + "h" * 21
KINDS = {
    "undisturbed": (False, False),
    "half-open": (True, False),
    "handshakes": (False, True),
    "both": (True, True),
}
COLUMNS = ["good polls per second", "p50 ms", "p99 ms", "server's cores", "failed"]


def flood(lab: Lab) -> Report:
    """Measure good polls beside half-open connections, and beside clients that then leave."""
    with ExitStack() as stack:
        servers, authority = lab.start_tls(stack, "nginx")
        rates = {name: _handshakes(lab, authority, each) for name, each in servers.items()}
        runs = {
            f"{name}, {kind}": partial(
                _run, lab, authority, server, rates[name] / 2 if is_flooded else 0.0, is_slow
            )
            for name, server in servers.items()
            for kind, (is_slow, is_flooded) in KINDS.items()
        }
        results = alternate(runs, lab.rounds, lab.tell)
    rows = [
        (
            variant,
            [
                median(measured, lambda run: run.rate),
                median(measured, lambda run: run.latencies["p50"]),
                median(measured, lambda run: run.latencies["p99"]),
                median(measured, lambda run: run.cores),
                float(sum(run.failed for run in measured)),
            ],
        )
        for variant, measured in results.items()
    ]
    claims = [
        Claim(f"good polls beside TLS floods, {kind}", _kept(results, kind), 0.99, "of nginx's")
        for kind in list(KINDS)[1:]
    ]
    said = ", ".join(f"{name} {rate / 2:,.0f}" for name, rate in rates.items())
    title = f"{GOOD:.0f} polls a second over TLS beside floods; handshakes a second: {said}"
    return Report("flood", title, COLUMNS, rows, claims)


def _kept(results: Rounds, kind: str) -> float | None:
    """Return the share of good polls that is answered, as a ratio to nginx's share."""
    ours, theirs = (
        ratio(results, f"{name}, {kind}", f"{name}, undisturbed", lambda run: run.rate)
        for name in ("hening", "nginx")
    )
    return None if ours is None or theirs is None else ours / theirs


def _handshakes(lab: Lab, authority: str, server: Server) -> float:
    """Return the server's handshakes per CPU second, with clients that end after the handshake."""
    spec = HandshakeSpec(
        port=server.port, seconds=lab.seconds, watch=server.pids, authority=authority
    )
    measured = lab.run("handshakes", spec)
    # Not per second: the clients share a core, and the server may have been idle for some time.
    return measured.done / measured.cpu


def _run(lab: Lab, authority: str, server: Server, rate: float, is_slow: bool) -> Measured:
    with ExitStack() as stack:
        known = []
        if is_slow:
            slow = CrowdSpec(
                port=server.port,
                seconds=0,
                request=HELLO,
                connections=round(HALF_OPEN * lab.scale),
                kind=Kind.SLOW,
            )
            known.append(stack.enter_context(crowd(lab, slow)).pid)
        if rate:
            shake = HandshakeSpec(
                port=server.port,
                seconds=lab.seconds + MORE_SECONDS,
                authority=authority,
                rate=rate,
            )
            load = lab.begin("handshakes", shake)
            stack.callback(finish, load)
            known.append(load.pid)
        good = OpenSpec(
            port=server.port,
            seconds=lab.seconds,
            watch=server.pids,
            known=known,
            requests=lab.poll(server),
            rate=GOOD,
            urgent=True,
            authority=authority,
        )
        return lab.run("open", good)
