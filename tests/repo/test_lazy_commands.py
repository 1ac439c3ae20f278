"""A program imports only the command that it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hening.lazy_command import LazyCommand
from server.processes.child import IMPORTS
from tests.cases import case
from tests.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
LAZY_COMMANDS = {
    f"{program} {name}": command
    for program, cli in PROGRAMS.items()
    for name, command in cli.commands.items()
    if not command.hidden
}
#: Packages for serving, storing, signing and terminal output, which lists of commands, help and
#: usage errors do not need.
SLOW = {
    *("aiohttp", "alembic", "asyncio", "asyncpg", "cryptography", "jinja2", "nacl", "obstore"),
    *("pkcs11", "prometheus_client", "securesystemslib", "sqlalchemy", "structlog", "tuf"),
    *("urllib3", "uvloop"),
}
#: Groups that import the common modules of their commands.
WHOLE = {"cloud", "lab"}
#: Shows the help of every command, and lets each parse no arguments and a wrong one.
TRY_ALL = f"""
import contextlib, sys
import click
from hening.lazy_command import LazyCommand
from tests.programs import PROGRAMS

quiet = contextlib.redirect_stdout(None)

def walk(command, words):
    if isinstance(command, LazyCommand):
        command = command.load()
    command.get_help(click.Context(command, info_name=words))
    for arguments in ([], ["--no-such-option"]):
        with contextlib.suppress(click.UsageError, click.exceptions.Exit), quiet:
            command.make_context(words, arguments)
    for word, below in getattr(command, "commands", {{}}).items():
        if word not in {WHOLE}:
            walk(below, words + " " + word)

for program, command in PROGRAMS.items():
    walk(command, program)
    print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("module", "rare"),
    [
        ("server.full_node", {"alembic"}),
        ("server.app", {"sqlalchemy", "alembic"}),
        ("server.bootstrap", {"aiohttp", "alembic", "prometheus_client"}),
    ],
)
def test_imports_of_server(module, rare):
    """A server imports migration code only to migrate, and no database before it serves phones.

    Commands that publish import `bootstrap`, but run no server.
    """
    command = [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    said = set(done.stdout.split())
    assert module in said
    assert not rare & said


def test_imports_of_worker():
    """A worker imports neither rich nor asn1crypto, which would take a seventh of its start.

    Other packages import them if they are installed.
    """
    command = [sys.executable, "-P", "-c", f"{IMPORTS}; print(*sys.modules)"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    said = set(done.stdout.split())
    assert {"structlog", "securesystemslib.signer"} <= said
    assert not {"rich.console", "asn1crypto"} & said


def test_summaries_of_commands():
    """The summary is stored separately from its command, and has the same text."""
    for name, lazy in LAZY_COMMANDS.items():
        with case(name):
            assert isinstance(lazy, LazyCommand)
            command = lazy.load()
            assert command.name == name.split()[1]
            summary = lazy.get_short_help_str()
            assert " ".join(command.help.split()).startswith(summary.removesuffix("."))


def test_imports_of_help_and_usage_errors():
    """Help and usage errors import no slow package; a new process runs those of all commands."""
    done = subprocess.run(
        [sys.executable, "-c", TRY_ALL], capture_output=True, text=True, check=True
    )
    for program, line in zip(PROGRAMS, done.stdout.splitlines(), strict=True):
        assert not SLOW & set(line.split()), program


def test_imports_of_poll():
    """The modules of lab and fleet take longer to import than those of a phone."""
    script = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from client_sim.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", script, "poll", "--help"]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stderr.split())
    assert "client_sim.device.update_commands" in loaded
    assert not loaded & {"client_sim.lab.commands", "client_sim.fleet.commands", *SLOW}
