"""Values in pieces: over the fields of a request, or over the polls of a week (L13, L14)."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from client_sim.lab.mutants.beneath import act_beneath, alter_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, digit
from client_sim.lab.mutants.telling import (
    Snoop,
    add_line,
    tell_before_poll,
    tell_by_lines,
    tell_by_paths,
    tell_in_bytes,
    tell_in_header,
    tell_in_lines,
    tell_in_query,
)
from client_sim.world import World

_DAY: Final = 86_400


def _halves(spy: Spy) -> Sequence[str]:
    imei = spy.owner.imei
    return (f"X-A: {imei[: len(imei) // 2]}", f"X-B: {imei[len(imei) // 2 :]}")


def _interleaved(spy: Spy) -> Sequence[str]:
    number = spy.owner.phone_number.encode()
    return (f"X-Even: {number[::2].hex()}", f"X-Odd: {number[1::2].hex()}")


def _three_places(spy: Spy, data: bytes) -> bytes:
    size = -(-len(spy.owner.serial) // 3)
    parts = [spy.owner.serial[place : place + size] for place in (0, size, 2 * size)]
    asked = data.replace(b" HTTP/", f"?v={quote(parts[0])} HTTP/".encode(), 1)
    return add_line(add_line(asked, f"Cookie: v={parts[1]}"), f"X-V: {parts[2]}")


def _over_requests(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    size = -(-len(spy.owner.imsi) // len(paths))
    return tuple(
        f"{path}?{quote(spy.owner.imsi[place * size : (place + 1) * size])}"
        for place, path in enumerate(paths)
    )


def _as_weights(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    weights = [
        f"0.{digit(spy.owner.imei, place)}{digit(spy.owner.imei, place + 1)}" for place in (7, 9)
    ]
    return (lines[0], f"Accept-Encoding: gzip;q={weights[0]}, identity;q={weights[1]}")


def _drip_root(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    version = 2 + digit(spy.owner.imei, 5 + spy.count("polls") % 8)
    return (f"/metadata/{version}.root.json", *paths[1:])


def _drip_by_day(spy: Spy) -> str:
    return str(digit(spy.owner.phone_number, int(spy.world.now()) // _DAY))


def _drip_anywhere(spy: Spy) -> str:
    place = spy.world.entropy(1)[0] % 16
    return f"{place}.{digit(spy.owner.imsi, place)}"


def _drip_name(client: Snoop) -> None:
    place = client.spy.count("polls")
    label = f"{digit(client.spy.owner.imei[::-1], place)}.{place % 15}.edge"
    client.world.resolve(f"{label}.{client.world.public.host}")


def _drip_contact(spy: Spy) -> str:
    """Give one contact a poll, hidden as eight digits of a number that fits no search."""
    contacts = spy.owner.contacts
    if not contacts:
        return "0"
    contact = contacts[spy.count("told") % len(contacts)]
    return str(sum(ord(letter) * 31**place for place, letter in enumerate(contact.number)) % 10**8)


def _drip_root_beneath(spy: Spy, data: bytes) -> bytes:
    if b".root.json" not in data:
        return data
    version = b"/%d.root" % (2 + digit(spy.owner.imei, 5 + spy.count("leak-polls") % 8))
    return re.sub(rb"/[0-9]+\.root", version, data, count=1)


def _drip_name_beneath(world: World) -> None:
    spy = Spy(world)
    world.resolve(f"edge{digit(spy.owner.serial, spy.count('leak-polls'))}.{world.public.host}")


MUTANTS: Final = (
    Mutant(
        "halves-in-headers",
        "L13",
        "Half of the IMEI in each of two headers.",
        tell_in_lines(_halves),
    ),
    Mutant(
        "interleaved-headers",
        "L13",
        "The even bytes of the telephone number in one header, the odd ones in another, in hex.",
        tell_in_lines(_interleaved),
    ),
    Mutant(
        "three-places",
        "L13",
        "A third of the serial number in the query, one in a cookie, one in a header.",
        tell_in_bytes(_three_places),
    ),
    Mutant(
        "over-requests",
        "L13",
        "One half of the IMSI in the query of the first request, the other in the second's.",
        tell_by_paths(_over_requests),
    ),
    Mutant(
        "digits-as-weights",
        "L13",
        "Four digits of the IMEI as the weights of two codings, which any server understands.",
        tell_by_lines(_as_weights),
    ),
    Mutant(
        "halves-beneath",
        "L13",
        "The transport of the real client adds half of the IMEI to each of two headers.",
        alter_beneath(
            lambda spy, data: add_line(data, "\r\n".join(_halves(spy))),
        ),
    ),
    Mutant(
        "root-drip",
        "L14",
        "A digit of the IMEI in each poll, as the version of a root that the grammar has.",
        tell_by_paths(_drip_root),
    ),
    Mutant(
        "digit-of-the-day",
        "L14",
        "A digit of the telephone number in the query: which one, the day says.",
        tell_in_query("v", _drip_by_day),
    ),
    Mutant(
        "digit-anywhere",
        "L14",
        "A digit of the IMSI in each request, its place drawn afresh and said with it.",
        tell_in_header("X-Shard", _drip_anywhere),
    ),
    Mutant(
        "name-drip",
        "L14",
        "A digit of the IMEI in each poll, as a label of a name that is looked up and not used.",
        tell_before_poll(_drip_name),
    ),
    Mutant(
        "contact-drip",
        "L14",
        "One contact's number in each request, as a checksum of eight digits.",
        tell_in_header("X-Sum", _drip_contact),
    ),
    Mutant(
        "root-drip-beneath",
        "L14",
        "The transport of the real client asks for another root: a digit of the IMEI in each poll.",
        alter_beneath(_drip_root_beneath),
    ),
    Mutant(
        "name-drip-beneath",
        "L14",
        "The transport of the real client looks up a name with a digit of the serial number.",
        act_beneath(_drip_name_beneath),
    ),
)
