import subprocess
import sys

import click
import pytest

from client_sim.lazy_commands import LazyCommands


def test_a_command_is_imported_when_it_is_named(monkeypatch, tmp_path):
    """Its module is imported by the first look at it, and not by a list of the names."""
    (tmp_path / "named_once.py").write_text("import click\n\none = click.Command('one')\n")
    monkeypatch.syspath_prepend(tmp_path)
    other = click.Command("other")
    commands = LazyCommands({"one": "named_once:one"}, {"other": other})
    assert list(commands) == ["other", "one"]
    assert "named_once" not in sys.modules
    assert commands["other"] is other
    assert commands["one"] is commands["one"] is sys.modules["named_once"].one
    monkeypatch.delitem(sys.modules, "named_once")
    with pytest.raises(KeyError):
        commands["two"]


def test_commands_can_be_added_and_taken_out():
    """As from the dict that a group has otherwise."""
    group, one = (
        click.Group(commands=LazyCommands({"absent": "nowhere:none"}, {})),
        click.Command("one"),
    )
    group.add_command(one)
    assert group.commands["one"] is one
    del group.commands["absent"]
    assert [*group.commands] == ["one"]


def test_a_poll_imports_neither_lab_nor_fleet():
    """What the lab and the fleet need takes longer to import than what a phone needs."""
    code = "import sys, client_sim.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "client_sim.device.client" in loaded
    assert not loaded & {"client_sim.lab.commands", "client_sim.fleet.commands"}
