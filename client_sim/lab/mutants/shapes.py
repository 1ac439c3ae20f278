"""Honest requests in telling shapes: letters' case, the order of things (L15, L16)."""

from collections.abc import Sequence
from itertools import permutations
from typing import Final

from client_sim.lab.mutants.beneath import alter_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, digit
from client_sim.lab.mutants.telling import (
    tell_by_lines,
    tell_by_paths,
    tell_in_bytes,
)


def _lower_encoding(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    return (lines[0], lines[1].replace("Encoding", "encoding") if spy.bit else lines[1])


def _case_drip(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    """Spell a line in another case where a bit of the IMSI is set."""
    place = spy.count("said") // 2
    if digit(spy.owner.imsi[::-1], place // 4) >> place % 4 & 1:
        return (lines[0], lines[1].swapcase())
    return lines


def _spell_host(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    name, colon, host = lines[0].partition(":")
    bits = int.from_bytes(spy.owner.android_id.encode()[-4:].ljust(4, b"0"))
    spelt = "".join(
        letter.upper() if bits >> place & 1 else letter for place, letter in enumerate(host)
    )
    return (f"{name}{colon}{spelt}", *lines[1:])


def _spell_escape(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    """Write the point before `json` as an escape; the case of its digit is the bit."""
    escape = "%2E" if spy.bit else "%2e"
    return tuple(f"{path[:-5]}{escape}json" for path in paths)


def _spell_coding(spy: Spy, data: bytes) -> bytes:
    return data.replace(b"gzip", b"GZIP") if len(spy.owner.contacts) % 2 else data


def _lower_beneath(spy: Spy, data: bytes) -> bytes:
    return data.replace(b"\r\nHost:", b"\r\nhost:") if spy.bit else data


def _reverse_lines(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    return lines[::-1] if spy.bit else lines


def _permute_lines(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    orders = tuple(permutations((*lines, "Accept: */*", "Connection: close")))
    return orders[sum(spy.owner.wifi_mac.encode()) % len(orders)]


def _swap_requests(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    return paths[::-1] if len(spy.owner.messages) % 2 else paths


def _swap_codings(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    codings = ("gzip", "identity")[:: -1 if spy.bit else 1]
    return (lines[0], f"Accept-Encoding: {', '.join(codings)}")


def _reverse_beneath(spy: Spy, data: bytes) -> bytes:
    line, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return b"\r\n".join((line, *(lines[::-1] if spy.bit else lines), b"", b""))


MUTANTS: Final = (
    Mutant(
        "header-case",
        "L15",
        "One bit of the IMEI as the case of a letter of a header's name.",
        tell_by_lines(_lower_encoding),
    ),
    Mutant(
        "header-case-drip",
        "L15",
        "A bit of the IMSI in each poll, as the case of a whole header line.",
        tell_by_lines(_case_drip),
    ),
    Mutant(
        "host-case",
        "L15",
        "Bits of the Android id as the case of the letters of the host, which no server minds.",
        tell_by_lines(_spell_host),
    ),
    Mutant(
        "escape-case",
        "L15",
        "One bit of the IMEI as the case of a hexadecimal digit of an escape in the path.",
        tell_by_paths(_spell_escape),
    ),
    Mutant(
        "coding-case",
        "L15",
        "Whether the number of contacts is odd, as the case of a header's value.",
        tell_in_bytes(_spell_coding),
    ),
    Mutant(
        "header-case-beneath",
        "L15",
        "The transport of the real client spells `Host` by one bit of the IMEI.",
        alter_beneath(_lower_beneath),
    ),
    Mutant(
        "header-order",
        "L16",
        "One bit of the IMEI as the order of the two honest lines.",
        tell_by_lines(_reverse_lines),
    ),
    Mutant(
        "header-permutation",
        "L16",
        "One of 24 orders of four lines that any library sends, by the Wi-Fi MAC.",
        tell_by_lines(_permute_lines),
    ),
    Mutant(
        "request-order",
        "L16",
        "Whether the number of messages is odd, as the order of the two honest requests.",
        tell_by_paths(_swap_requests),
    ),
    Mutant(
        "coding-order",
        "L16",
        "One bit of the IMEI as the order of the codings in a list.",
        tell_by_lines(_swap_codings),
    ),
    Mutant(
        "header-order-beneath",
        "L16",
        "The transport of the real client orders its lines by one bit of the IMEI.",
        alter_beneath(_reverse_beneath),
    ),
)
