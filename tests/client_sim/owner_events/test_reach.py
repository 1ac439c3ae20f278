"""The polling code cannot reach the owner's data: by imports, by names, and at run time."""

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
"""These may write an owner's data to a new phone; they are not part of a phone that polls."""


def imports_of(path):
    """Return the modules of `client_sim` that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("client_sim")}


def module_file(name):
    """Return the file of a module, or None if the name is an object in a module."""
    path = ROOT.parent / name.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def reach_from(name):
    """Return the files of `client_sim` that importing a module loads."""
    seen, left = set(), {name}
    while left:
        file = module_file(left.pop())
        if file is not None and file not in seen:
            seen.add(file)
            left |= imports_of(file)
    return {str(file.relative_to(ROOT)) for file in seen}


def test_importing_the_poller_imports_no_owner_events():
    """Client and phone load neither owner events nor the lab, directly or indirectly."""
    for name in ("client_sim.device.client", "client_sim.device.phone"):
        with case(name):
            reached = reach_from(name)
            assert {"device/trust.py", "transport.py", "world.py"} <= reached
            assert not [
                file for file in reached if file.startswith(("owner_events/", "lab/", "fleet/"))
            ]
            assert not reached & PLANTS


def test_reach_is_transitive():
    """The commands of owner events reach both packages."""
    assert {"owner_events/owner_simulator.py", "device/client.py"} <= reach_from(
        "client_sim.owner_events.commands"
    )


def test_no_module_of_the_phone_reads_personal():
    """`.personal` of a world is never read, and only a reset and the factory name the folder."""
    for path in MODULES:
        with case(path.relative_to(ROOT)):
            check_module(path)


def check_module(path):
    """Check a module for the attribute and for texts with the folder's name."""
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


class AccessRecorder:
    """Records accesses of this process to a folder, by the interpreter's audit events."""

    def __init__(self):
        self.folder = None
        self.accesses = []

    def __call__(self, event, arguments):
        """Record audit events of opening and listing."""
        if self.folder is None or event not in {"open", "os.listdir", "os.scandir"}:
            return
        if str(arguments[0]).startswith(self.folder):
            self.accesses.append((event, str(arguments[0])))


RECORDER = AccessRecorder()
sys.addaudithook(RECORDER)


@pytest.fixture
def recorder():
    """Return the recorder, without earlier accesses."""
    RECORDER.accesses.clear()
    yield RECORDER
    RECORDER.folder = None


@pytest.fixture
def phone(tmp_path, recorder):
    """Make a phone with an owner, whose folder is watched, and offer it build 1."""
    repository = shop.make_repository(0)
    shop.make_phone(tmp_path / "phone", repository, persona=make_persona(7))
    phone = shop.open_phone(tmp_path / "phone", repository)
    recorder.folder = str(tmp_path / "phone" / "personal")
    return phone


def test_poll_and_installation_do_not_access_personal_data(phone, recorder):
    """From the first request to the confirmed build no file in `personal/` is opened or listed."""
    phone.poll()
    phone.next_poll()
    assert phone.install().installed is not None
    phone.reboot(is_healthy=lambda _build: True)
    assert recorder.accesses == []


@pytest.mark.parametrize(
    "access",
    [
        lambda folder: PersonalStore(folder).load(),
        lambda folder: (folder / "personal/persona.json").read_bytes(),
        lambda folder: list((folder / "personal").iterdir()),
        lambda folder: list(folder.rglob("*")),
    ],
)
def test_accesses_are_recorded(phone, recorder, access, tmp_path, monkeypatch):
    """Reading the store or its file, and listing the folder, are recorded."""
    next_poll = phone.next_poll

    def curious():
        access(tmp_path / "phone")
        return next_poll()

    monkeypatch.setattr(phone, "next_poll", curious)
    phone.poll()
    assert recorder.accesses == []
    phone.next_poll()
    assert recorder.accesses
