"""Canaries for the toy server, and examinations of servers."""

import contextlib
import copy
import os
import time
from itertools import islice

import pytest

from client_sim.lab.server_mutants.toy import TREE
from client_sim.lab.server_side import canaries as canaries_module
from client_sim.lab.server_side.canaries import Canaries
from client_sim.lab.server_side.examine import examine_server
from client_sim.lab.server_side.inputs import Dependencies, ServerInputs, plan_site
from client_sim.lab.server_side.places import Places
from client_sim.lab.server_side.positions import plan_heads

HOST = "updates.example.org"
DEPENDENCIES = Dependencies(os.urandom, time.sleep, time.monotonic)
#: `printf %s 127.64.9.9 | sha256sum` begins with 9d, of 127.65.8.8 with 82: one odd, one even.
SOURCES = ("127.64.9.9", "127.65.8.8", "127.66.7.7", "127.0.0.2")


def draw(*, tls=False):
    """Draw canaries for toy servers, which have the same host name and public tree."""
    paths = [path.encode() for path in TREE]
    return Canaries(HOST.encode(), paths, os.urandom, tls=tls, layers=1)


def draw_few(**options):
    """Draw canaries of five requests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canaries_module, "plan_framings", lambda _host: ())
        patch.setattr(canaries_module, "plan_heads", lambda *heads: islice(plan_heads(*heads), 5))
        return draw(**options)


@pytest.fixture(scope="session")
def canaries():
    """Draw all canaries."""
    return draw()


@pytest.fixture(scope="session")
def few():
    """Draw canaries of five requests, for servers whose files need not be searched."""
    return draw_few()


@pytest.fixture(scope="session")
def quarter(canaries):
    """Select a quarter of the requests, for servers that store something of most of them."""
    quarter, planted = copy.copy(canaries), canaries.planted
    names = [each for each in planted if each.template.position == "name of a header"]
    quarter.planted = [*planted[::4], *names]
    return quarter


@pytest.fixture
def examine(canaries, tmp_path, monkeypatch):
    """Start two nodes of a server, examine the first one, and return the verdict.

    A node that is `alone` is not restarted and gets few requests.
    """
    # A sample of connections is enough: a server that stores one also stores others.
    monkeypatch.setattr(canaries_module, "_MAX_ENDS", 8)

    def run(make, sent=canaries, scheme="http", *, alone=False):
        folders = [tmp_path / "one", tmp_path / "two"][: 1 if alone else 2]
        for folder in folders:
            folder.mkdir()
        with contextlib.ExitStack() as stack:
            nodes = [make(folder, number) for number, folder in enumerate(folders, 1)]
            for node in nodes:
                stack.callback(node.close)
            one, *others = (plan_site(f"{scheme}://127.0.0.1:{node.port}", HOST) for node in nodes)
            metrics = (f"http://127.0.0.1:{one.port}/metrics",)
            inputs = ServerInputs(
                site=one,
                places=Places((folders[0],), (), metrics if scheme == "http" else ()),
                against=tuple(others),
                restart=None if alone else nodes[0].restart,
                sources=SOURCES,
                settle=0.0,
                layers=1,
                batch=2 if alone else 40,
            )
            return examine_server(inputs, DEPENDENCIES, sent)

    return run
