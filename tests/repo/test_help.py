"""Every command has a help text with a valid example."""

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.cases import case
from tests.programs import PROGRAMS, find, walk

README = Path(__file__).parents[2] / "README.md"


COMMANDS = {
    " ".join((program, *words)): command
    for program, cli in PROGRAMS.items()
    for words, command in walk(cli)
    if not isinstance(command, click.Group)
}


# Options of a group, which are between its name and the command's.
GROUP_OPTIONS = {"hening-device tuf": find("hening-device", "tuf").params}


def inherited(name):
    """Return the options that a command's group takes before the command."""
    return GROUP_OPTIONS.get(name.rpartition(" ")[0], [])


def example_of(name):
    """Return the example's only line, without the group's options."""
    example = re.sub(r"\s+", " ", help_of(name).split("Example:")[1]).strip()
    takes = "|".join(option for parameter in inherited(name) for option in parameter.opts)
    return example, re.sub(rf"(?:{takes}) \S+ (?:\\ )?", "", example) if takes else example


def help_of(name):
    """Return the output of `--help`."""
    command = COMMANDS[name]
    return command.get_help(click.Context(command, info_name=name))


def test_help_has_summary_and_example():
    """The help begins with a sentence, and the example begins with the command."""
    for name in COMMANDS:
        with case(name):
            assert re.search(r"\n\n  [A-Z][^\n]+", help_of(name))
            assert example_of(name)[1].startswith(name)


def test_options_in_examples_exist():
    """Every option in an example exists in its command, and all required options are given."""
    for name, command in COMMANDS.items():
        with case(name):
            example = example_of(name)[0].replace("- ", "-").replace("\\ ", "")
            parameters = [*command.params, *inherited(name)]
            known = {option for parameter in parameters for option in parameter.opts}
            used = {word.split("=")[0] for word in shlex.split(example) if word.startswith("--")}
            assert used <= known
            needed = {each.opts[0] for each in parameters if each.required and each.opts}
            assert {option for option in needed if option.startswith("--")} <= used


def test_every_option_has_a_help_text():
    """`--help` explains every option."""
    for name, command in COMMANDS.items():
        with case(name):
            silent = [
                parameter.opts[0]
                for parameter in [*command.params, *inherited(name)]
                if isinstance(parameter, click.Option) and not parameter.help
            ]
            assert silent == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_readme_lists_every_command(program):
    """The README's table of tools lists every command of a program, and no other."""
    (row,) = re.findall(
        rf"^\| `{program}` \|.*\| (.*) \|$", README.read_text("utf-8"), re.MULTILINE
    )
    listed = {words.split()[0] for words in re.findall(r"`([^`]+)`", row)}
    shown = {name for name, each in PROGRAMS[program].commands.items() if not each.hidden}
    assert listed == shown
