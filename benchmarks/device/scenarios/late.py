"""Latency at 80 % of hening's peak rate, by an open loop."""

from contextlib import ExitStack
from functools import partial

from benchmarks.device.h2load import run_h2load
from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import ClosedSpec, OpenSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server, find
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import alternate, median
from benchmarks.device.scenarios.polls import SETTINGS
from benchmarks.device.state import TIMESTAMP
from benchmarks.device.wire import phone_request

SHARE = 0.8
COLUMNS = ["asked per second", "answered", "p50 ms", "p99 ms", "p99.9 ms", "server's cores"]


def late(lab: Lab) -> Report:
    """Measure latencies at 80 % of hening's peak, with h2load and with the open loop here."""
    rows: list[Row] = []
    claims = []
    with ExitStack() as stack:
        servers = lab.start(stack, *SETTINGS)
        rate = SHARE * peak(lab, servers["hening"])
        loads = {"own open loop": partial(_own, lab)}
        if find("h2load"):
            loads["h2load"] = partial(_h2load, lab)
        for load, ask in loads.items():
            runs = {name: partial(ask, server, rate) for name, server in servers.items()}
            results = alternate(runs, lab.rounds, lab.tell)
            for name, measured in results.items():
                p99 = median(measured, lambda run: run.latencies["p99"])
                cells = [
                    rate,
                    median(measured, lambda run: run.rate),
                    median(measured, lambda run: run.latencies["p50"]),
                    p99,
                    median(measured, lambda run: run.latencies["p999"]),
                    median(measured, lambda run: run.cores),
                ]
                rows.append((f"{name}, {load}", cells))
            least = min(
                (
                    median(results[name], lambda run: run.latencies["p99"])
                    for name in results
                    if name != "hening"
                ),
                default=None,
            )
            ours = median(results["hening"], lambda run: run.latencies["p99"])
            more = None if least is None else ours - least
            what = f"p99 at 80 % of our peak above nginx's best, {load}"
            claims.append(Claim(what, more, 1.0, "ms", at_least=False))
    note = f"Offered: {rate:,.0f} questions a second."
    return Report("late", "Latency at 80 % of our own peak", COLUMNS, rows, claims, note)


def peak(lab: Lab, server: Server) -> float:
    """Return the most polls per second that hening answers; measured only once."""
    if "peak" not in lab.known:
        asked = [phone_request(server.port, TIMESTAMP).decode()]
        spec = ClosedSpec(port=server.port, seconds=lab.seconds, watch=server.pids, requests=asked)
        lab.known["peak"] = lab.run("closed", spec).rate
    return lab.known["peak"]


def _own(lab: Lab, server: Server, rate: float) -> Measured:
    asked = [phone_request(server.port, TIMESTAMP).decode()]
    spec = OpenSpec(
        port=server.port,
        seconds=lab.seconds,
        watch=server.pids,
        requests=asked,
        rate=rate,
        keep=True,
    )
    return lab.run("open", spec)


def _h2load(lab: Lab, server: Server, rate: float) -> Measured:
    return run_h2load(server, TIMESTAMP, rate, lab.seconds, lab.place("h2load.log"))
