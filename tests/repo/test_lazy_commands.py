"""A program imports the command that it runs, and no other."""

import subprocess
import sys

import pytest

from tests.programs import LAZY, PROGRAMS

LAZY_COMMANDS = {
    f"{program} {name}": command
    for program, cli in PROGRAMS.items()
    for name, command in cli.commands.items()
}
#: What takes long to import, and no list of commands needs.
SLOW = {
    *("aiohttp", "alembic", "asyncio", "cryptography.x509", "jinja2", "msgspec", "nacl", "obstore"),
    *("pkcs11", "prometheus_client", "sqlalchemy", "structlog", "tuf", "urllib3", "uvloop"),
}
#: What the API, the console, S3 and PostgreSQL need: a quarter of a second each, and no other
#: command's work. `run` serves all of it, and `check` judges its settings.
SERVING = {
    *("aiohttp", "asyncpg", "jinja2", "obstore", "prometheus_client", "uvloop"),
    *("server.release.api.operation", "server.console.site"),
}
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
    """It shows all of them, and nothing slow is imported for that."""
    assert not imported_by(program, "--help") & SLOW


@pytest.mark.parametrize("name", LAZY_COMMANDS)
def test_the_list_of_commands_shows_the_beginning_of_a_command_s_help(name):
    """A summary stands apart from its command, and says the same."""
    assert isinstance(LAZY_COMMANDS[name], LAZY)
    command = LAZY_COMMANDS[name].load()
    assert command.name == name.split()[1]
    summary = LAZY_COMMANDS[name].get_short_help_str()
    assert " ".join(command.help.split()).startswith(summary.removesuffix("."))


@pytest.mark.parametrize("name", sorted({*PROGRAMS["hening-server"].commands} - {"run", "check"}))
def test_a_command_imports_nothing_that_serves(name):
    """Each is a process of its own, which a script starts a hundred times."""
    assert not imported_by("hening-server", name, "--help") & SERVING


def test_a_poll_imports_neither_lab_nor_fleet():
    """What the lab and the fleet need takes longer to import than what a phone needs."""
    loaded = imported_by("hening-device", "poll", "--help")
    assert "client_sim.device.client" in loaded
    assert not loaded & {"client_sim.lab.commands", "client_sim.fleet.commands"}
