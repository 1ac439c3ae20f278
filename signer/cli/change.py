"""The last step of every command that changes metadata: write a proposal, or sign and submit.

--propose FILE              write a proposal; nothing is signed and nothing else is written
--keys DIR --out DIR        sign with the available keys, accept and submit to the server
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hening.times import UTC_TIMES
from server.place_options import is_given, place_option
from signer.cli.output import (
    Steps,
    json_option,
    print_json,
    print_review,
    progress_bar,
    review_json,
)
from signer.cli.parameters import FOLDER
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.runtime import Runtime, open_keystore
from signer.durable import write_once

if TYPE_CHECKING:
    from tuf.api.metadata import Root, Targets

    from signer.bundle_writer import Blob
    from signer.keys.public_key import PublicKey
    from signer.proposal.propose import Proposed
    from signer.proposal.submission import Submitted
    from signer.work_folder import WorkFolder

NEW_FILE = click.Path(dir_okay=False, path_type=Path)
out_option = place_option(
    "out",
    type=FOLDER,
    required=False,
    help="The server's `incoming` folder: sign and submit directly.",
)
propose_option = click.option(
    "--propose", type=NEW_FILE, metavar="FILE", help="Write a proposal, sign nothing."
)


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of a change, from a command's options; either `propose` or `out` is set."""

    runtime: Runtime
    repo: Path
    propose: Path | None
    note: str
    keys: Path | None
    out: Path | None
    passphrase_fd: int | None
    as_json: bool

    @property
    def now(self) -> datetime:
        """The time at which the command began."""
        return self.runtime.now

    @property
    def folder(self) -> WorkFolder:
        """The working folder."""
        from signer.work_folder import WorkFolder

        return WorkFolder(self.repo)

    def load_role(self, role: str) -> Targets:
        """Return the current version of a delegated role; root and targets must not be expired."""
        from signer.signing import load_delegated, load_trusted

        return load_delegated(self.folder, load_trusted(self.folder, self.now), role)[1]

    def load_public_keys(self) -> list[PublicKey]:
        """Return the public keys in the key folder, which give key ids their names."""
        return [] if self.keys is None else open_keystore(self.keys).load_public_keys()


def change_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options for the destination of its change, as `destination`."""

    @json_option
    @wraps(command)
    def run(
        *,
        repo: Path,
        propose: Path | None,
        note: str,
        keys: Path | None,
        out: Path | None,
        passphrase_fd: int | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        from signer.proposal.submission import complete_kept

        if propose is not None and not is_given("out"):
            out = None
        if (propose is None) == (out is None):
            raise click.UsageError(
                "Give --propose FILE, for several people to sign, or --keys and --out, to sign with"
                " the keys of this machine."
            )
        if out is not None and keys is None:
            raise click.UsageError("Give --keys, too: the folder of the keys to sign with.")
        runtime = click.get_current_context().find_object(Runtime)
        assert runtime is not None
        destination = Destination(runtime, repo, propose, note, keys, out, passphrase_fd, as_json)
        if out is not None and (completed := complete_kept(destination.folder, out)):
            _report_completed(completed, out, as_json=as_json)
            return
        command(destination=destination, **options)

    for option in (
        UTC_TIMES,
        click.option("--note", default="", help="The reason, shown to the signers."),
        passphrase_option,
        out_option,
        place_option("keys", type=FOLDER, required=False, help="The folder of key files."),
        propose_option,
        place_option("repo", type=FOLDER, help="The working folder."),
    ):
        run = option(run)
    return run


def _report_completed(completed: list[Submitted], out: Path, *, as_json: bool) -> None:
    """Report the proposals of an interrupted command, which are submitted instead of the change."""
    if as_json:
        print_json(
            {
                "completed": [
                    {"bundle": each.bundle, "versions": dict(each.versions)} for each in completed
                ]
            }
        )
        return
    for each in completed:
        click.echo(
            f"Completed an interrupted command: submitted {describe_versions(each.versions)};"
            f" bundle {each.bundle} is in {out}."
        )
    click.echo("Nothing else was done; if you wanted something else, run the command again.")


def describe_versions(versions: Mapping[str, int]) -> str:
    """Return role versions as text, such as `root 2, armani 5`."""
    return ", ".join(f"{role} {version}" for role, version in versions.items())


def finish_change(
    destination: Destination,
    roles: Mapping[str, Root | Targets],
    packages: Sequence[Blob] = (),
    remarks: Sequence[str] = (),
) -> None:
    """Propose the next versions of `roles`, or sign and submit them, and print their review.

    `packages` are the files that they add, `remarks` the command's own sentences on the change.
    """
    from server.core.release_texts import MAX_NOTE
    from signer.proposal.document import Change
    from signer.proposal.propose import propose_change
    from signer.proposal.review import review_transition

    if len(destination.note) > MAX_NOTE:
        raise click.UsageError(f"--note has more than {MAX_NOTE} characters.")
    as_json = destination.as_json
    steps = Steps(destination.runtime.monotonic)
    with steps.step("judging"):
        keys = destination.load_public_keys()
        change = Change(roles, tuple(packages))
        proposed = propose_change(
            destination.folder, change, keys, destination.now, destination.note
        )
    reviews = review_transition(proposed.transition, proposed.proposal.names, destination.now)
    value: dict[str, Any] = {
        "proposal": proposed.identity,
        "roles": [review_json(r) for r in reviews],
    }
    if remarks:
        value["remarks"] = list(remarks)
    if not as_json:
        for remark in remarks:
            click.echo(remark)
        print_review(reviews)
    if destination.propose is not None:
        write_once(destination.propose, proposed.data)
        if not as_json:
            click.echo(
                f"Wrote proposal {proposed.identity[:16]} to {destination.propose}. Next, each"
                " holder runs `ceremony review` and `ceremony sign` with it."
            )
    else:
        paths = [package.path for package in packages]
        value["bundle"] = _sign(destination, proposed, paths, steps)
    if as_json:
        print_json({**value, "seconds": steps.seconds})
    else:
        steps.print()


def _sign(destination: Destination, proposed: Proposed, packages: list[Path], steps: Steps) -> str:
    from signer.proposal.submission import sign_at_once

    assert destination.out is not None
    assert destination.keys is not None
    with steps.step("signing and handing over"), progress_bar("Copying packages") as progress:
        submitted = sign_at_once(
            destination.folder,
            open_keystore(destination.keys),
            Passphrases(destination.passphrase_fd, destination.runtime.environment),
            proposed,
            packages,
            destination.out,
            progress,
        )
    if not destination.as_json:
        signed = describe_versions(submitted.versions)
        click.echo(f"Signed {signed}; bundle {submitted.bundle} is in {destination.out}.")
    return submitted.bundle
