"""The files that a quickstart makes, and the state of an earlier, unfinished run.

OUT/keys         the person's keys, 0700
SECOND           the second root key, if possible on another disk, 0700
OUT/repo         the working folder, with policy.toml
OUT/server       the server's state
OUT/hening.toml  names keys, repo and server, and is written last
OUT/unfinished   the parameters and the first proposal; exists until everything is made
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from signer.durable import write_new
from signer.errors import CeremonyError, EnvironmentFailedError

_RECORD = "quickstart.json"
_LIMIT = 16_384  # bytes of the record, which contains a codename and a path


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder `out` for the model `model`, and the folder `second` of the second root key."""

    out: Path
    second: Path
    model: str

    @property
    def keys(self) -> Path:
        """The key folder; all of its keys have the same passphrase."""
        return self.out / "keys"

    @property
    def repo(self) -> Path:
        """The working folder."""
        return self.out / "repo"

    @property
    def server(self) -> Path:
        """The server's state."""
        return self.out / "server"

    @property
    def settings(self) -> Path:
        """The settings file, which makes options such as --repo unnecessary."""
        return self.out / "hening.toml"

    @property
    def unfinished(self) -> Path:
        """The folder with the record and the first proposal; it exists until everything is made."""
        return self.out / "unfinished"

    @property
    def record(self) -> Path:
        """The record of the parameters; while this file exists, the quickstart is unfinished."""
        return self.unfinished / _RECORD

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the keys in `keys`, one for each role; root's second key is elsewhere."""
        return ("root-1", "targets-1", "tables-1", "content-1", f"{self.model}-1")

    @property
    def advice(self) -> str:
        """A sentence on how to continue after an interruption, without a full stop."""
        return (
            f"{self.out} is unfinished: run the same command again to continue, or remove"
            f" {self.made}"
        )

    @property
    def made(self) -> str:
        """The files to remove for a new start, as text; other files in `out` belong to the user."""
        return f"keys, repo, server and unfinished in {self.out}, and {self.second}"


def load_unfinished(out: Path) -> Layout | None:
    """Return the layout of an earlier quickstart in `out` that was not completed, if any."""
    try:
        with (out / "unfinished" / _RECORD).open("rb") as file:
            values = json.loads(file.read(_LIMIT))
        return Layout(out, Path(values["second"]), values["model"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CeremonyError(
            f"{out / 'unfinished' / _RECORD} is damaged; remove keys, repo, server and unfinished"
            f" in {out}, and start again."
        ) from error


def check_free(layout: Layout, unfinished: Layout | None) -> None:
    """Check that nothing exists where files are to be made.

    Raises CeremonyError for existing keys or an existing repository, and for an `unfinished`
    quickstart with other parameters.
    """
    if unfinished is not None:
        if unfinished != layout:
            raise CeremonyError(
                f"{layout.out} holds an unfinished quickstart of {unfinished.model} with its second"
                f" root key in {unfinished.second}; complete that one, or remove {unfinished.made}."
            )
        return
    if layout.second.resolve().is_relative_to(layout.out.resolve()):
        raise CeremonyError(
            f"{layout.second} is inside {layout.out}, and would be lost with it; name a folder"
            " elsewhere with --second-root, if possible on another disk."
        )
    for folder in (layout.keys, layout.second):
        if folder.is_dir() and any(folder.iterdir()):
            raise CeremonyError(
                f"{folder} is not empty, and keys are never made over others; nothing was changed."
                " Choose another folder with"
                f" {'--out' if folder == layout.keys else '--second-root'}."
            )
    for path in (layout.settings, layout.repo, layout.server):
        if os.path.lexists(path):
            raise CeremonyError(
                f"{path} already exists; nothing was changed. Choose another folder with --out."
            )


def check_writable(folder: Path, option: str) -> None:
    """Check that `folder`, given with `option`, can be made and written.

    A temporary folder is made in the part of the path that exists, and removed. Raises
    EnvironmentFailedError if that fails.
    """
    existing = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    try:
        with tempfile.TemporaryDirectory(prefix=".hening-", dir=existing):
            pass
    except OSError as error:
        raise EnvironmentFailedError(
            f"{folder} cannot be made or written ({error.strerror}); nothing was changed. Choose"
            f" another folder with {option}."
        ) from error


def record_begin(layout: Layout) -> None:
    """Record the parameters, so that an interrupted quickstart can be completed."""
    layout.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    layout.unfinished.mkdir(mode=0o700, exist_ok=True)
    record = {"model": layout.model, "second": str(layout.second)}
    write_new(layout.record, json.dumps(record).encode())
