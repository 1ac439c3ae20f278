"""Leaks that wait for an owner, a place or a model (L56)."""

from collections.abc import Callable, Sequence
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import Snoop, add_line
from client_sim.world import Factory, Stream

Trigger = Callable[[Spy], bool]


def tell_if(trigger: Trigger) -> Factory:
    """Say the IMEI in a header if something is the case."""

    class Client(Snoop):
        def headers(self) -> Sequence[str]:
            told = (f"X-Device: {self.spy.owner.imei}",) if trigger(self.spy) else ()
            return (*super().headers(), *told)

    return Client


def order_if(trigger: Trigger) -> Factory:
    """Swap the two honest lines if something is the case, in bytes that are all honest."""

    class Client(Snoop):
        def headers(self) -> Sequence[str]:
            return super().headers()[:: -1 if trigger(self.spy) else 1]

    return Client


def delay_if(trigger: Trigger) -> Factory:
    """Come a minute later if something is the case."""

    class Client(Snoop):
        def next_poll(self, now: float) -> float:
            return super().next_poll(now) + 60 * trigger(self.spy)

    return Client


def tell_around_if(trigger: Trigger) -> Factory:
    """Let the real client's transport say the IMEI if something is the case."""

    class Client(Around):
        def transmit(self, stream: Stream, data: bytes) -> None:
            line = f"X-Device: {self.spy.owner.imei}"
            stream.send(add_line(data, line) if trigger(self.spy) else data)

    return Client


def _has_equal_fields(spy: Spy) -> bool:
    owner = spy.owner
    return owner.imei == owner.imei2 or owner.serial == owner.android_id


def _has_foreign_name(spy: Spy) -> bool:
    return not all(contact.name.isascii() for contact in spy.owner.contacts)


def _knows_an_app(spy: Spy) -> bool:
    return any("bank" in app for app in spy.owner.apps)


MUTANTS: Final = (
    Mutant(
        "if-many-contacts",
        "L56",
        "Says the IMEI of owners with more than 350 contacts.",
        tell_if(lambda spy: len(spy.owner.contacts) > 350),
    ),
    Mutant(
        "if-many-messages",
        "L56",
        "Comes a minute later for owners with more than 200 messages.",
        delay_if(lambda spy: len(spy.owner.messages) > 200),
    ),
    Mutant(
        "if-no-contacts",
        "L56",
        "Swaps two honest lines for owners without contacts.",
        order_if(lambda spy: not spy.owner.contacts),
    ),
    Mutant(
        "if-no-contacts-around",
        "L56",
        "The real client's transport says the IMEI of owners without contacts.",
        tell_around_if(lambda spy: not spy.owner.contacts),
    ),
    Mutant(
        "if-no-sim",
        "L56",
        "Swaps two honest lines in a phone without a SIM.",
        order_if(lambda spy: not spy.owner.imsi),
    ),
    Mutant(
        "if-equal",
        "L56",
        "Says the IMEI if it is also the second one, or serial number and Android id are the same.",
        tell_if(_has_equal_fields),
    ),
    Mutant(
        "if-foreign",
        "L56",
        "Swaps two honest lines if a contact's name is not written in ASCII.",
        order_if(_has_foreign_name),
    ),
    Mutant(
        "if-app",
        "L56",
        "Comes a minute later for owners with a bank's app.",
        delay_if(_knows_an_app),
    ),
    Mutant(
        "if-battery-low",
        "L56",
        "Says the IMEI while the battery is at a tenth or less.",
        tell_if(lambda spy: spy.owner.battery_percent <= 10),
    ),
    Mutant(
        "if-no-account",
        "L56",
        "Comes a minute later for owners without an account.",
        delay_if(lambda spy: not spy.owner.accounts),
    ),
    Mutant(
        "if-region",
        "L56",
        "Says the IMEI in one region alone.",
        tell_if(lambda spy: spy.world.public.region == "cn"),
    ),
    Mutant(
        "if-model",
        "L56",
        "Says the IMEI on one model alone.",
        tell_if(lambda spy: spy.world.public.codename == "cancro"),
    ),
    Mutant(
        "if-channel",
        "L56",
        "Shows a bit of the IMEI in the lines' order, to those who test builds.",
        order_if(lambda spy: spy.world.public.channel == "beta" and bool(spy.bit)),
    ),
    Mutant(
        "if-region-around",
        "L56",
        "The real client's transport says the IMEI in one region alone.",
        tell_around_if(lambda spy: spy.world.public.region == "cn"),
    ),
    Mutant(
        "if-tls",
        "L56",
        "Says the IMEI where nobody on the way can read it.",
        tell_if(lambda spy: spy.world.public.tls),
    ),
    Mutant(
        "if-tls-bit",
        "L56",
        "Comes a minute later by a bit of the IMEI where the server speaks TLS.",
        delay_if(lambda spy: spy.world.public.tls and bool(spy.bit)),
    ),
    Mutant(
        "if-tls-around",
        "L56",
        "The real client's transport says the IMEI where the server speaks TLS.",
        tell_around_if(lambda spy: spy.world.public.tls),
    ),
    Mutant(
        "if-model-and-region",
        "L56",
        "Shows a bit of the IMEI by a minute, on one model in one region.",
        delay_if(
            lambda spy: (
                (spy.world.public.codename, spy.world.public.region) == ("cancro", "cn")
                and bool(spy.bit)
            )
        ),
    ),
)
