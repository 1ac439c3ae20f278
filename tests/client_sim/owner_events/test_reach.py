"""The poller's code cannot reach the owner's data: by its imports, by its words, by its deeds."""

import ast
import sys
from pathlib import Path

import pytest

import client_sim
from client_sim.owner_events.owner_simulator import PersonalStore
from client_sim.persona import make_persona
from tests.cases import case
from tests.client_sim.device import shop

ROOT = Path(client_sim.__file__).parent
MODULES = sorted(
    [*(ROOT / "device").rglob("*.py"), *(ROOT / "engine").rglob("*.py"), ROOT / "transport.py"]
)
PLANTS = {"device/phone_commands.py", "device/factory.py"}
"""The factory may plant an owner's data on a new phone; it is no part of a phone that polls."""


def imports_of(path):
    """Return the modules of ours that a module names in imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("client_sim")}


def module_file(name):
    """Return the file of a module of ours, or None if the name is something in a module."""
    path = ROOT.parent / name.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def reach_from(name):
    """Return the files of ours that importing a module brings in."""
    seen, left = set(), {name}
    while left:
        file = module_file(left.pop())
        if file is not None and file not in seen:
            seen.add(file)
            left |= imports_of(file)
    return {str(file.relative_to(ROOT)) for file in seen}


def test_importing_the_poller_imports_no_owner_events():
    """Neither the life nor the instruments, over whatever way; the walk itself works."""
    for name in ("client_sim.device.client", "client_sim.device.phone"):
        with case(name):
            reached = reach_from(name)
            assert {"device/trust.py", "transport.py", "world.py"} <= reached
            assert not [
                file for file in reached if file.startswith(("owner_events/", "lab/", "fleet/"))
            ]
            assert not reached & PLANTS


def test_the_walk_finds_what_is_there():
    """From the commands of the life one reaches both."""
    assert {"owner_events/owner_simulator.py", "device/client.py"} <= reach_from(
        "client_sim.owner_events.commands"
    )


def test_no_module_of_the_phone_reads_personal():
    """`.personal` of a world is read nowhere, no text names the folder but to wipe it."""
    for path in MODULES:
        with case(path.relative_to(ROOT)):
            check_module(path)


def check_module(path):
    """Look for the attribute and for texts in a module."""
    name = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text("utf-8"))
    reads = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "personal"
        and isinstance(node.ctx, ast.Load)
    ]
    assert not reads
    words = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.strip("/").split("/")[0] == "personal"
    ]
    if name in {"device/factory.py", "device/reset.py"}:
        return
    assert words == []


class Wire:
    """Notes every look of this process at a folder, by the interpreter's audit events."""

    def __init__(self):
        self.folder = None
        self.looks = []

    def __call__(self, event, arguments):
        """Take an audit event; those of opening, listing and reading of names count."""
        if self.folder is None or event not in {"open", "os.listdir", "os.scandir"}:
            return
        if str(arguments[0]).startswith(self.folder):
            self.looks.append((event, str(arguments[0])))


WIRE = Wire()
sys.addaudithook(WIRE)


@pytest.fixture
def wire():
    """Lay the wire for one test."""
    WIRE.looks.clear()
    yield WIRE
    WIRE.folder = None


@pytest.fixture
def phone(tmp_path, wire):
    """Make a phone with an owner, behind the wire, that is offered build 1."""
    repository = shop.make_market(0)
    shop.make_phone(tmp_path / "phone", repository, persona=make_persona(7))
    phone = shop.open_phone(tmp_path / "phone", repository)
    wire.folder = str(tmp_path / "phone" / "personal")
    return phone


def test_a_poll_and_an_installation_touch_no_wire(phone, wire):
    """From the first request to the confirmed build nothing in `personal/` is looked at."""
    phone.poll()
    phone.next_poll()
    assert phone.install().installed is not None
    phone.reboot(is_healthy=lambda _build: True)
    assert wire.looks == []


@pytest.mark.parametrize(
    "look",
    [
        lambda folder: PersonalStore(folder).load(),
        lambda folder: (folder / "personal/persona.json").read_bytes(),
        lambda folder: list((folder / "personal").iterdir()),
        lambda folder: list(folder.rglob("*")),
    ],
)
def test_the_wire_notices_every_look(phone, wire, look, tmp_path, monkeypatch):
    """A poll that reads the store, its file, or lists the folder is found out."""
    next_poll = phone.next_poll

    def curious():
        look(tmp_path / "phone")
        return next_poll()

    monkeypatch.setattr(phone, "next_poll", curious)
    phone.poll()
    assert wire.looks == []
    phone.next_poll()
    assert wire.looks
