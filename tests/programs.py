"""The three programs, and what their commands are once they are imported."""

import click

import client_sim.cli
import client_sim.lazy_command
import server.cli
import server.lazy_command
import signer.cli

PROGRAMS = {
    "hening-server": server.cli.cli,
    "hening-signer": signer.cli.cli,
    "hening-device": client_sim.cli.cli,
}
LAZY = server.lazy_command.LazyCommand | client_sim.lazy_command.LazyCommand


def walk(command, *words):
    """Yield the words and the command itself of a command and of all that are below it."""
    if isinstance(command, LAZY):
        command = command.load()
    yield words, command
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield from walk(below, *words, word)


def find(program, *words):
    """Return the command that these words name."""
    return dict(walk(PROGRAMS[program]))[words]
