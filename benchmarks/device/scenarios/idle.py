"""The memory and descriptors that 10,000 idle connections need, and 2,000 over TLS."""

import time
from contextlib import ExitStack

import msgspec

from benchmarks.device.cpu import descriptors, resident_bytes
from benchmarks.device.crowd import crowd
from benchmarks.device.hening import worker_pids
from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import CrowdSpec
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.state import MIB, TIMESTAMP
from benchmarks.device.wire import phone_request

IDLE = 10_000
IDLE_TLS = 2_000
FIRST = 10  # earlier connections, after which the server loads nothing more
COLUMNS = ["MiB before", "MiB with them", "bytes a connection", "descriptors more", "left after"]


def idle(lab: Lab) -> Report:
    """Measure connections that stay idle after one poll."""
    with ExitStack() as stack:
        servers = lab.start(stack, "nginx")
        return _measure(lab, "idle", servers, round(IDLE * lab.scale), 4096)


def idle_tls(lab: Lab) -> Report:
    """Measure TLS connections that stay idle after one poll."""
    with ExitStack() as stack:
        servers, authority = lab.start_tls(stack, "nginx")
        return _measure(
            lab, "idle-tls", servers, round(IDLE_TLS * lab.scale), 40_960, authority=authority
        )


def _measure(
    lab: Lab, name: str, servers: dict[str, Server], count: int, goal: int, authority: str = ""
) -> Report:
    rows: list[Row] = []
    for each, server in servers.items():
        pids = worker_pids(server) if each == "hening" else server.pids
        data = phone_request(server.port, TIMESTAMP).decode()
        spec = CrowdSpec(
            port=server.port, seconds=0, request=data, connections=count, authority=authority
        )
        with crowd(lab, msgspec.structs.replace(spec, connections=FIRST)):
            pass  # before an answer only the socket may exist, not yet the worker
        memory, opened = resident_bytes(pids), _descriptors(pids)
        with crowd(lab, spec):
            more = resident_bytes(pids) - memory
            known = _descriptors(pids) - opened
        left = _settled(pids, opened)
        cells = [memory / MIB, (memory + more) / MIB, more / count, known, left]
        rows.append((each, cells))
    claims = [Claim("memory of an idle connection", rows[0][1][2], goal, "bytes", at_least=False)]
    title = f"{count:,} idle connections{' over TLS' if authority else ''}"
    return Report(name, title, COLUMNS, rows, claims)


def _descriptors(pids: list[int]) -> float:
    return float(sum(map(descriptors, pids)))


def _settled(pids: list[int], before: float) -> float:
    """Return the number of descriptors not closed within 2.5 s of the end of the connections."""
    for _ in range(50):
        if _descriptors(pids) <= before:
            break
        time.sleep(0.05)
    return _descriptors(pids) - before
