"""Protocols of existing Updater apps: lists and packages, requested with the apps' headers."""

import contextlib
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.big_state import clock
from benchmarks.device.hening import running_hening
from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import ClosedSpec, PullSpec
from benchmarks.device.measured import Measured
from benchmarks.device.nginx import PLAIN_SENDFILE, UNCODED, static_nginx
from benchmarks.device.ports import free_port
from benchmarks.device.process import Server, find
from benchmarks.device.report import Claim, Report
from benchmarks.device.rounds import alternate, ratio
from benchmarks.device.scenarios.columns import COLUMNS, rate_rows
from benchmarks.device.state import MIB
from benchmarks.device.wire import request
from server.compat.options import ClientChannel, CompatOptions
from server.dialect_export import export_dialects
from server.storage.local_blobs import LocalBlobs

APP = (
    "User-Agent: Dalvik/2.1.0 (Linux; U; Android 16; FP4 Build/BP4A.250101.001)",
    "Connection: Keep-Alive",
    "Accept-Encoding: gzip",
)
WAIT_SECONDS = 60.0
LINE = "/graphene/FP4-stable"
LIST = "/lineage/v1/FP4/stable"


def dialects(lab: Lab) -> Report:
    """Measure list requests, and downloads of the big package by its app's name, against nginx."""
    port, out, log = free_port(), lab.place("dialects"), lab.place("hening.log")
    config, codename = lab.place("settings.toml"), lab.site.state.codenames[0]
    _write_settings(config, port, codename)
    options = CompatOptions(
        public_url=f"http://127.0.0.1:{port}",
        dialects=("lineage1", "graphene"),
        devices={"FP4": codename},
        channels={"stable": ClientChannel(region="id", channel="stable", permille=1)},
    )
    store = LocalBlobs(lab.site.state.folder.blobs)
    export_dialects(lab.site.state.folder, store, options, out, int(clock().timestamp()))
    root = out / "files"
    package = max((root / "graphene").glob("*.zip"), key=lambda each: each.stat().st_size)
    claims, rows = [], []
    with ExitStack() as stack:
        started = running_hening(lab.site.state.folder.root, log, config=config)
        ours = replace(stack.enter_context(started), port=port)
        _wait(port)
        servers = {"hening": ours}
        if find("nginx") is not None:
            place = lab.place("nginx")
            nginx = static_nginx("nginx", PLAIN_SENDFILE, root, place, server=UNCODED)
            servers["nginx"] = stack.enter_context(nginx)
        lists = {name: partial(_lists, lab, server) for name, server in servers.items()}
        results = alternate(lists, lab.rounds, lab.tell)
        rows += rate_rows(results)
        found = ratio(results, "hening", "nginx", lambda run: run.per_cpu)
        claims.append(Claim("lists of dialects to nginx", found, 1.0, "per CPU second"))
        pulls = {name: partial(_packages, lab, server, package) for name, server in servers.items()}
        results = alternate(pulls, lab.rounds, lab.tell)
        rows += [(f"{name}, packages", cells) for name, cells in rate_rows(results)]
        found = ratio(results, "hening", "nginx", lambda run: run.rate)
        claims.append(Claim("packages of dialects to nginx", found, 1.0, "bytes per second"))
    title = "Lists and packages of existing Updater apps"
    return Report("dialects", title, COLUMNS, rows, claims)


def _wait(port: int) -> None:
    """Wait until the dialects' port accepts connections, shortly after the phones' port."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise RuntimeError("the dialects do not listen")


def _write_settings(file: Path, port: int, codename: str) -> None:
    file.write_text(
        f'[compat]\nlisten = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port}"\n'
        'dialects = ["lineage1", "graphene"]\n'
        f'[compat.devices]\nFP4 = "{codename}"\n'
        '[compat.channels]\nstable = { region = "id", channel = "stable", permille = 1 }\n'
    )


def _lists(lab: Lab, server: Server) -> Measured:
    asked = [request(server.port, path, *APP).decode() for path in (LINE, LIST)]
    spec = ClosedSpec(port=server.port, seconds=lab.seconds, watch=server.pids, requests=asked)
    return lab.run("closed", spec)


def _packages(lab: Lab, server: Server, package: Path) -> Measured:
    length = package.stat().st_size
    spec = PullSpec(
        port=server.port,
        seconds=lab.seconds,
        watch=server.pids,
        path=f"/graphene/{package.name}",
        length=length,
        lines=APP,
        connections=16,
        piece=min(16 * MIB, length),
    )
    return lab.run("pull", spec)
