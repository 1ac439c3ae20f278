"""A device node compared with a server that publishes and serves from one folder.

The node serves its own copy of the tree, and packages from the S3 server (SeaweedFS), as does one
of the servers with one folder. nginx serves the same bytes from files.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks.device.hening import running_hening
from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import ClosedSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report
from benchmarks.device.rounds import alternate, ratio
from benchmarks.device.scenarios.columns import COLUMNS, rate_rows
from benchmarks.device.scenarios.downloads import COLUMNS as DOWNLOAD_COLUMNS
from benchmarks.device.scenarios.downloads import pull_spec, rows
from benchmarks.device.state import MIB, TIMESTAMP
from benchmarks.device.wire import phone_request
from benchmarks.site import blob_settings, make_node, share
from tests.seaweed import run_seaweed

NODE = "hening, a device node"
ONE_FOLDER = "hening, packages in S3"
LEAST = 0.95  # minimum ratio to a server with one folder


def polls(lab: Lab) -> Report:
    """Measure polls over kept connections, and whole polls with a new connection each."""

    def ask(server: Server, *, keep: bool) -> Measured:
        requests = [phone_request(server.port, TIMESTAMP).decode()] if keep else lab.poll(server)
        spec = ClosedSpec(
            port=server.port, seconds=lab.seconds, watch=server.pids, requests=requests, keep=keep
        )
        return lab.run("closed", spec)

    claims, table = [], []
    with ExitStack() as stack:
        servers = {"hening": stack.enter_context(lab.hening())}
        servers[NODE] = stack.enter_context(_node(lab))
        servers |= lab.start_peers(stack, servers["hening"], "nginx")
        for what, keep in (("polls", True), ("whole polls", False)):
            runs = {name: partial(ask, server, keep=keep) for name, server in servers.items()}
            results = alternate(runs, lab.rounds, lab.tell)
            table += [(f"{what}: {name}", cells) for name, cells in rate_rows(results)]
            found = ratio(results, NODE, "hening", lambda run: run.per_cpu)
            claims.append(Claim(f"{what} of a node to one folder", found, LEAST, "per CPU second"))
    return Report("nodes", "Polls of a device node", COLUMNS, table, claims)


def downloads(lab: Lab) -> Report:
    """Measure 64 clients that download pieces of 16 MiB."""

    def pull(server: Server) -> Measured:
        return lab.run("pull", pull_spec(lab, server, 64, 16 * MIB))

    with ExitStack() as stack:
        servers = {"hening": stack.enter_context(lab.hening())}
        servers |= lab.start_peers(stack, servers["hening"], "nginx")
        servers[NODE] = stack.enter_context(
            _node(lab, lambda one: servers.update({ONE_FOLDER: one}))
        )
        runs = {name: partial(pull, server) for name, server in servers.items()}
        results = alternate(runs, lab.rounds, lab.tell)
    found = ratio(results, NODE, ONE_FOLDER, lambda run: run.rate)
    claims = [Claim("64 downloads of a node to one folder", found, LEAST, "bytes per second")]
    title = "64 clients, ranges of 16 MiB, of a device node"
    return Report("nodes-blocks", title, DOWNLOAD_COLUMNS, rows(results), claims)


@contextlib.contextmanager
def _node(lab: Lab, beside: Callable[[Server], None] | None = None) -> Iterator[Server]:
    """Run a device node; `beside` gets a server with one folder and the node's S3 packages."""
    with ExitStack() as stack:
        seaweed = stack.enter_context(run_seaweed(lab.place("seaweed")))
        state = lab.site.state
        share(state, seaweed)
        folder = lab.place("node")
        make_node(folder, state.folder.trusted_root.read_bytes(), seaweed)
        if beside is not None:
            config = lab.place("hening.toml")
            config.write_text(blob_settings(seaweed))
            one = running_hening(state.folder.root, lab.place("hening.log"), config=config)
            beside(stack.enter_context(one))
        yield stack.enter_context(running_hening(folder, lab.place("node.log")))
