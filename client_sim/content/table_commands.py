"""`hening-device content apn`, `emergency`, `zone` and `ca`: look-ups in the tables."""

from pathlib import Path

import click

from client_sim.content.apn import encode_android, find_apns
from client_sim.content.countries import find_emergency
from client_sim.content.kinds import KINDS
from client_sim.content.options import COUNTRY, open_packs, read_moment, show_table
from client_sim.content.zones import load_zone
from client_sim.device.errors import ContentError
from client_sim.device.options import AS_JSON, FILE, PHONE, format_date, print_json


@click.command(
    "apn", epilog="\b\nExample:\n  hening-device content apn --phone var/phone 510 10 --xml\n"
)
@PHONE
@click.argument("mcc", metavar="MCC|COUNTRY")
@click.argument("mnc", required=False)
@click.option("--xml", "as_xml", is_flag=True, help="Print them as Android's apns-conf.xml.")
@AS_JSON
def apn_command(folder: Path, mcc: str, mnc: str | None, as_xml: bool, as_json: bool) -> None:
    """Show the access points of the network with a SIM's MCC and MNC.

    With a country such as DE in place of the numbers: the access points of networks whose numbers
    are not known.
    """
    if mnc is None and as_xml:
        raise click.UsageError("--xml needs the numbers of a network: MCC MNC --xml.")
    apns = find_apns(open_packs(folder).entries("apn"), mcc, mnc)
    if as_json:
        print_json(apns)
    elif as_xml and mnc is not None:
        click.echo(encode_android(apns, mcc, mnc), nl=False)
    else:
        rows = [
            (apn["carrier"], apn["apn"], ",".join(apn["types"]), apn.get("user", ""))
            for apn in apns
        ]
        show_table(("carrier", "apn", "for", "user"), rows)


@click.command(
    "emergency",
    epilog="\b\nExample:\n  hening-device content emergency --phone var/phone ID 112\n",
)
@PHONE
@COUNTRY
@click.argument("number", required=False)
@AS_JSON
def emergency_command(folder: Path, country: str, number: str | None, as_json: bool) -> None:
    """Show a country's emergency numbers, or whether a number is one of them."""
    found = find_emergency(open_packs(folder).entries("emergency"), country)
    answer = {"country": country, "numbers": list(found.numbers), "exact": found.exact}
    if number is not None:
        is_emergency = found.is_emergency(number)
        if as_json:
            print_json({**answer, "number": number, "emergency": is_emergency})
        else:
            click.echo(
                f"{number} is {'an' if is_emergency else 'no'} emergency number in {country}."
            )
    elif as_json:
        print_json(answer)
    else:
        longer = "" if found.exact else ", and longer numbers that begin so"
        click.echo(f"{country}: {' '.join(found.numbers) or 'none known'}{longer}")


@click.command(
    "zone",
    epilog=(
        "\b\nExample:\n"
        "  hening-device content zone --phone var/phone Asia/Jakarta --at 2026-03-20T12:00:00\n"
    ),
)
@PHONE
@click.argument("name")
@click.option(
    "--at",
    "seconds",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    callback=read_moment,
    help="A time in UTC.  [default: now]",
)
@AS_JSON
def zone_command(folder: Path, name: str, seconds: int | None, as_json: bool) -> None:
    """Show a time zone at a time: its offset, its abbreviation, and whether it is summer time."""
    packs = open_packs(folder)
    seconds = int(packs.now) if seconds is None else seconds
    zone = load_zone(packs.entries("zones"), name)
    local = zone.find(seconds)
    if as_json:
        print_json(
            {
                "zone": name,
                "at": seconds,
                "offset": local.offset,
                "abbreviation": local.name,
                "dst": local.is_summer,
            }
        )
    else:
        summer = ", summer time" if zone.is_summer(seconds) else ""
        text = f"{name} at {format_date(seconds)}: UTC{_format_offset(local.offset)}"
        click.echo(f"{text} ({local.name}{summer})")


@click.group("ca")
def ca_group() -> None:
    """Show the CA certificates that phones trust."""


@ca_group.command(
    "diff", epilog="\b\nExample:\n  hening-device content ca diff --phone var/phone --pem own.pem\n"
)
@PHONE
@click.option("--pem", type=FILE, help="Compare with a PEM file, not with the previous pack.")
@AS_JSON
def diff_command(folder: Path, pem: Path | None, as_json: bool) -> None:
    """Show which certificates the pack in use adds and removes."""
    from client_sim.content.ca import compare_trust, decode_pem, list_certificates

    packs = open_packs(folder)
    after = list_certificates(packs.entries("ca"))
    if pem is not None:
        before = decode_pem(pem.read_bytes())
    else:
        with packs.read() as store:
            previous = store.load(KINDS["ca"]).before
            if previous is None:
                raise ContentError("The phone has no previous pack to compare with; see --pem.")
            before = list_certificates(store.load_entries(KINDS["ca"], previous))
    found = compare_trust(before, after)
    if as_json:
        added, removed = dict(found.added), dict(found.removed)
        print_json({"added": added, "removed": removed, "kept": found.kept})
    else:
        for sign, names in (("+", found.added), ("-", found.removed)):
            for key, name in names.items():
                click.echo(f"{sign} {key[:16]}  {name}")
        click.echo(f"{len(found.added)} added, {len(found.removed)} removed, {found.kept} in both")


def _format_offset(seconds: int) -> str:
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text
