"""`init` and `migrate`: make a state folder, and migrate its database to this version."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.database import record_once
from server.cli.options import STATE, now, open_state, read_settings, require_state
from server.publisher.errors import PublishError
from server.settings import Node
from server.storage.bounded import read_bounded
from server.storage.durable import make_folder, write_immutable
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

if TYPE_CHECKING:
    from tuf.api.metadata import Root


@click.command(epilog="Example: hening-server init --state var/server --log-origin rom.example/log")
@STATE
@click.option(
    "--log-origin",
    help="Name of the transparency log; it cannot be changed.  [default: hening.example/log]",
)
@click.option(
    "--root",
    "root_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Pin this root, the ceremony's 1.root.json.",
)
def init(state: Path, log_origin: str | None, root_file: Path | None) -> None:
    """Make the online keys; with --root, pin the root that all trust starts from.

    Run it once, give STATE/keys/public.json to the signers' ceremony, then run it again with the
    root that the ceremony made. Missing key files are made again; existing ones are not changed.
    """
    from server.core.metadata import check_expiry
    from server.core.profile import check_root
    from server.publisher.keys.choice import check_root_keys
    from server.publisher.keys.holder import load_keys
    from server.storage.database import migrate as migrate_database

    settings = read_settings(state)
    folder = open_state(state, settings)
    if settings.node is Node.DEVICE:
        _pin_for_device(folder, root_file)
        return
    if root_file is not None and not folder.keys.exists() and not folder.keys_socket:
        raise StorageError(f"there are no online keys in {state}: run `init` without --root first.")
    pinned = _read_root(folder.trusted_root)[1] if folder.trusted_root.exists() else None
    made, origin = _prepare_keys(folder, log_origin, pinned)
    migrate_database(folder.database)
    make_folder(folder.incoming)
    if made:
        record_once(folder, "server.init", "keys", {"made": made})
    if root_file is None:
        place = f"at {folder.keys_socket}" if folder.keys_socket else f"in {folder.keys}"
        click.echo(f"Online keys are {place}; the log is {origin}.")
        if made:
            click.echo(f"New keys: {', '.join(made)}.")
        click.echo(f"Take {folder.keys}/public.json to the {'signers' if pinned else 'ceremony'}.")
    else:
        data, root = _read_root(root_file)
        check_root(root)
        check_expiry("root", root, now())
        check_root_keys(root, load_keys(folder))
        _check_pinned(folder, data)
        if not folder.trusted_root.exists():
            sha256 = hashlib.sha256(data).hexdigest()
            record_once(folder, "server.pin", "root", {"version": root.version, "sha256": sha256})
        write_immutable(folder.trusted_root, data)
        click.echo(f"Root {root.version} is pinned; it is valid until {root.expires:%Y-%m-%d}.")


def _pin_for_device(folder: StateFolder, root_file: Path | None) -> None:
    """Pin the root of a device node, which has neither keys nor a database.

    It may be any root of the site, also an expired one, because later roots follow from it.
    """
    from server.core.profile import check_root

    if root_file is None:
        raise PublishError("a device node needs only the site's root: give it with --root.")
    data, root = _read_root(root_file)
    check_root(root)
    _check_pinned(folder, data)
    write_immutable(folder.trusted_root, data)
    click.echo(f"Root {root.version} is pinned.")


def _check_pinned(folder: StateFolder, data: bytes) -> None:
    if folder.trusted_root.exists() and folder.trusted_root.read_bytes() != data:
        raise PublishError(
            f"another root is pinned in {folder.root}; a server keeps its first root."
        )


def _prepare_keys(
    folder: StateFolder, log_origin: str | None, pinned: Root | None
) -> tuple[list[str], str]:
    """Make the missing keys, and return their names and the name of the log.

    If there is a key process, no keys are made, and its public halves are written to the state
    folder for the signers.
    """
    from server.core.profile import log_verifier
    from server.publisher.keys.key_socket import KeySocket
    from server.publisher.keys.online_keys import HOLDERS, create_online_keys, log_name

    if folder.keys_socket:
        process = KeySocket(folder)
        process.write_public()
        return [], process.load().log_verifier.name
    made = [name for name in HOLDERS if not (folder.keys / f"{name}.pem").exists()]
    create_online_keys(folder.keys, log_origin, log_verifier(pinned).name if pinned else "")
    return made, log_name(folder.keys)


def _read_root(file: Path) -> tuple[bytes, Root]:
    from server.core.metadata import ROOT_LIMIT, verify_first_root

    data = read_bounded(file, ROOT_LIMIT)
    return data, verify_first_root(data).signed


@click.command(epilog="Example: hening-server migrate --state var/server")
@STATE
@click.option("--backup-made", is_flag=True, help="The PostgreSQL database was backed up.")
def migrate(state: Path, backup_made: bool) -> None:
    """Migrate the database to this version.

    A copy of a SQLite file is kept beside it. A PostgreSQL database that is not empty is migrated
    only with --backup-made: make the backup first, with pg_dump.
    """
    from server.storage.database import migrate as migrate_database

    folder = require_state(state, newest=False)
    changed = migrate_database(folder.database, backup_made=backup_made)
    if changed:
        record_once(folder, "server.migrate", "database", {})
    click.echo("The database was migrated." if changed else "The database is up to date.")
