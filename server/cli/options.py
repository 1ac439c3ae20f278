"""What several commands share: options, what a shell offers for a channel, and the only clock."""

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
    help="A TOML file.  [default: STATE/settings.toml, where it is there]",
)


def read_settings(
    state: Path, config: Path | None = None, **overrides: str | int | bool | None
) -> Settings:
    """Read `config`, or else the state folder's own settings, variables, and `overrides`."""
    file = settings_file(state, config)
    return load_settings(file if file.exists() else None, os.environ, **overrides)


def settings_file(state: Path, config: Path | None = None) -> Path:
    """Return the file that settings are read from; the state folder's own may be missing."""
    return StateFolder(state).settings if config is None else config


def open_state(state: Path, settings: Settings | None = None) -> StateFolder:
    """Return the state folder with its database, whether or not they are there.

    Raises StorageError for a back-up that is not whole.
    """
    chosen = read_settings(state) if settings is None else settings
    tree = None
    if chosen.tree_url:
        from server.stores import open_tree_place

        tree = open_tree_place(chosen)
    folder = StateFolder(state, chosen.database_url, chosen.keys_socket, tree)
    if folder.incomplete.exists():
        raise StorageError(
            f"{state} is a back-up that was cut off: run `hening-server backup` into it again, or"
            " take another copy."
        )
    return folder


def check_has_database(state: Path, settings: Settings) -> None:
    """Raise StorageError for a device node, which serves phones and can do nothing else."""
    if settings.node is Node.DEVICE:
        raise StorageError(
            f"{state} is a device node's, without database and keys: give this command on a"
            " publisher or control node."
        )


def require_state(
    state: Path, settings: Settings | None = None, *, newest: bool = True
) -> StateFolder:
    """Return the state folder; raises StorageError where `init` was never run, or on a device node.

    Where it has a copy of a shared tree the copy is brought up to date, if `newest` says so.
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
    """Return the time."""
    return datetime.now(UTC)


def complete_channel(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the channels that the state's builds are in; none where no state is found."""
    from server.publisher.published import load_published

    state = find_completed(context, "state")
    if state is None:
        return []
    try:
        published = load_published(StateFolder(state).public)
    except (HeningError, OSError):  # said when the command runs
        return []
    roles = {} if published is None else published.roles
    paths = [path for name, role in roles.items() if is_codename(name) for path in role.targets]
    channels = {str(decode_release_path(path)[0]) for path in paths}
    return sorted(channel for channel in channels if channel.startswith(begun))
