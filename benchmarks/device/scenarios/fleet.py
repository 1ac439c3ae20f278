"""1,000,000 phones that poll every minute, each time over a new connection."""

from contextlib import ExitStack
from functools import partial

from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import OpenSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import alternate, median

PHONES = 1_000_000
INTERVAL = 60.0
LEAST_SECONDS = 20.0
COLUMNS = ["polls per second", "failed", "p50 ms", "p99 ms", "server's cores", "client's cores"]


def fleet(lab: Lab) -> Report:
    """Measure the polls of all phones, at hening and at nginx."""
    seconds = max(lab.seconds, LEAST_SECONDS * lab.scale)

    def run(server: Server, asked: list[str]) -> Measured:
        spec = OpenSpec(
            port=server.port,
            seconds=seconds,
            watch=server.pids,
            requests=asked,
            rate=PHONES * lab.scale / INTERVAL,
        )
        return lab.run("open", spec)

    with ExitStack() as stack:
        servers = lab.start(stack, "nginx")
        runs = {
            name: partial(run, server, lab.poll(server)[-1:]) for name, server in servers.items()
        }
        runs |= {
            f"{name}, with next root": partial(run, server, lab.poll(server))
            for name, server in servers.items()
        }
        results = alternate(runs, lab.rounds, lab.tell)
    rows: list[Row] = [
        (
            name,
            [
                median(measured, lambda run: run.rate),
                float(sum(run.failed for run in measured)),
                median(measured, lambda run: run.latencies["p50"]),
                median(measured, lambda run: run.latencies["p99"]),
                median(measured, lambda run: run.cores),
                median(measured, lambda run: run.extra["client's CPU"] / run.seconds),
            ],
        )
        for name, measured in results.items()
    ]
    ours, peer = results["hening"], results["nginx"]
    phones = f"{PHONES * lab.scale:,.0f} phones a minute"
    # ADR 56: how many polls half a core serves depends on the kernel, so compare with nginx.
    cores = median(ours, lambda run: run.cores) / median(peer, lambda run: run.cores)
    late = median(ours, lambda run: run.latencies["p99"]) - median(
        peer, lambda run: run.latencies["p99"]
    )
    claims = [
        Claim(f"{phones}: cores to nginx's", cores, 1.05, "", at_least=False),
        Claim(f"{phones}: failed", float(sum(run.failed for run in ours)), 0, "", at_least=False),
        Claim(f"{phones}: p99 beyond nginx's", late, 1.0, "ms", at_least=False),
    ]
    title = f"{PHONES * lab.scale:,.0f} phones that poll every minute, a new connection each"
    return Report("fleet", title, COLUMNS, rows, claims)
