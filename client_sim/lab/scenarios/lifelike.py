"""Test data that looks real: no number shows a client that it is under test.

Numbers for tests are easy to recognise: a country code +999, an IMEI that begins with 00, a host
below `.example`. What is made here looks ordinary, and is still not assigned:

telephone numbers  those that regulators keep for films: 555-0100 to 555-0199 of any North American
                   area, British 07700 900 and 01632 960, French 06 39 98
IMEI               reporting body 98, of which GSMA gave out type codes below 98008000 alone
IMSI, ICCID        mobile country code 264 and country code 210, which ITU gave to no country
host, mail, apps   a domain of one letter below .net: IANA reserved all of them in 1993 but i and q
MAC addresses      locally administered, as phones with private addresses draw them

No name is looked up and no number dialled: the lab has no network.
"""

from dataclasses import replace
from typing import Final

from client_sim.persona import Contact, Persona
from client_sim.tape import Tape, luhn_digit

_LETTERS: Final = "abcdefghjklmnoprstuvwxyz"  # without i and q
_SERVERS: Final = ("updates", "ota", "fota", "dl", "firmware", "rom-updates", "cdn.ota", "eu.dl")
_LOCAL: Final = "26ae"  # second digits of unicast MAC addresses that are locally administered


def draw_host(tape: Tape) -> str:
    """Draw the name of an update server."""
    return f"{tape.pick(_SERVERS)}.{_draw_domain(tape)}"


def make_lifelike(persona: Persona) -> Persona:
    """Return the same owner with ordinary-looking numbers, addresses and names.

    What was equal stays equal, so that a call is still from a contact; equal personas give equal
    results.
    """
    return replace(
        persona,
        imei=_imei(persona.imei),
        imei2=_imei(persona.imei2),
        imsi=f"264{persona.imsi[3:]}",
        iccid=_iccid(persona.iccid),
        phone_number=_number(persona.phone_number),
        wifi_mac=_mac(persona.wifi_mac),
        bluetooth_mac=_mac(persona.bluetooth_mac),
        accounts=tuple(replace(each, name=_address(each.name)) for each in persona.accounts),
        contacts=tuple(map(_contact, persona.contacts)),
        calls=tuple(replace(each, number=_number(each.number)) for each in persona.calls),
        messages=tuple(replace(each, number=_number(each.number)) for each in persona.messages),
        networks=tuple(replace(each, bssid=_mac(each.bssid)) for each in persona.networks),
        apps=tuple(map(_app, persona.apps)),
    )


def _contact(contact: Contact) -> Contact:
    return replace(contact, number=_number(contact.number), address=_address(contact.address))


def _number(number: str) -> str:
    tape = Tape(f"number {number}".encode())
    area = f"{2 + tape.below(8)}{tape.below(9)}{tape.below(10)}"
    return tape.pick(
        (
            f"+1{area}55501{tape.digits(2)}",
            f"+1{area}55501{tape.digits(2)}",
            f"+447700900{tape.digits(3)}",
            f"+441632960{tape.digits(3)}",
            f"+3363998{tape.digits(4)}",
        )
    )


def _imei(imei: str) -> str:
    tape = Tape(f"type {imei}".encode())
    body = f"98{1 + tape.below(9)}{tape.digits(5)}{imei[8:14]}"
    return body + luhn_digit(body)


def _iccid(iccid: str) -> str:
    body = f"89210{iccid[5:-1]}"
    return body + luhn_digit(body)


def _mac(mac: str) -> str:
    tape = Tape(f"mac {mac}".encode())
    return f"{tape.below(16):x}{tape.pick(_LOCAL)}{mac[2:]}"


def _address(address: str) -> str:
    return f"{address.partition('@')[0]}@{_draw_domain(Tape(f'mail {address}'.encode()))}"


def _app(app: str) -> str:
    # org.example.KIND.WORD, and packages begin with the domain reversed.
    return f"net.{Tape(f'app {app}'.encode()).pick(_LETTERS)}.{app.removeprefix('org.example.')}"


def _draw_domain(tape: Tape) -> str:
    return f"{tape.pick(_LETTERS)}.net"
