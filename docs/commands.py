"""Write the reference pages of the three programs, from their own help.

`python -m docs.commands` writes `docs/reference/hening-*.md`; a test compares them with the code.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click

import client_sim.cli
import server.cli
import signer.cli
from hening.lazy_command import LazyCommand

FOLDER = Path(__file__).parent / "reference"
PROGRAMS: dict[str, click.Command] = {
    "hening-server": server.cli.cli,
    "hening-signer": signer.cli.cli,
    "hening-device": client_sim.cli.cli,
}


def _walk(
    command: click.Command, name: str, above: click.Context | None = None
) -> Iterator[tuple[str, click.Context]]:
    """Yield the context of a command and those below it, each with the words that call it."""
    if isinstance(command, LazyCommand):
        command = command.load()
    context = click.Context(command, above, name, **command.context_settings)
    yield name, context
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            if not below.hidden:
                yield from _walk(below, f"{name} {word}", context)


def _cell(text: str) -> str:
    """Return text as a cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").strip()


def _section(name: str, context: click.Context, level: int) -> str:
    """Return what `--help` says, as a section."""
    command = context.command
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"{'#' * level} {name}", "", f"`{name} {usage}`", ""]
    for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()):
        lines += [_cell(paragraph).replace("\\|", "|"), ""]
    records = [each.get_help_record(context) for each in command.get_params(context)]
    options = [each for each in records if each and each[1] and "--help" not in each[0]]
    if options:
        lines += ["| option | meaning |", "| --- | --- |"]
        lines += [f"| `{option}` | {_cell(meaning)} |" for option, meaning in options]
        lines.append("")
    if command.epilog and "Example:" in command.epilog and not isinstance(command, click.Group):
        example = re.sub(r"\s+", " ", command.epilog.split("Example:")[1].replace("\\\n", " "))
        lines += ["```", example.strip(), "```", ""]
    return "\n".join(lines)


def write_page(program: str) -> str:
    """Return the page of a program."""
    sections = [
        _section(name, context, 1 if name == program else 2)
        for name, context in _walk(PROGRAMS[program], program)
    ]
    return "\n".join([*sections, "<!-- Written by `make reference`. -->\n"])


if __name__ == "__main__":
    for program in PROGRAMS:
        (FOLDER / f"{program}.md").write_text(write_page(program), encoding="utf-8")
