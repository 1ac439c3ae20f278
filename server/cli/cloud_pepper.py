"""`cloud pepper`: rotates the pepper, or restores it from paper."""

import os
import sys
from pathlib import Path

import click

from server.cli.cloud_folder import (
    ESCROW_TO,
    FOLDER,
    PEPPER,
    find_pepper,
    load_settings,
    print_escrow,
    run_in_cloud,
)
from server.cloud.pepper.file import begin_rotation, decode_escrow, load_pepper, write_pepper
from server.storage.errors import StorageError


@click.group()
def pepper() -> None:
    """Rotate the pepper, or restore it from paper."""


@pepper.command(
    epilog="Example: hening-server cloud pepper rotate --folder /var/lib/hening-cloud --pepper"
    " /etc/hening/cloud-pepper"
)
@FOLDER
@PEPPER
@ESCROW_TO
def rotate(folder: Path, pepper: Path | None, recipient: str | None) -> None:
    """Replace the pepper, and seal everything under the new one.

    Stop the service on every node first: a running node refuses logins until it is restarted. An
    interrupted rotation continues when this command is run again.
    """
    # Imported here, because it imports SQLAlchemy.
    from server.cloud.pepper.rotation import choose_secrets, seal_again

    path, settings = find_pepper(pepper), load_settings(folder)
    read = load_pepper(path, os.geteuid())
    candidates = read.candidates(settings.region, os.urandom)
    run_in_cloud(folder, settings, lambda database: choose_secrets(database, candidates))
    rotation = begin_rotation(path, read, os.urandom)
    click.echo("The new pepper is in force when this command ends.")
    print_escrow(rotation.rotated(), recipient)
    former, following = rotation.candidates(settings.region, os.urandom)
    count = run_in_cloud(folder, settings, lambda database: seal_again(database, former, following))
    write_pepper(path, rotation.rotated())
    click.echo(f"\n{count} rows are sealed under the new pepper, which is in {path}.")
    click.echo(
        "Next: destroy all copies of the former pepper, and start the service on every node."
    )


@pepper.command(
    epilog="Example: hening-server cloud pepper restore --folder /var/lib/hening-cloud --pepper"
    " /etc/hening/cloud-pepper < lines"
)
@FOLDER
@PEPPER
def restore(folder: Path, pepper: Path | None) -> None:
    """Make the pepper's file again from its lines on paper, typed or piped in.

    An empty line, or the end of the input, ends the lines. Decrypt lines that were sealed to an age
    key with `age --decrypt --identity KEY FILE`. The pepper must be the one of the database.
    """
    from server.cloud.pepper.rotation import choose_secrets

    path, settings = find_pepper(pepper), load_settings(folder)
    if os.path.lexists(path):
        raise StorageError(f"{path} exists already; nothing was changed.")
    if sys.stdin.isatty():
        click.echo("Type the lines as printed, and an empty line after them:", err=True)
    restored = decode_escrow(iter(lambda: sys.stdin.readline().strip(), ""))
    candidates = restored.candidates(settings.region, os.urandom)
    run_in_cloud(folder, settings, lambda database: choose_secrets(database, candidates))
    write_pepper(path, restored)
    click.echo(f"{path} holds the pepper again.")
