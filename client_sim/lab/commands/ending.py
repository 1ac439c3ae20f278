"""How a command of the lab ends where it cannot go on."""

from typing import NoReturn

import click


def fail(message: str, status: int) -> NoReturn:
    """Say what happened and what to do, and end with `status`: 1 a bad input, 3 surroundings."""
    click.echo(f"error: {message}", err=True)
    raise SystemExit(status)
