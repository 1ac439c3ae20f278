"""`cloud policy`: versions of the region's policy. `cloud breach`: notices of breaches."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hening.times import UTC_TIMES, show_time
from server.cli.cloud_folder import (
    FOLDER,
    PEPPER,
    epoch,
    load_settings,
    open_peppers,
    run_in_cloud,
)
from server.cli.options import JSON
from server.core.cloud_policy import Policy, decode_policy
from server.core.errors import FormatError
from server.core.note import MAX_NOTE, decode_verifier_key
from server.storage.bounded import read_bounded

if TYPE_CHECKING:
    from server.storage.database import Sessions

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TEXTS = click.option(
    "--text",
    "texts",
    multiple=True,
    metavar="LOCALE=FILE",
    help="The text that owners see, as it was signed; once for each language.",
)
MAX_TEXT = 65_536


@dataclass(frozen=True, slots=True)
class GivenPolicy:
    """A signed policy, its texts, its key, and the country where the cloud stores its data."""

    note: bytes | None
    texts: dict[str, bytes]
    key: str
    country: str

    @property
    def settings(self) -> dict[str, str]:
        """The settings that follow from the given options."""
        found = {"policy_key": self.key, "country": self.country}
        return {name: value for name, value in found.items() if value}

    def check(self, region: str) -> None:
        """Raise FormatError or LogError for a policy of another region, or of another key."""
        if self.note is None:
            return
        policy = decode_policy(self.note, decode_verifier_key(self.key))
        if policy.region != region:
            raise FormatError(f"the policy is for {policy.region}, but this cloud is for {region}.")

    def accept(self, folder: Path, pepper: Path | None) -> Policy:
        """Store the policy in the database of an existing cloud."""
        # Imported here, because they import SQLAlchemy.
        from server.cloud.law.policies import accept_policy, check_policy

        settings = load_settings(folder)
        if not settings.policy_key:
            raise FormatError(
                f"{folder} has no policy_key: set it in cloud.toml to the key that signs policies."
            )
        # A rotation of the pepper does not change the key of receipts.
        receipts = open_peppers(pepper, settings)[0].receipt_key
        note = self.note or b""
        policy = check_policy(
            note,
            self.texts,
            decode_verifier_key(settings.policy_key),
            region=settings.region,
            country=settings.country,
            receipts=receipts,
        )

        async def work(database: "Sessions") -> None:
            async with database.begin() as db:
                await accept_policy(db, note, policy, self.texts, epoch())

        run_in_cloud(folder, settings, work)
        return policy


def policy_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a policy to a command, which gets them as `given`."""

    @wraps(command)
    def run(
        policy: Path | None,
        policy_key: str | None,
        texts: tuple[str, ...],
        country: str | None,
        **options: Any,
    ) -> None:
        if policy is not None and policy_key is None:
            raise click.UsageError("--policy is checked by --policy-key; give both.")
        note = None if policy is None else read_bounded(policy, MAX_NOTE)
        if note is not None and policy_key is not None and country is None:
            country = decode_policy(note, decode_verifier_key(policy_key)).country
        given = GivenPolicy(note, read_texts(texts), policy_key or "", country or "")
        command(given=given, **options)

    for option in (
        click.option(
            "--country",
            metavar="XX",
            help="The country where this cloud stores its data.  [default: the policy's]",
        ),
        TEXTS,
        click.option("--policy-key", metavar="KEY", help="The key that signs the policies."),
        click.option("--policy", type=FILE, help="The region's policy, signed offline."),
    ):
        run = option(run)
    return run


def read_texts(texts: tuple[str, ...]) -> dict[str, bytes]:
    """Read the files of `--text`; raises UsageError unless each is LOCALE=FILE."""
    found: dict[str, bytes] = {}
    for each in texts:
        locale, equals, path = each.partition("=")
        if not locale or not equals or not Path(path).is_file() or locale in found:
            raise click.UsageError(f"--text {each}: give LOCALE=FILE, once for each language.")
        found[locale] = read_bounded(Path(path), MAX_TEXT)
    return found


@click.group("policy", epilog="Example: hening-server cloud policy list --folder /srv/cloud")
def policy_group() -> None:
    """Accept versions of the region's policy, and list them."""


@policy_group.command(
    epilog="Example: hening-server cloud policy accept id-2.policy --text en=id.en.md --folder"
    " /srv/cloud --pepper /etc/hening/cloud-pepper"
)
@click.argument("file", type=FILE, metavar="POLICY")
@TEXTS
@FOLDER
@PEPPER
@UTC_TIMES
def accept(file: Path, texts: tuple[str, ...], folder: Path, pepper: Path | None) -> None:
    """Accept a newer version of the policy. It is in force from its start on.

    From then on uploads are refused until the owner has agreed to it. Downloads, export and erasure
    continue. Running nodes notice it within half a minute.
    """
    given = GivenPolicy(read_bounded(file, MAX_NOTE), read_texts(texts), "", "")
    policy = given.accept(folder, pepper)
    click.echo(
        f"Version {policy.version} of the policy of {policy.region} is in force from"
        f" {show_time(policy.starts)} on."
    )


@policy_group.command("list", epilog="Example: hening-server cloud policy list --folder /srv/cloud")
@FOLDER
@UTC_TIMES
@JSON
def list_all(folder: Path, as_json: bool) -> None:
    """List the versions of the policy, and show which one is in force."""
    from server.cloud.law.policies import Policies
    from server.tables import print_table

    settings = load_settings(folder)

    async def work(database: "Sessions") -> list[Policy]:
        found = await Policies(database, settings.policy_key).load(epoch())
        return [each.policy for each in found]

    policies = run_in_cloud(folder, settings, work)
    started = [each.version for each in policies if each.starts <= epoch()]
    holds = max(started, default=0)
    if as_json:
        rows = [
            {"version": each.version, "from": each.starts, "holds": each.version == holds}
            for each in policies
        ]
        click.echo(json.dumps({"policies": rows, "region": settings.region}))
        return
    print_table(
        f"Policies of {settings.region}",
        ("version", "from", "in force"),
        [
            (str(each.version), show_time(each.starts), "yes" if each.version == holds else "")
            for each in policies
        ],
        "There is no policy, so uploads are refused: `hening-server cloud policy accept`.",
    )


@click.group("breach", epilog="Example: hening-server cloud breach found --folder /srv/cloud")
def breach_group() -> None:
    """Record breaches, and notify owners within the hours of the policy."""


@breach_group.command(epilog="Example: hening-server cloud breach found --folder /srv/cloud")
@FOLDER
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M"]),
    help="When the breach was found, in UTC.  [default: now]",
)
@UTC_TIMES
def found(folder: Path, at: datetime | None) -> None:
    """Record a breach; the server raises an alarm until owners are notified."""
    from server.cloud.law.notices import note_breach
    from server.cloud.law.policies import Policies

    moment = epoch() if at is None else int(at.replace(tzinfo=UTC).timestamp())
    settings = load_settings(folder)

    async def work(database: "Sessions") -> tuple[int, int | None]:
        signed = await Policies(database, settings.policy_key).current(epoch())
        async with database.begin() as db:
            number = await note_breach(db, moment, "")
        hours = None if signed is None else signed.policy.hours.breach_notice
        return number, hours

    number, hours = run_in_cloud(folder, settings, work)
    click.echo(f"Breach {number} was found on {show_time(moment)}.")
    if hours is not None:
        click.echo(f"Notify owners by {show_time(moment + hours * 60 * 60)}.")
    click.echo(f'Next: hening-server cloud breach tell {number} "TEXT" --folder {folder}')


@breach_group.command(
    epilog='Example: hening-server cloud breach tell 1 "A copy of the database was stolen; change'
    ' your password." --folder /srv/cloud'
)
@click.argument("number", type=click.IntRange(1))
@click.argument("text")
@FOLDER
def tell(number: int, text: str, folder: Path) -> None:
    """Notify owners of a breach: their devices and their pages show TEXT from now on."""
    from server.cloud.law.notices import tell_breach

    if not text.strip() or len(text) > 2000 or not text.isprintable():
        raise click.UsageError("TEXT is one line of 1 to 2,000 characters.")

    async def work(database: "Sessions") -> None:
        async with database.begin() as db:
            await tell_breach(db, number, text, epoch())

    run_in_cloud(folder, load_settings(folder), work)
    click.echo(f"Owners are notified of breach {number} from now on.")
