"""A client that stops reading is cut off, so that it cannot hold a download for ever."""

import asyncio
import socket
import time

from server.device.answer import Served, make_served
from server.device.plane import DevicePlane
from server.device.snapshot import Snapshot
from server.http.answers import Package
from server.http.counts import Counts
from server.http.listener import listening
from server.http.requests import GateMode
from server.http.turns import Limits
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE, until

LENGTH = 64 * 1024 * 1024
SHA256 = "ab" * 32
URL = f"/targets/armani/id/stable/{SHA256}.a.zip"


async def test_a_client_that_takes_nothing_is_cut_off(tmp_path):
    """After the limit the connection is reset, although most of the package was not sent."""
    path = tmp_path / SHA256[:2] / SHA256
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(LENGTH)
    snapshot = Snapshot(1, {}, {URL: Package(SHA256, LENGTH)}, frozenset(), {})
    limits = Limits(stall_seconds=0.3)
    plane = DevicePlane(LocalBlobs(tmp_path), Counts(), GateMode.DIRECT, time.time, limits)
    plane.served = make_served(snapshot, (), GateMode.DIRECT, Served())

    def ask(port):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(f"GET {URL} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            until(lambda: plane.counts.cuts["stall"])
            received = 0
            try:
                while piece := client.recv(1 << 20):
                    received += len(piece)
            except ConnectionResetError:
                return received
            return received

    with socket.create_server(("127.0.0.1", 0)) as bound:
        async with listening(plane, [bound]):
            assert await asyncio.to_thread(ask, bound.getsockname()[1]) < LENGTH
