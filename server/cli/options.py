"""Options and functions that commands share: state, settings, shell completion, the time."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from server.core.errors import HeningError
from server.core.names import decode_release_path, is_codename
from server.place_options import find_completed, place_option
from server.settings import Node, Settings, load_settings
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

STATE = place_option("state", type=click.Path(path_type=Path), help="The server's state folder.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")

CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True),
    help="A TOML file.  [default: STATE/settings.toml, if it exists]",
)


def read_settings(
    state: Path, config: Path | None = None, **overrides: str | int | bool | None
) -> Settings:
    """Read settings from `config` or the state folder, then variables, then `overrides`."""
    file = settings_file(state, config)
    return load_settings(file if file.exists() else None, os.environ, **overrides)


def settings_file(state: Path, config: Path | None = None) -> Path:
    """Return the settings file: `config`, or that of the state folder, which may be missing."""
    return StateFolder(state).settings if config is None else config


def open_state(state: Path, settings: Settings | None = None) -> StateFolder:
    """Return the state folder with its database, whether or not they exist.

    Raises StorageError for an incomplete backup.
    """
    chosen = read_settings(state) if settings is None else settings
    tree = None
    if chosen.tree_url:
        from server.stores import open_tree_place

        tree = open_tree_place(chosen)
    folder = StateFolder(state, chosen.database_url, chosen.keys_socket, tree)
    if folder.incomplete.exists():
        raise StorageError(
            f"{state} is an incomplete backup: run `hening-server backup` into it again, or use"
            " another copy."
        )
    return folder


def check_has_database(state: Path, settings: Settings) -> None:
    """Raise StorageError for a device node, which can only serve phones."""
    if settings.node is Node.DEVICE:
        raise StorageError(
            f"{state} belongs to a device node, which has no database and no keys: run this"
            " command on a publisher or control node."
        )


def require_state(
    state: Path, settings: Settings | None = None, *, newest: bool = True
) -> StateFolder:
    """Return the state folder; raises StorageError without `init`, or on a device node.

    With `newest` its copy of a shared tree, if any, is updated.
    """
    chosen = read_settings(state) if settings is None else settings
    check_has_database(state, chosen)
    folder = open_state(state, chosen)
    is_lost = folder.database == folder.sqlite and not folder.sqlite.exists()
    if is_lost and folder.public.exists():
        raise StorageError(
            f"the database of {state} is gone: restore it, or run `hening-server rebuild`."
        )
    if is_lost or not folder.incoming.is_dir():
        raise StorageError(f"there is no server state in {state}: run `hening-server init` first.")
    if newest and folder.tree is not None:
        from server.storage.s3_tree import open_s3_tree

        open_s3_tree(folder).follow()
    return folder


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def complete_channel(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the channels of the state's builds that begin with `incomplete`."""
    from server.publisher.published import load_published

    state = find_completed(context, "state")
    if state is None:
        return []
    try:
        published = load_published(StateFolder(state).public)
    except (HeningError, OSError):  # reported when the command runs
        return []
    roles = {} if published is None else published.roles
    paths = [path for name, role in roles.items() if is_codename(name) for path in role.targets]
    channels = {str(decode_release_path(path)[0]) for path in paths}
    return sorted(channel for channel in channels if channel.startswith(incomplete))
