"""Options that several commands share, and the clock, which is read here and nowhere else."""

from datetime import UTC, datetime
from pathlib import Path

import click

from server.storage.errors import StorageError
from server.storage.layout import StateFolder

STATE = click.option(
    "--state", required=True, type=click.Path(path_type=Path), help="The server's state folder."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")

CONFIG = click.option("--config", type=click.Path(path_type=Path, exists=True), help="A TOML file.")


def require_state(state: Path) -> StateFolder:
    """Return the state folder; raises StorageError where `init` was never run."""
    folder = StateFolder(state)
    if not folder.database.exists():
        raise StorageError(f"there is no server state in {state}: run `hening-server init` first.")
    return folder


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
