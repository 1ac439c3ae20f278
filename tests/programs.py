"""The three programs: their commands, and the import of all their modules."""

import gc
import importlib
import pkgutil
import tempfile
from pathlib import Path

import click

import client_sim.cli
import server.cli
import signer.cli
from hening.lazy_command import LazyCommand

PROGRAMS = {
    "hening-server": server.cli.cli,
    "hening-signer": signer.cli.cli,
    "hening-device": client_sim.cli.cli,
}


def walk(command, *words):
    """Yield the words and the object of a command and of all its subcommands."""
    if isinstance(command, LazyCommand):
        command = command.load()
    yield words, command
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            if not below.hidden:  # a former name
                yield from walk(below, *words, word)


def find(program, *words):
    """Return the command with these words."""
    return dict(walk(PROGRAMS[program]))[words]


def import_all(*packages):
    """Import all modules of packages, including those that functions import, and publish once.

    A process forked afterwards starts in 0.02 instead of up to 1.5 seconds, and has its SQL
    statements compiled.
    """
    for package in packages:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Importing Alembic's environment runs migrations, and importing a `__main__` runs it.
            if not {"migrations", "__main__"} & set(module.name.split(".")):
                importlib.import_module(module.name)
    # Imported here, because `tests/repo/test_lazy_commands.py` checks which modules programs
    # import.
    from tests.server.world import make_world, publish_first  # noqa: PLC0415
    from tests.statements import share_statements  # noqa: PLC0415

    share_statements()
    with tempfile.TemporaryDirectory() as folder:
        publish_first(make_world(Path(folder) / "state"))
    gc.freeze()
