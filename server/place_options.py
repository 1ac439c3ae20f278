"""Options that name a folder, and their defaults.

hening-server and hening-signer share them. hening-device does not use them: it simulates a phone of
another person, so the operator's folders do not apply to it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from server.places import FILE, VARIABLES, Place, Places, PlacesError

_F = TypeVar("_F", bound=Callable[..., Any])


def place_option(
    name: str,
    *declarations: str,
    type: click.Path,  # noqa: A002 - as click calls it
    help: str,  # noqa: A002
    required: bool = True,
) -> Callable[[_F], _F]:
    """Add the option `--NAME` to a command, with its defaults from a variable or `hening.toml`.

    NAME is as in `Places.find`. If no folder is found, a required option is a usage error, and any
    other option is None.
    """
    variable = VARIABLES.get(name, VARIABLES["state"])
    beyond = "/incoming" if name == "out" else ""

    def default() -> Path | None:
        context = click.get_current_context()
        if context.resilient_parsing:  # for shell completion, of a line that is still incomplete
            return None
        found = _find(_places(), name)
        if found is None and required:
            raise click.UsageError(
                f"Missing option '--{name}': give it, set {variable}, or work in a folder with a"
                f" {FILE} that names it, or below one.",
                context,
            )
        return None if found is None else found.path

    return click.option(
        f"--{name}",
        *declarations,
        type=type,
        default=default,
        help=f"{help}  [default: {variable}{beyond}, or what {FILE} says]",
    )


def find_completed(context: click.Context, name: str) -> Path | None:
    """Return the folder of `--NAME` for shell completion, given or found, if any."""
    given: Path | None = context.params.get(name)
    if given is not None:
        return given
    try:
        found = _places().find(name)
    except PlacesError:  # reported when the command runs
        return None
    return None if found is None else found.path


def is_given(name: str) -> bool:
    """Return whether the running command's parameter `name` was given on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def explain_option(command: _F) -> _F:
    """Add `--explain-settings` to a program: the values of the options above, and their sources."""
    return click.option(
        "--explain-settings",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_explain,
        help="Show which folders are used here if no option names them, and exit.",
    )(command)


def _explain(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if not is_asked or context.resilient_parsing:
        return
    places = _places()
    for name in (*VARIABLES, "out"):
        found = _find(places, name)
        click.echo(f"--{name:<6}{'no folder: give the option' if found is None else found.path}")
        if found is not None:
            click.echo(f"        from {found.source}")
    click.echo(f"An option takes precedence over a variable, and a variable over {FILE}.")
    context.exit()


def _places() -> Places:
    return Places(os.environ, Path.cwd(), os.geteuid())


def _find(places: Places, name: str) -> Place | None:
    try:
        return places.find(name)
    except PlacesError as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from error
