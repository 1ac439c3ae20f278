"""`hening-device tuf`: lets a conformance suite for TUF clients drive the phone's trust code.

Contract: options come before the command; the exit status is 0 or 1; the metadata folder has the
trusted metadata of each role under a name without version; the system's clock is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import click

from client_sim.clock import read_clock
from client_sim.device.errors import DeviceError, StorageError

if TYPE_CHECKING:
    from client_sim.device.workflow import Workflow
    from client_sim.tuf.repository import Metadata

_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
_ROOT: Final = "role.root"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Options:
    metadata_dir: Path | None
    metadata_url: str | None
    target_names: tuple[str, ...]
    target_dir: Path | None
    target_base_url: str | None


class TwoStatusGroup(click.Group):
    """A group whose exit status is 0 or 1 for every error."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Read the group's options."""
        with _ending_with_one():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command after the options."""
        with _ending_with_one():
            return super().invoke(ctx)


@contextmanager
def _ending_with_one() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        _refuse(error.format_message())
    except (DeviceError, OSError) as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    click.echo(f"hening-device tuf: {message}", err=True)
    raise click.exceptions.Exit(1)


@click.group(
    "tuf",
    cls=TwoStatusGroup,
    epilog=("\b\nExit status: 0 done, 1 anything else.\n"),
)
@click.option("--metadata-dir", type=_FOLDER, help="Where trusted metadata is kept.")
@click.option("--metadata-url", metavar="URL", help="Where metadata is fetched.")
@click.option("--target-name", multiple=True, metavar="PATH", help="A target; may be repeated.")
@click.option("--target-dir", type=_FOLDER, help="Where targets are stored.")
@click.option("--target-base-url", metavar="URL", help="Where targets are fetched.")
@click.pass_context
def tuf(
    context: click.Context,
    metadata_dir: Path | None,
    metadata_url: str | None,
    target_name: tuple[str, ...],
    target_dir: Path | None,
    target_base_url: str | None,
) -> None:
    """Let a conformance suite for TUF clients test the phone's trust code.

    This is an ordinary TUF client around the phone's own state machine, without the rules that
    this system adds to TUF. No phone runs it, and its requests are not those of a phone.
    """
    context.obj = _Options(metadata_dir, metadata_url, target_name, target_dir, target_base_url)


@tuf.command(
    "init",
    epilog=("\b\nExample:\n  hening-device tuf --metadata-dir var/tuf init 1.root.json\n"),
)
@click.argument("root", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def init_command(options: _Options, root: Path) -> None:
    """Trust the root in a file; the next command verifies it."""
    from client_sim.device.workflow import ROOT_LIMIT
    from client_sim.tuf.repository import MetadataFolder

    with root.open("rb") as file:
        data = file.read(ROOT_LIMIT + 1)
    if len(data) > ROOT_LIMIT:
        raise StorageError(f"{root} is longer than {ROOT_LIMIT} bytes.")
    MetadataFolder(_need(options.metadata_dir, "--metadata-dir"))[_ROOT] = data


@tuf.command(
    "refresh",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device tuf --metadata-url http://127.0.0.1:8080/metadata/ \\\n"
        "      --metadata-dir var/tuf refresh\n"
    ),
)
@click.pass_obj
def refresh_command(options: _Options) -> None:
    """Update root, timestamp, snapshot and targets."""
    _refresh(options)


@tuf.command(
    "download",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device tuf --metadata-url http://127.0.0.1:8080/metadata/ \\\n"
        "      --metadata-dir var/tuf --target-name content/greetings/id.json \\\n"
        "      --target-dir var/targets --target-base-url http://127.0.0.1:8080/targets/ \\\n"
        "      download\n"
    ),
)
@click.pass_obj
def download_command(options: _Options) -> None:
    """Refresh, then fetch each target in turn; stop at the first failure."""
    from client_sim.tuf.repository import Web, find_target, load_target

    directory = _need(options.target_dir, "--target-dir")
    web = Web(_need(options.target_base_url, "--target-base-url"), read_clock)
    names = _need(options.target_names or None, "--target-name")
    source, workflow = _refresh(options)
    has_hash_names = bool(workflow.verified.root.consistent_snapshot)
    for name in names:
        target = find_target(source, workflow, name)
        load_target(web, target, directory, has_hash_names=has_hash_names)


def _refresh(options: _Options) -> tuple[Metadata, Workflow]:
    from client_sim.device.refresh import update_top_level
    from client_sim.device.workflow import Workflow
    from client_sim.tuf.repository import Metadata, MetadataFolder, Web

    source = Metadata(Web(_need(options.metadata_url, "--metadata-url"), read_clock))
    state = MetadataFolder(_need(options.metadata_dir, "--metadata-dir"))
    root = state.get(_ROOT)
    if root is None:
        raise StorageError("No root is trusted yet; begin with: hening-device tuf … init ROOT.")
    workflow = Workflow(root, state, now=read_clock())
    update_top_level(source, workflow)
    return source, workflow


def _need(value: _T | None, option: str) -> _T:
    if value is None:
        raise click.UsageError(f"Missing option '{option}'.")
    return value
