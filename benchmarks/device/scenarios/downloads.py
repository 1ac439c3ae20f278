"""Downloads: bytes per second, CPU per GB, and the latency of polls during downloads."""

from contextlib import ExitStack
from functools import partial

from benchmarks.device.lab import Lab, finish
from benchmarks.device.load.spec import OpenSpec, PullSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import Rounds, alternate, median, ratio
from benchmarks.device.state import MIB, TIMESTAMP
from benchmarks.device.wire import phone_request

GB = 1e9
PROBES = 500.0  # polls per second during the downloads
COLUMNS = ["GB per second", "CPU s per GB", "to nginx", "CPU to nginx", "server's cores"]


def single(lab: Lab) -> Report:
    """Measure one client that downloads the whole package repeatedly."""
    results = _measure(lab, ("nginx", "granian", "Flask, gunicorn"), 1, 0)
    claims = [Claim("one download to nginx", _rate(results), 1.0, "bytes per second")]
    title = f"One client, {lab.site.package_length // MIB:,} MiB at once"
    return Report("single", title, COLUMNS, rows(results), claims)


def blocks(lab: Lab, piece: int) -> Report:
    """Measure 64 clients that download pieces of `piece` MiB.

    Flask under gunicorn is not a peer: it serves only as many clients at a time as it has threads.
    """
    results = _measure(lab, ("nginx", "granian"), 64, piece * MIB)
    cpu = ratio(results, "hening", "nginx", lambda run: 1 / run.per_cpu)
    what = f"64 downloads of {piece} MiB to nginx"
    claims = [
        Claim(what, _rate(results), 1.2, "bytes per second"),
        Claim(what, cpu, 0.9, "CPU seconds per GB", at_least=False),
    ]
    title = f"64 clients, ranges of {piece} MiB"
    return Report(f"blocks-{piece}", title, COLUMNS, rows(results), claims)


def beside(lab: Lab) -> Report:
    """Measure polls while 64 clients download at full speed from the same process."""
    names = ("nginx", "nginx, its defaults")
    with ExitStack() as stack:
        servers = lab.start(stack, *names)
        runs = {name: partial(_probe, lab, server) for name, server in servers.items()}
        results = alternate(runs, lab.rounds, lab.tell)
    rows: list[Row] = [
        (
            name,
            [
                median(measured, lambda run: run.extra["bytes"] / GB),
                median(measured, lambda run: run.latencies["p50"]),
                median(measured, lambda run: run.latencies["p99"]),
                median(measured, lambda run: run.latencies["max"]),
            ],
        )
        for name, measured in results.items()
    ]
    p99 = median(results["hening"], lambda run: run.latencies["p99"])
    claims = [Claim("p99 of polls beside downloads", p99, 5.0, "ms", at_least=False)]
    columns = ["GB per second", "p50 ms", "p99 ms", "worst ms"]
    title = f"{PROBES:.0f} polls a second while 64 clients download"
    return Report("beside", title, columns, rows, claims)


def _measure(lab: Lab, peers: tuple[str, ...], connections: int, piece: int) -> Rounds:
    def run(server: Server) -> Measured:
        return lab.run("pull", pull_spec(lab, server, connections, piece))

    with ExitStack() as stack:
        servers = lab.start(stack, *peers)
        runs = {name: partial(run, server) for name, server in servers.items()}
        return alternate(runs, lab.rounds, lab.tell)


def pull_spec(
    lab: Lab, server: Server, connections: int, piece: int, authority: str = ""
) -> PullSpec:
    """Return the load of `connections` clients and `piece` bytes; over TLS with `authority`."""
    return PullSpec(
        port=server.port,
        seconds=lab.seconds,
        watch=server.pids,
        path=lab.site.package_url,
        length=lab.site.package_length,
        connections=connections,
        piece=min(piece, lab.site.package_length),
        authority=authority,
    )


def _probe(lab: Lab, server: Server) -> Measured:
    pulls = lab.begin("pull", pull_spec(lab, server, 64, 16 * MIB))
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
    )
    try:
        probed = lab.run("open", spec)
    finally:
        pulled = finish(pulls)
    return Measured(
        done=probed.done,
        failed=probed.failed,
        seconds=probed.seconds,
        cpu=probed.cpu,
        other=probed.other,
        latencies=probed.latencies,
        extra={"bytes": pulled.rate},
    )


def _rate(results: Rounds) -> float | None:
    return ratio(results, "hening", "nginx", lambda run: run.rate)


def rows(results: Rounds) -> list[Row]:
    """Return a row of medians for each server."""
    return [
        (
            name,
            [
                median(measured, lambda run: run.rate / GB),
                median(measured, lambda run: GB / run.per_cpu),
                ratio(results, name, "nginx", lambda run: run.rate),
                ratio(results, name, "nginx", lambda run: 1 / run.per_cpu),
                median(measured, lambda run: run.cores),
            ],
        )
        for name, measured in results.items()
    ]
