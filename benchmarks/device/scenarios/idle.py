"""What 10,000 idle connections cost: memory and descriptors."""

from contextlib import ExitStack

from benchmarks.device.cpu import descriptors, resident_bytes
from benchmarks.device.crowd import crowd
from benchmarks.device.hening import worker_pids
from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import CrowdSpec
from benchmarks.device.process import Server
from benchmarks.device.report import Report, Row
from benchmarks.device.state import MIB, TIMESTAMP
from benchmarks.device.wire import ask, phone_request

IDLE = 10_000
COLUMNS = ["MiB before", "MiB with them", "bytes a connection", "descriptors more", "left after"]


def idle(lab: Lab) -> Report:
    """Let them all poll once and keep their connections."""
    count = round(IDLE * lab.scale)
    rows: list[Row] = []
    with ExitStack() as stack:
        for name, server in lab.start(stack, "nginx").items():
            pids = worker_pids(server) if name == "hening" else server.pids
            data = phone_request(server.port, TIMESTAMP).decode()
            spec = CrowdSpec(port=server.port, seconds=0, request=data, connections=count)
            memory, opened = resident_bytes(pids), _descriptors(pids)
            with crowd(lab, spec):
                more = resident_bytes(pids) - memory
                known = _descriptors(pids) - opened
            left = _settled(server, pids, opened)
            cells = [memory / MIB, (memory + more) / MIB, more / count, known, left]
            rows.append((name, cells))
    return Report("idle", f"{count:,} idle connections", COLUMNS, rows, [])


def _descriptors(pids: list[int]) -> float:
    return float(sum(map(descriptors, pids)))


def _settled(server: Server, pids: list[int], before: float) -> float:
    """Return how many descriptors are left over; asking gives the server time to see the end."""
    for _ in range(50):
        ask(server.port, phone_request(server.port, TIMESTAMP))
        if _descriptors(pids) <= before:
            break
    return _descriptors(pids) - before
