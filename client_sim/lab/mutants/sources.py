"""Leaked values: the owner's data, numbers of the phone, times, server headers, event details."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4
from zoneinfo import ZoneInfo

from client_sim.device.records import load_failed, load_secret
from client_sim.lab.mutants.rows import Source
from client_sim.lab.mutants.spy import Spy, first
from client_sim.persona import Persona

_DAY: Final = 86_400


def _of_owner(phrase: str, read: Callable[[Persona], object]) -> Source:
    return Source(phrase, lambda spy: str(read(spy.owner)).encode())


def _how_many(phrase: str, read: Callable[[Persona], int]) -> Source:
    return Source(f"the number of {phrase}", lambda spy: b"%d" % read(spy.owner))


IMEI: Final = _of_owner("the IMEI", lambda owner: owner.imei)
IMSI: Final = _of_owner("the IMSI", lambda owner: owner.imsi)
ICCID: Final = _of_owner("the ICCID", lambda owner: owner.iccid)
PHONE: Final = _of_owner("the telephone number", lambda owner: owner.phone_number)
SERIAL: Final = _of_owner("the serial number", lambda owner: owner.serial)
ANDROID_ID: Final = _of_owner("the Android id", lambda owner: owner.android_id)
GSF_ID: Final = _of_owner("the GSF id", lambda owner: owner.gsf_id)
ADVERTISING_ID: Final = _of_owner("the advertising id", lambda owner: owner.advertising_id)
LOCALE: Final = _of_owner("the locale", lambda owner: owner.locale)
LANGUAGE: Final = _of_owner("the language", lambda owner: owner.locale.partition("-")[0])
CARRIER: Final = _of_owner("the carrier", lambda owner: owner.carrier)
BATTERY: Final = _of_owner("the battery's charge", lambda owner: owner.battery_percent)
UPTIME: Final = _of_owner("the seconds since the start", lambda owner: owner.uptime_seconds)
ACCOUNT: Final = _of_owner("the account", lambda owner: first(a.name for a in owner.accounts))
FIRST_APP: Final = _of_owner("the first app", lambda owner: first(owner.apps))
NOTES: Final = _of_owner("all notes", lambda owner: "\n".join(note.text for note in owner.notes))
BOOK: Final = _of_owner(
    "the address book", lambda owner: json.dumps([asdict(each) for each in owner.contacts])
)
NUMBERS: Final = _of_owner(
    "the contacts' numbers", lambda owner: "\n".join(each.number for each in owner.contacts)
)
REPORT_2014: Final = _of_owner(
    "the report of 2014",
    lambda owner: urlencode(
        {
            "op": owner.carrier,
            "imei": owner.imei,
            "phone": owner.phone_number,
            "contact": first(contact.number for contact in owner.contacts),
            "sms": first(message.number for message in owner.messages),
        }
    ),
)
FORM_2014: Final = _of_owner(
    "the form of 2014",
    lambda owner: json.dumps({"i": owner.imei, "i2": owner.imei2, "sn": owner.serial, "b": "F"}),
)
EVERYTHING: Final = _of_owner("everything", lambda owner: json.dumps(asdict(owner)))
CONTACTS: Final = _how_many("contacts", lambda owner: len(owner.contacts))
MESSAGES: Final = _how_many("messages", lambda owner: len(owner.messages))


def drawn_once(name: str, size: int) -> Source:
    """Return the source of random bytes that the phone draws once and keeps."""
    return Source("a number drawn once", lambda spy: spy.draw_once(name, size))


def drawn(size: int) -> Source:
    """Return the source of random bytes that are drawn each time."""
    return Source("a fresh number", lambda spy: spy.world.entropy(size))


def _keep_uuid(spy: Spy) -> bytes:
    return spy.world.state.setdefault("uuid", str(uuid4()).encode())


OWN_UUID: Final = Source("a UUID of the system drawn once", _keep_uuid)
FRESH_UUID: Final = Source("a fresh UUID of the system", lambda _spy: str(uuid4()).encode())
SECRET: Final = Source(
    "the secret of rollouts", lambda spy: load_secret(spy.world.state, spy.world.entropy)
)

_BY_PHONE: Final[dict[str, bytes]] = {}


def _over_resets(spy: Spy) -> bytes:
    number = _BY_PHONE.setdefault(spy.owner.imei, spy.world.entropy(1))
    return b"%d" % (number[0] * 50 + sum(spy.owner.imei.encode()) % 2)


OVER_RESETS: Final = Source("a number that survives a reset", _over_resets)


SOMETHING: Final = Source("something", lambda _spy: b"1")
MODEL: Final = Source("the model", lambda spy: spy.world.public.codename.encode())
OTHER_BUILD: Final = Source(
    "whether its build is another", lambda spy: b"%d" % (spy.world.public.build.counter != 1)
)
FIRST_BUILD: Final = Source(
    "whether its build is the first", lambda spy: b"%d" % (not spy.world.public.build.counter)
)
ROM_DAY: Final = Source(
    "the day of its ROM", lambda spy: b"%d" % (spy.world.public.built_at // _DAY)
)


def _counter(name: str, phrase: str) -> Source:
    return Source(phrase, lambda spy: b"%d" % spy.get_count(name))


STARTS: Final = _counter("start", "the number of starts")
FAILURES: Final = _counter("failure", "the number of failures")
RECEIVED: Final = _counter("received", "the number of bytes received")
ANSWER_SECONDS: Final = _counter("seconds of an answer", "the seconds of an answer")
ANSWER_READS: Final = _counter("reads of an answer", "the pieces of an answer")
POLL_SECONDS: Final = _counter("seconds of a poll", "the seconds of a poll")
EVENTS_BETWEEN: Final = _counter("events between polls", "the number of events between two polls")
FAILED_BUILDS: Final = Source(
    "the number of builds that did not boot",
    lambda spy: b"%d" % len(load_failed(spy.world.state)),
)


def _since_poll(spy: Spy, counters: tuple[str, ...]) -> bytes:
    number = sum(spy.get_count(name) for name in counters)
    previous = spy.get_count("told before")
    spy.world.state["told before"] = b"%d" % number
    return b"%d" % (number - previous)


def since_last_leak(phrase: str, *counters: str) -> Source:
    """Return the source of the number of events with these names since the last leak."""
    return Source(f"{phrase} since the last leak", lambda spy: _since_poll(spy, counters))


BIRTH: Final = Source("its first second", lambda spy: spy.world.state["born"])
AGE: Final = Source(
    "its age in weeks",
    lambda spy: b"%d" % ((int(spy.world.now()) - int(spy.world.state["born"])) // (7 * _DAY)),
)
STARTED: Final = Source(
    "the second of the start",
    lambda spy: b"%d" % (int(spy.world.now()) - spy.owner.uptime_seconds),
)
NOW: Final = Source("the exact time", lambda spy: f"{spy.world.now():.3f}".encode())


def _offset(spy: Spy) -> bytes:
    """Return the offset in the form +0700; an unknown time zone counts as UTC."""
    zone: tzinfo = UTC
    with suppress(LookupError, OSError, ValueError):
        zone = ZoneInfo(spy.owner.time_zone)
    return f"{datetime.fromtimestamp(spy.world.now(), zone):%z}".encode()


OFFSET: Final = Source("the offset of the time zone", _offset)


def last_header(header: str) -> Source:
    """Return the source of the last value of a server's header."""
    return Source(f"the server's {header}", lambda spy: spy.header(header), header=header)


def first_header(header: str) -> Source:
    """Return the source of the first value of a server's header."""
    return Source(
        f"the first {header} of the server",
        lambda spy: spy.header(f"first {header}"),
        header=header,
    )


def detail(event: str, name: str) -> Source:
    """Return the source of a detail of the last event with that name."""
    read = f"detail {name}"
    return Source(
        f"the {name} of an event", lambda spy: spy.world.state.get(read, b""), event=event
    )


def _describe(spy: Spy) -> bytes:
    owner = spy.owner
    return f"imei={owner.imei} locale={owner.locale} apps={len(owner.apps)}".encode()


REASON: Final = Source("whose poll failed", _describe)
