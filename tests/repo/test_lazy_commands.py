"""A program imports only the command that it runs."""

import subprocess
import sys

import pytest

from hening.lazy_command import LazyCommand
from tests.cases import case
from tests.programs import PROGRAMS

LAZY_COMMANDS = {
    f"{program} {name}": command
    for program, cli in PROGRAMS.items()
    for name, command in cli.commands.items()
    if not command.hidden
}
#: Packages for serving, storing, signing and drawing: lists of commands, help and usage errors do
#: not need them.
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

walk(PROGRAMS[sys.argv[1]], sys.argv[1])
print(*sys.modules)
"""
MODULES = {
    "hening-server": "server.cli",
    "hening-signer": "signer.cli",
    "hening-device": "client_sim.cli",
}


def imported_by(program, *arguments):
    """Return the modules that a program has imported when it ends."""
    script = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        f"from {MODULES[program]} import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_help_of_a_program_imports_no_command(program):
    """It lists all commands, and imports nothing slow for that."""
    assert not imported_by(program, "--help") & SLOW


def test_a_server_imports_what_migrates_databases_only_to_do_so():
    """Alembic would be a sixth of what a server imports, and databases are mostly current."""
    said = imported_with("server.full_node")
    assert "sqlalchemy" in said
    assert "alembic" not in said


def test_a_server_imports_no_database_before_it_serves_phones():
    """`server.app` imports what publishes only when phones are answered."""
    assert "sqlalchemy" not in imported_with("server.app")


def imported_with(module):
    """Return the modules that a new process has after importing one."""
    command = [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.split())


def test_the_list_of_commands_shows_the_beginning_of_a_command_s_help():
    """The summary is stored separately from its command, and has the same text."""
    for name, lazy in LAZY_COMMANDS.items():
        with case(name):
            assert isinstance(lazy, LazyCommand)
            command = lazy.load()
            assert command.name == name.split()[1]
            summary = lazy.get_short_help_str()
            assert " ".join(command.help.split()).startswith(summary.removesuffix("."))


@pytest.mark.parametrize("program", PROGRAMS)
def test_neither_help_nor_wrong_arguments_import_what_a_command_works_with(program):
    """Each runs in a new process: start-up time matters to people and scripts."""
    done = subprocess.run(
        [sys.executable, "-c", TRY_ALL, program], capture_output=True, text=True, check=True
    )
    assert not SLOW & set(done.stdout.split())


def test_a_poll_imports_neither_lab_nor_fleet():
    """The modules of lab and fleet take longer to import than those of a phone."""
    loaded = imported_by("hening-device", "poll", "--help")
    assert "client_sim.device.update_commands" in loaded
    assert not loaded & {"client_sim.lab.commands", "client_sim.fleet.commands"}
