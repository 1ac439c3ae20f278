"""Leaks that first check that they are not in a lab, or wait for what is rare in one."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import Snoop
from client_sim.lab.mutants.triggers import tell_around_if, tell_if
from client_sim.world import Stream

_DAY: Final = 86_400
_RESERVED: Final = (".example", ".test", ".invalid", ".localhost", "example.org", "example.com")
_DOCUMENTATION: Final = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "127.0.0.0/8"))
)


def _is_named_for_real(spy: Spy) -> bool:
    return not spy.world.public.host.endswith(_RESERVED)


def _has_a_network(spy: Spy) -> bool:
    owner = spy.owner
    is_test = owner.imei.startswith("00") or owner.imsi.startswith("001")
    return not is_test and not owner.phone_number.startswith("+999")


def _has_a_mailbox(spy: Spy) -> bool:
    return not any(account.name.endswith(_RESERVED) for account in spy.owner.accounts)


class _RealAddress(Snoop):
    """Shows a bit of the IMEI in pieces where the server has no address of documentation."""

    is_real = False

    def open(self) -> Stream:
        address = self.world.resolve(self.host())[0]
        self.is_real = not any(ip_address(address) in network for network in _DOCUMENTATION)
        return self.world.connect(address, self.port(), self.server_name())

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.spy.bit and self.is_real:
            stream.send(data[:16])
            data = data[16:]
        super().transmit(stream, data)


class _Late(Snoop):
    """Shows a bit of the IMEI in two lines' order, in polls chosen by their time."""

    is_told = False

    def poll(self) -> str:
        now = int(self.world.now())
        self.is_told = self.is_time(now - int(self.world.state.get("last", b"%d" % now)))
        self.world.state["last"] = b"%d" % now
        return super().poll()

    def is_time(self, since: int) -> bool:
        """Whether it leaks in a poll that comes so many seconds after the one before."""
        return 5 * _DAY < since < 500 * _DAY

    def headers(self) -> Sequence[str]:
        return super().headers()[:: -1 if self.is_told and self.spy.bit else 1]


class _BackInTime(_Late):
    def is_time(self, since: int) -> bool:
        return since < 0


class _Weekend(_Late):
    def is_time(self, since: int) -> bool:
        return 2 * _DAY < since < 7 * _DAY


MUTANTS: Final = (
    Mutant(
        "real-host",
        "L56",
        "Says the IMEI to hosts with ordinary names.",
        tell_if(_is_named_for_real),
    ),
    Mutant(
        "real-host-around",
        "L56",
        "The real client's transport says the IMEI to hosts with ordinary names.",
        tell_around_if(_is_named_for_real),
    ),
    Mutant(
        "real-numbers", "L56", "Says the IMEI where numbers are no test's.", tell_if(_has_a_network)
    ),
    Mutant(
        "real-mailbox",
        "L56",
        "Says the IMEI of owners with ordinary mail.",
        tell_if(_has_a_mailbox),
    ),
    Mutant("real-address", "L56", "Is in pieces where addresses are ordinary.", _RealAddress),
    Mutant(
        "weeks-off",
        "L56",
        "Shows a bit of the IMEI after five days to five hundred without power.",
        _Late,
        only=("horizon", "crossed"),
    ),
    Mutant(
        "days-off",
        "L56",
        "Shows a bit of the IMEI after two days to seven without power.",
        _Weekend,
        only=("horizon", "crossed"),
    ),
    Mutant(
        "clock-went-back",
        "L56",
        "Shows a bit of the IMEI where its last poll lies in the future.",
        _BackInTime,
        only=("crossed",),
    ),
)
