"""The three programs, and their commands once they are imported."""

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
    """Import all modules of packages, those that functions import as well, and use a database once.

    A forked process that has them starts in 0.02 instead of up to 1.5 seconds.
    """
    import asyncio  # noqa: PLC0415 - as in `_use_database`

    for package in packages:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Alembic runs migrations, and a `__main__` runs when it is imported.
            if not {"migrations", "__main__"} & set(module.name.split(".")):
                importlib.import_module(module.name)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_use_database(Path(folder) / "hening.sqlite"))
    gc.freeze()


async def _use_database(place):
    """Have SQLAlchemy and Alembic import and prepare what they need."""
    # Imported here, because `tests/repo/test_lazy_commands.py` looks at what programs import.
    from server.storage.control_models import Account  # noqa: PLC0415
    from server.storage.database import open_database  # noqa: PLC0415

    async with open_database(place) as sessions, sessions() as session:
        await session.get(Account, "ani")
