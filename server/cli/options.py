"""Options that several commands share, and the clock, which is read here and nowhere else."""

from datetime import UTC, datetime
from pathlib import Path

import click

STATE = click.option(
    "--state", required=True, type=click.Path(path_type=Path), help="The server's state folder."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
