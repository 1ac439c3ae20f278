"""`hening-device cloud`: commands for the account, consent, recovery words and devices."""

from typing import TYPE_CHECKING

import click

from client_sim.cloud import data_commands, leave_commands
from client_sim.cloud.options import (
    AGE,
    GUARDIAN,
    LABEL,
    LOCALE,
    NAME,
    NEW_PASSWORD,
    PASSWORD,
    REGION,
    YES,
    Result,
    command,
)
from client_sim.device.options import format_date

if TYPE_CHECKING:
    from client_sim.cloud.account import Cloud


@click.group("cloud")
def cloud_group() -> None:
    """Keep an encrypted backup of contacts, notes, messages and photos.

    It is off until you log in and turn a type on. Records leave the phone only encrypted. Each
    command says what has left the phone.
    """


@command("regions", sends=False)
@click.option(
    "--add",
    nargs=3,
    metavar="NAME ORIGIN KEY",
    help="Add a region to the phone's image, as the factory does.",
)
def regions_command(cloud: "Cloud", add: tuple[str, str, str] | None) -> Result:
    """List the regions in the phone's image."""
    from client_sim.cloud.account import Region, store_regions
    from client_sim.cloud.web import parse_origin

    regions = dict(cloud.regions)
    if add is not None:
        parse_origin(add[1])
        regions[add[0]] = Region(*add)
        store_regions(cloud.phone, regions)
    lines = [f"{each.name}  {each.origin}" for each in regions.values()]
    message = "\n".join(lines) or "This phone's image has no cloud region."
    return Result({each.name: each.origin for each in regions.values()}, message)


@command("status", sends=False)
def status_command(cloud: "Cloud") -> Result:
    """Show which types are on, and how many records have not been sent."""
    from client_sim.cloud import TYPES
    from client_sim.cloud.sync import find_next

    store = cloud.store
    name = cloud.name if store.get("token") else None
    types = {
        kind: {"records": len(store.live(kind)), "waiting": len(store.changed(kind))}
        for kind in TYPES
    }
    due = find_next(cloud)
    lines = [f"Account: {name} in {cloud.region.name}" if name else "No account."]
    for kind, counts in types.items():
        state = "on " if kind in cloud.enabled_types else "off"
        lines.append(
            f"{kind + 's':<9} {state}  {counts['records']} on the phone,"
            f" {counts['waiting']} not sent"
        )
    lines.append("Next synchronisation: " + (format_date(due) if due else "not scheduled"))
    value = {"account": name, "on": list(cloud.enabled_types), "next_sync": due, "types": types}
    return Result(value, "\n".join(lines))


@command("policy", "--region id")
@REGION
@LOCALE
def policy_command(cloud: "Cloud", region: str, locale: str) -> Result:
    """Fetch a region's policy and show its signed text."""
    from client_sim.cloud.account import fetch_policy

    policy, text = fetch_policy(cloud, cloud.find_region(region), locale)
    terms = policy.terms
    message = (
        f"{text.rstrip()}\n\nVersion {terms.version} of {terms.region}, by"
        f" {terms.controller.name} ({terms.controller.contact}).\nAge: {terms.minimum_age},"
        f" below {terms.guardian_below} with a guardian. Erased within {terms.hours.erase} h,"
        f" from backups within {terms.days.backups} days.\nsha256 {policy.sha256}"
    )
    value = {"version": terms.version, "sha256": policy.sha256, "text": text}
    return Result(value, message, "the request for the policy")


@command("sign-up", "--region id --name ani-7fq2")
@REGION
@NAME
@NEW_PASSWORD
@LABEL
def sign_up_command(
    cloud: "Cloud", region: str, name: str, new_password: str, label: str
) -> Result:
    """Create an account; none of your data is uploaded."""
    from client_sim.cloud.account import sign_up

    sign_up(cloud, cloud.find_region(region), name, new_password, label)
    message = f"{name} is created; everything is off. Next: cloud consent, cloud words."
    sent = "the name, public keys, and keys and a label that only your phones can decrypt"
    return Result({"account": name}, message, sent)


@command("log-in", "--region id --name ani-7fq2")
@REGION
@NAME
@PASSWORD
@LABEL
def log_in_command(cloud: "Cloud", region: str, name: str, password: str, label: str) -> Result:
    """Log in to an account; everything stays off."""
    from client_sim.cloud.account import log_in
    from client_sim.cloud.devices import show_digits

    needs_approval = log_in(cloud, cloud.find_region(region), name, password, label)
    digits = show_digits(cloud) if needs_approval else ""
    message = f"Logged in as {name}; everything is off."
    if needs_approval:
        message = f"Logged in; approve this phone on another one: {digits[:3]} {digits[3:]}"
    sent = "the name, a signature, this phone's public key and its encrypted label"
    return Result({"account": name, "digits": digits}, message, sent)


@command("log-out")
def log_out_command(cloud: "Cloud") -> Result:
    """Log out and forget all keys; records stay on the phone."""
    from client_sim.cloud.account import log_out

    log_out(cloud)
    return Result({}, "Logged out; everything is off.", "the end of the session")


@command("consent", "--age 30")
@LOCALE
@AGE
@GUARDIAN
@YES
def consent_command(cloud: "Cloud", locale: str, age: int, guardian: bool, is_sure: bool) -> Result:
    """Read the policy and agree to it; this turns no type on."""
    from client_sim.cloud.account import agree, fetch_policy
    from client_sim.cloud.recovery import find_words

    policy, text = fetch_policy(cloud, cloud.region, locale)
    if not is_sure:
        click.echo(text)
        click.confirm("Do you agree to this?", abort=True, err=True)
    agree(cloud, policy, locale, at_least=age, guardian=guardian)
    message = f"You agreed to version {policy.terms.version}; the receipt is stored on the phone."
    if not find_words(cloud):
        message += " Next: cloud words."
    sent = "your signed consent: the policy's hash, its language, an age that you have reached"
    return Result({"version": policy.terms.version}, message, sent)


@command("words", sends=False)
def words_command(cloud: "Cloud") -> Result:
    """Create twelve recovery words to write on paper."""
    from client_sim.cloud.recovery import make_words

    words = make_words(cloud)
    message = f"Write these words on paper, then confirm them with cloud confirm-words:\n{words}"
    return Result({"words": words}, message)


@command("confirm-words", "WORD ...")
@click.argument("words", nargs=-1, required=True)
@PASSWORD
def confirm_words_command(cloud: "Cloud", words: tuple[str, ...], password: str) -> Result:
    """Confirm the recovery words; from now on they replace a lost password."""
    from client_sim.cloud.recovery import confirm_words

    confirm_words(cloud, " ".join(words), password)
    sent = "your keys, encrypted with the words, and the words, encrypted with your keys"
    return Result({}, "The words can now be used to recover your account.", sent)


@command("recover", "--region id --name ani-7fq2 WORD ...")
@REGION
@NAME
@click.argument("words", nargs=-1, required=True)
@NEW_PASSWORD
def recover_command(
    cloud: "Cloud", region: str, name: str, words: tuple[str, ...], new_password: str
) -> Result:
    """Set a new password with the recovery words; all phones are logged out."""
    from client_sim.cloud.recovery import recover

    recover(cloud, cloud.find_region(region), name, " ".join(words), new_password)
    message = "The password is changed and all phones are logged out: log in with the new password."
    sent = "the name, signatures with the words, and your keys, encrypted with the new password"
    return Result({}, message, sent)


@command("password")
@PASSWORD
@NEW_PASSWORD
def password_command(cloud: "Cloud", password: str, new_password: str) -> Result:
    """Change the password; other phones have to log in again."""
    from client_sim.cloud.account import change_password

    change_password(cloud, password, new_password)
    sent = "a signature with the old password, and your keys, encrypted with the new one"
    return Result({}, "The password is changed.", sent)


@command("devices", "--ask")
@click.option("--ask/--no-ask", "asks", default=None, help="Require approval of new phones.")
def devices_command(cloud: "Cloud", asks: bool | None) -> Result:
    """List the logged-in phones."""
    from dataclasses import asdict

    from client_sim.cloud.devices import list_devices, set_approving

    if asks is not None:
        set_approving(cloud, is_on=asks)
    found = list_devices(cloud)
    lines = [
        f"{each.id}  {each.label}"
        + (" (this one)" if each.is_this else "")
        + (f" waits: {each.digits[:3]} {each.digits[3:]}" if each.is_waiting else "")
        for each in found
    ]
    value = [asdict(each) for each in found]
    return Result(value, "\n".join(lines), "the request for the list of your phones")


@command("approve", "042 137")
@click.argument("digits", nargs=-1, required=True)
def approve_command(cloud: "Cloud", digits: tuple[str, ...]) -> Result:
    """Approve the waiting phone that shows these six digits."""
    from client_sim.cloud.devices import approve

    label = approve(cloud, "".join(digits))
    return Result({"label": label}, f"{label} is approved.", "a signature")


@command("revoke", "ID")
@click.argument("number", metavar="ID")
def revoke_command(cloud: "Cloud", number: str) -> Result:
    """Log out a lost phone; then change the password and rotate the keys."""
    from client_sim.cloud.devices import revoke

    revoke(cloud, number)
    message = "That phone is logged out. Next: cloud password, cloud rotate."
    return Result({}, message, "the id of that phone's session")


@command("rotate", "--deep")
@PASSWORD
@click.option("--deep", is_flag=True, help="Encrypt the photos again, too, and upload them all.")
def rotate_command(cloud: "Cloud", password: str, deep: bool) -> Result:
    """Create new keys after the loss of a phone; the next sync encrypts all records with them.

    Without --deep, photos that were uploaded before stay encrypted with the former keys: a thief
    who has those keys and later gets the server's files can decrypt them.
    """
    from client_sim.cloud.devices import rotate
    from client_sim.cloud.pieces import renew_pieces

    count = rotate(cloud, password)
    photos = renew_pieces(cloud) if deep else 0
    message = f"{count} collection(s) have new keys; cloud sync sends their records again."
    if deep:
        message += f" It also uploads {photos} photo(s) again and removes their former pieces."
    sent = "new keys, encrypted with your password and your words"
    return Result({"collections": count, "photos": photos}, message, sent)


for _command in (
    *(regions_command, status_command, policy_command, sign_up_command, log_in_command),
    *(log_out_command, consent_command, words_command, confirm_words_command, recover_command),
    *(password_command, devices_command, approve_command, revoke_command, rotate_command),
    *data_commands.COMMANDS,
    *leave_commands.COMMANDS,
):
    cloud_group.add_command(_command)
