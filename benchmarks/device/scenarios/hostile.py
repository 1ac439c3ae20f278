"""Good polls during attacks: 10,000 slow clients, a flood of refused requests, or both."""

import subprocess
from contextlib import ExitStack
from functools import partial

from benchmarks.device.crowd import crowd
from benchmarks.device.lab import Lab, finish
from benchmarks.device.load.spec import ClosedSpec, CrowdSpec, Kind, OpenSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import alternate, median, ratio
from benchmarks.device.state import TIMESTAMP
from benchmarks.device.wire import phone_request, request

SLOW = 10_000
FLOOD = 2_000  # refused requests per second, each over a new connection
MORE_SECONDS = 2.0  # by which the flood is longer than the good polls, which it encloses
COLUMNS = ["good polls per second", "to undisturbed", "server's cores", "failed"]
KINDS = {
    "undisturbed": (False, False),
    "10,000 slow clients": (True, False),
    "2,000 refused requests a second": (False, True),
    "both": (True, True),
}


def hostile(lab: Lab) -> Report:
    """Measure good polls of hening and nginx during each attack."""
    with ExitStack() as stack:
        servers = lab.start(stack, "nginx")
        runs = {
            f"{name}, {kind}": partial(_run, lab, server, *nuisances)
            for name, server in servers.items()
            for kind, nuisances in KINDS.items()
        }
        results = alternate(runs, lab.rounds, lab.tell)
    rows: list[Row] = []
    for variant, measured in results.items():
        name = variant.partition(", ")[0]
        kept = ratio(results, variant, f"{name}, undisturbed", lambda run: run.rate)
        cells = [
            median(measured, lambda run: run.rate),
            kept,
            median(measured, lambda run: run.cores),
            float(sum(run.failed for run in measured)),
        ]
        rows.append((variant, cells))
    known = dict(rows)
    claims = [
        Claim(f"good polls, {kind}", known[f"hening, {kind}"][1], 0.8, "of undisturbed")
        for kind in list(KINDS)[1:]
    ]
    title = "Good polls while others are slow or refused"
    return Report("hostile", title, COLUMNS, rows, claims)


def _run(lab: Lab, server: Server, is_slow: bool, is_flooded: bool) -> Measured:
    data = phone_request(server.port, TIMESTAMP).decode()
    with ExitStack() as stack:
        known = []
        if is_slow:
            spec = CrowdSpec(
                port=server.port,
                seconds=0,
                request=data,
                connections=round(SLOW * lab.scale),
                kind=Kind.SLOW,
            )
            known.append(stack.enter_context(crowd(lab, spec)).pid)
        if is_flooded:
            flood = _flood(lab, server)
            stack.callback(finish, flood)
            known.append(flood.pid)
        good = ClosedSpec(
            port=server.port,
            seconds=lab.seconds,
            watch=server.pids,
            known=known,
            requests=[data],
        )
        return lab.run("closed", good)


def _flood(lab: Lab, server: Server) -> "subprocess.Popen[bytes]":
    refused = request(server.port, TIMESTAMP, "Host: another.example").decode()
    spec = OpenSpec(
        port=server.port,
        seconds=lab.seconds + MORE_SECONDS,
        requests=[refused],
        rate=FLOOD,
        statuses=(400,),
    )
    return lab.begin("open", spec)
