"""Option `--version`: prints the version, the commit and the Python version."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

DISTRIBUTION: Final = "hening"
#: Where `hatch_build.py` puts the commit in a wheel's metadata.
BAKED: Final = "extra_metadata/commit"
_SHOWN: Final = 12  # hexadecimal digits, as in git's abbreviations for large repositories


def version_option(program: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option `--version` of `program`."""

    def show(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            click.echo(describe_version(program))
            context.exit()

    return click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show version, commit and Python.",
    )


def find_version() -> str:
    """Return the installed version, such as `0.1.0`."""
    # Imported here, so that programs start sooner.
    from importlib.metadata import version  # noqa: PLC0415

    return version(DISTRIBUTION)


def describe_version(program: str) -> str:
    """Return the line that `--version` prints."""
    # Imported here, so that programs start sooner.
    from importlib.metadata import distribution  # noqa: PLC0415

    from hening.commit import ask_git  # noqa: PLC0415

    installed = distribution(DISTRIBUTION)
    commit = installed.read_text(BAKED) or ask_git(Path(__file__).parents[1])
    name, dash, changed = commit.strip().partition("-")
    known = f"commit {name[:_SHOWN]}{dash}{changed}" if name else "commit not known"
    return f"{program} {installed.version} ({known}, Python {sys.version.split()[0]})"
