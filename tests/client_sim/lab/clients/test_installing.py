"""The phone's client with installation: its requests after an offer, and after a fault."""

import re

from client_sim.device.client import PollingClient
from client_sim.lab.clients.installing import InstallingClient, with_installation
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import LeakingWorld, leak_in_transport
from client_sim.lab.scenarios.driving import run_scenario
from client_sim.lab.scenarios.generators import idle
from client_sim.lab.servers.contents import Publication, release
from client_sim.lab.servers.faults_network import INSTALL
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.persona import make_persona
from tests.cases import case

REPOSITORY = Repository()
OWNER = make_persona(3)
LINE = re.compile(rb"GET ([^ ]+) HTTP/1\.1")


def install(polls, counter=0, fault=None, struck=range(64)):
    """Let a phone that runs build `counter` of 2 poll; return its requests and outcomes.

    The requests of a connection are words: `poll`, or `codename`, `proof`, `full`, `incremental`.
    """
    serve = REPOSITORY.serve((Publication("a release for all", release(1000)),))
    world = MemoryWorld(
        REPOSITORY.public("cancro", "id", "stable", counter),
        OWNER,
        entropy=Entropy(b"0"),
        start=1_767_225_600.0,
        respond=serve if fault is None else fault.at(struck)(serve),
    )
    seen = run_scenario(with_installation(PollingClient), world, idle(polls), OWNER)
    asked = [[name_of(path) for path in LINE.findall(c.data)] for c in seen.connections()]
    assert all(c.closes == 1 for c in seen.connections())
    return [["poll"] if "root" in words else words for words in asked], seen.outcomes


def name_of(path):
    """Return the name of a request by its path."""
    for word, part in (
        *(("root", b".root.json"), ("codename", b".cancro.json"), ("proof", b"/log/proof/cancro.")),
        *(("full", b"-2-full.zip"), ("incremental", b"-2-incremental.zip")),
    ):
        if part in path:
            return word
    return path.decode()


def find_fault(name):
    """Return the fault with a name."""
    return next(fault for fault in INSTALL if fault.name == name)


def test_requests_of_an_installation():
    """A poll, then role, proof and package over another connection, then another poll."""
    asked, said = install(1)
    assert asked == [["poll"], ["codename", "proof", "full"], ["poll"]]
    assert said == ("Build 2 starts at the next reboot.",)
    asked, _ = install(1, counter=1)
    assert asked[1] == ["codename", "proof", "incremental"]


def test_full_package_replaces_a_deleted_incremental():
    """The next installation requests the full package immediately."""
    asked, said = install(2, counter=1, fault=find_fault("410, at package"), struck=(1,))
    assert asked == [
        *(["poll"], ["codename", "proof", "incremental"], ["full"], ["poll"]),
        *(["poll"], ["full"], ["poll"]),
    ]
    assert said[0] == "Build 2 starts at the next reboot."


def test_fault_ends_the_installation():
    """It is tried again only after the next poll; a verified role is not requested again."""
    for name, last, then in (
        ("404, at codename", ["codename"], ["codename", "proof", "full"]),
        ("429, at codename's proof", ["codename", "proof"], ["codename", "proof", "full"]),
        ("416, at package", ["codename", "proof", "full"], ["full"]),
        ("302, at package", ["codename", "proof", "full"], ["full"]),
        ("other bytes, at package", ["codename", "proof", "full"], ["full"]),
        ("a byte in twenty seconds, at package", ["codename", "proof", "full"], ["full"]),
    ):
        with case(name, last, then):
            asked, said = install(2, fault=find_fault(name), struck=(1,))
            assert asked[:3] == [["poll"], last, ["poll"]]
            assert asked[3] == then
            assert said[0] != said[1] == "Build 2 starts at the next reboot."


def test_only_the_phone_is_made_to_install():
    """Other clients are not changed; a leaky transport below the phone's client is kept."""
    world = MemoryWorld(
        REPOSITORY.public("cancro", "id", "stable"),
        OWNER,
        entropy=Entropy(b"0"),
        start=0.0,
        respond=REPOSITORY.serve(),
    )
    assert isinstance(with_installation(ToyClient)(world), ToyClient)
    beneath = with_installation(leak_in_transport(LeakingWorld))(world)
    assert isinstance(beneath, InstallingClient)
    assert isinstance(beneath.world, LeakingWorld)


def test_each_kind_of_fault_is_at_each_place():
    """Statuses, lengths, bytes, resets, slow answers and redirects, each with a unique name."""
    names = [fault.name for fault in INSTALL]
    assert len(set(names)) == len(names)
    for kind in (
        *("404", "410", "416", "500", "302", "429", "503", "an empty body", "half a body"),
        *("other bytes", "too long", "too short", "reset in the body", "hang-up in the body"),
        *("twenty seconds", "no answer in time"),
    ):
        for place in ("codename", "codename's proof", "package"):
            assert any(kind in each and each.endswith(f"at {place}") for each in names), kind
