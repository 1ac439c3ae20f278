"""Good polls while 200 clients pipeline, compared with nginx under the same attack."""

from contextlib import ExitStack
from functools import partial

import msgspec

from benchmarks.device.crowd import crowd
from benchmarks.device.lab import Lab, finish
from benchmarks.device.load.spec import CrowdSpec, Kind, OpenSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import alternate, median, ratio

POLLS = 200  # good polls per second, each over a new connection
ATTACKERS = 200
PEERS = {"hening, no workers": "nginx", "hening, 2 workers": "nginx, 2 processes"}
GOAL = 1.5  # maximum ratio of the good polls' p99 to nginx's
COLUMNS = ["p50 ms", "p99 ms", "worst ms", "failed", "attackers' answers per second"]


def pipelining(lab: Lab) -> Report:
    """Measure good polls with and without the attack; servers on core 0, all clients on core 1."""
    with ExitStack() as stack:
        servers = {
            "hening, no workers": stack.enter_context(lab.hening(workers=0)),
            "hening, 2 workers": stack.enter_context(lab.hening(workers=2)),
        }
        ours = servers["hening, no workers"]
        servers |= lab.start_peers(stack, ours, *PEERS.values())
        runs = {
            f"{name}, {kind}": partial(_run, lab, server, kind == "attacked")
            for name, server in servers.items()
            for kind in ("undisturbed", "attacked")
        }
        results = alternate(runs, lab.rounds, lab.tell)
    rows: list[Row] = [
        (
            name,
            [
                median(measured, lambda run: run.latencies["p50"]),
                median(measured, _p99),
                max(run.latencies["max"] for run in measured),
                float(sum(run.failed for run in measured)),
                median(measured, lambda run: run.extra.get("attackers' rate", 0.0)),
            ],
        )
        for name, measured in results.items()
    ]
    claims = [
        Claim(
            f"good polls' p99 while 200 clients pipeline, {ours}, to nginx",
            ratio(results, f"{ours}, attacked", f"{peer}, attacked", _p99),
            GOAL,
            "",
            at_least=False,
        )
        for ours, peer in PEERS.items()
    ]
    return Report("pipelining", "Good polls while 200 clients pipeline", COLUMNS, rows, claims)


def _p99(run: Measured) -> float:
    return run.latencies["p99"]


def _run(lab: Lab, server: Server, is_attacked: bool) -> Measured:
    asked = lab.poll(server)
    good = OpenSpec(
        port=server.port,
        seconds=lab.seconds,
        watch=server.pids,
        requests=asked,
        rate=POLLS,
        urgent=True,
    )
    if not is_attacked:
        return lab.run("open", good)
    attack = CrowdSpec(
        port=server.port,
        seconds=0,
        request=asked[-1],
        kind=Kind.PIPELINING,
        connections=ATTACKERS,
    )
    with crowd(lab, attack) as attackers:
        measured = lab.run("open", msgspec.structs.replace(good, known=[attackers.pid]))
        rate = finish(attackers).rate
    return msgspec.structs.replace(measured, extra=measured.extra | {"attackers' rate": rate})
