"""What a command says when it does not succeed."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from hening.times import use_utc
from server.core.content.invisible import escape_invisible
from server.core.errors import HeningError
from signer.cli.output import print_json
from signer.errors import SignerError

DONE, REFUSED, USAGE, FAILED, STOPPED = 0, 1, 2, 3, 130


def describe(error: SignerError | HeningError | OSError) -> str:
    """Return the one sentence that tells a person what happened and what to do."""
    if not isinstance(error, OSError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; mend that and run the command again."


def report(sentence: str) -> None:
    """Print a sentence on standard error, under the program's name."""
    click.echo(f"hening-signer: {escape_invisible(sentence, lines=True)}", err=True)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--json`, with which a failure is JSON on standard output, too."""

    @wraps(command)
    def run(*arguments: Any, as_json: bool, **options: Any) -> None:
        if as_json:
            use_utc()
        try:
            command(*arguments, as_json=as_json, **options)
        except (SignerError, HeningError, OSError) as error:
            if as_json:
                print_json({"error": describe(error)})
            raise

    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(run)
