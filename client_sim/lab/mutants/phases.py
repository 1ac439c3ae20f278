"""When a phone polls, as its owner's numbers say (L36, L37)."""

import hmac
from hashlib import sha256
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import digit
from client_sim.lab.mutants.telling import Snoop

_DAY: Final = 86_400


def _fold(text: str, bound: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") % bound


class _HourFromImei(Snoop):
    def next_poll(self, now: float) -> float:
        quarter = (int(now) // 21_600 + 1) * 21_600
        return float(quarter + _fold(self.spy.owner.imei, 3600))


class _LowBitsFromAndroidId(Snoop):
    def next_poll(self, now: float) -> float:
        offset = int(super().next_poll(now) - now)
        return now + (offset & ~1023 | _fold(self.spy.owner.android_id, 1024))


class _NightFromSerial(Snoop):
    def next_poll(self, now: float) -> float:
        night = (int(now) // _DAY + 1) * _DAY + 3 * 3600
        return float(night + 60 * _fold(self.spy.owner.serial, 60))


class _KeyedByImsi(Snoop):
    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        # A new offset each day looks like a draw to everyone without the number.
        day = b"%d" % (int(due) // _DAY)
        return due + hmac.digest(self.spy.owner.imsi.encode(), day, "sha256")[0] % 60


class _NumberOnTop(Around):
    def next_poll(self, now: float) -> float:
        return super().next_poll(now) + _fold(self.spy.owner.phone_number, 100)


class _ParityOfImei(Snoop):
    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        return float(due - due % 2 + self.spy.bit)


class _BatteryInMilliseconds(Snoop):
    def next_poll(self, now: float) -> float:
        return int(super().next_poll(now)) + (self.spy.owner.battery_percent % 1000) / 1000


class _TwoBitsAPoll(Snoop):
    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        value = _fold(self.spy.owner.gsf_id, 2**16)
        return float(due - due % 4 + (value >> 2 * (self.spy.count("told") % 8) & 3))


class _ParityInHalf(Snoop):
    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        # The drawn second bit decides whether the first one is honest in this poll.
        return float(due - due % 2 + self.spy.bit) if due >> 1 & 1 else float(due)


class _ParityAround(Around):
    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        return float(due - due % 2 + digit(self.spy.owner.iccid, -2) % 2)


MUTANTS: Final = (
    Mutant(
        "phase-imei-hour",
        "L36",
        "Polls every six hours, in the second of the hour that the IMEI hashes to.",
        _HourFromImei,
    ),
    Mutant(
        "phase-android-id",
        "L36",
        "Draws its interval and puts ten bits from the Android id in place of the lowest.",
        _LowBitsFromAndroidId,
    ),
    Mutant(
        "phase-serial-night",
        "L36",
        "Polls once a night, in the minute that the serial number hashes to.",
        _NightFromSerial,
    ),
    Mutant(
        "phase-imsi-keyed",
        "L36",
        "Adds up to a minute to an honest draw: a code of the day under the IMSI.",
        _KeyedByImsi,
    ),
    Mutant(
        "phase-number-around",
        "L36",
        "Whoever starts the real client is late by seconds that the telephone number hashes to.",
        _NumberOnTop,
    ),
    Mutant(
        "jitter-parity",
        "L37",
        "Shows one bit of the IMEI by the parity of the second in which it polls next.",
        _ParityOfImei,
    ),
    Mutant(
        "jitter-milliseconds",
        "L37",
        "Shows the battery's charge by the thousandths of the second.",
        _BatteryInMilliseconds,
    ),
    Mutant(
        "jitter-two-bits",
        "L37",
        "Shows sixteen bits of the GSF id in eight polls, two at a time.",
        _TwoBitsAPoll,
    ),
    Mutant(
        "jitter-half",
        "L37",
        "Shows a bit of the IMEI by the second's parity, in every other poll or so.",
        _ParityInHalf,
    ),
    Mutant(
        "jitter-parity-around",
        "L37",
        "Whoever starts the real client rounds its second to the parity of a digit of the ICCID.",
        _ParityAround,
    ),
)
