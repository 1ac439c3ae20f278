"""Leaks that wait: silent until their occasion, and then not."""

from dataclasses import replace

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import crashes, occasions, rare, triggers
from client_sim.lab.mutants.library import find_mutant
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import DAY, START, Repository
from tests.client_sim.lab.mutants.comparisons import COMPARISONS, LOT, follows
from tests.client_sim.lab.mutants.habitat import (
    OWNERS,
    PUBLIC,
    lead,
    serve_failing,
    serve_from,
    serve_well,
)

OFFERING = Repository(START + 6 * DAY)
OFFERING.offer()
WHOLE_DAY = START - START % DAY  # Saturday, 3 January 2026, 00:00 UTC
UNREADABLE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{]}"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


def plain(owner):
    """Make an owner of whom nothing is out of the ordinary."""
    contacts = tuple(replace(each, name="Ana") for each in owner.contacts)
    return replace(
        owner,
        contacts=contacts,
        apps=("org.example.chess",),
        battery_percent=50,
        locale="id-ID",
        uptime_seconds=1000,
        android_id="0" * 16,
    )


PLAIN = [plain(owner) for owner in OWNERS]
ONE = PLAIN[0]


def lots(**changes):
    """Give the lots of all plain owners with the same changes."""
    return [LOT.but(owner=owner, **changes) for owner in PLAIN]


def versus(**changes):
    """Give the lots of the first plain owner and of the same with changed fields."""
    return [LOT.but(owner=ONE), LOT.but(owner=replace(ONE, **changes))]


def polls(count):
    """Give the lots of idle polls."""
    return lots(steps=("poll",) * count)


def at(day, hour):
    """Give the lots of a single poll on a day of January 2026, and what it leaves behind."""
    return lots(start=WHOLE_DAY + (day - 3) * DAY + hour * 3600, steps=("poll",))


def failing(answer):
    """Give the lots of a second poll that fails so."""
    return lots(serve=serve_failing(serve_well, (2,), answer))


def on(**changes):
    """Give the lots of another phone."""
    return lots(public=replace(PUBLIC, **changes))


def off(days):
    """Give the lots of so many days between two polls."""
    return lots(steps=("poll", f"off {days * DAY}", "poll"))


def steps(*names):
    """Give the lots of a poll, some happenings and a poll."""
    return lots(steps=("poll", *names, "poll"))


def in_seconds(count):
    """Give the lots of idle polls of owners with an even and an odd uptime."""
    owners = [replace(ONE, uptime_seconds=seconds) for seconds in (1000, 1001)]
    return [LOT.but(owner=owner, steps=("poll",) * count) for owner in owners]


BROKEN = OSError("timed out")
# For each leak: where it is silent (all owners are one) and where it tells.
WAITING = {
    "if-many-contacts": (
        versus(contacts=ONE.contacts[:1] * 350),
        versus(contacts=ONE.contacts[:1] * 351),
    ),
    "if-many-messages": (
        versus(messages=ONE.messages[:1] * 200),
        versus(messages=ONE.messages[:1] * 201),
    ),
    "if-no-contacts": (lots(), versus(contacts=())),
    "if-no-contacts-around": (lots(), versus(contacts=())),
    "if-no-sim": (lots(), versus(imsi="")),
    "if-equal": (lots(), versus(imei2=ONE.imei)),
    "if-foreign": (lots(), versus(contacts=(replace(ONE.contacts[0], name="玉兰"),))),
    "if-app": (lots(), versus(apps=("org.example.bank",))),
    "if-battery-low": (versus(battery_percent=11), versus(battery_percent=10)),
    "if-no-account": (lots(), versus(accounts=())),
    "if-region": (lots(), on(region="cn")),
    "if-model": (lots(), on(codename="cancro")),
    "if-channel": (lots(), on(channel="beta")),
    "if-tls": (lots(), on(tls=True)),
    "if-tls-bit": (lots(), on(tls=True)),
    "if-tls-around": (lots(), on(tls=True)),
    "if-region-around": (lots(), on(region="cn")),
    "if-model-and-region": (
        [*on(region="cn")],
        on(region="cn", codename="cancro"),
    ),
    "at-poll-4": (polls(3), polls(4)),
    "after-4-polls": (polls(4), polls(5)),
    "after-100-polls": (polls(100)[:3], polls(101)[:3]),
    "after-400-polls": (polls(399)[:3], polls(400)[:3]),
    "after-two-years": (off(690), off(730)),
    "after-days-off": (off(2), off(4)),
    "at-night": (at(5, 5), at(5, 4)),
    "on-date": (at(12, 12), at(13, 12)),
    "on-sunday": (at(5, 12), at(4, 12)),
    "after-restart": (steps(), steps("reboot")),
    "after-restart-around": (steps(), steps("reboot")),
    "after-3-messages": (
        lots(steps=("poll", "sms-sent", "mms-received", "poll")),
        [
            LOT.but(steps=("poll", "sms-sent", "mms-received", "poll")),
            LOT.but(steps=("poll", "sms-sent", "mms-received", "sms-received", "poll")),
        ],
    ),
    "after-login": (steps("account-logout"), steps("account-login")),
    "after-failure": (lots(), failing(BROKEN)),
    "after-failure-around": (lots(), failing(b"")),
    "after-unchanged-around": (polls(2), polls(3)),
    "after-changed-around": (polls(1), polls(2)),
    "after-offer-around": (
        lots(),
        lots(public=make_public(OFFERING), serve=serve_from(OFFERING)),
    ),
    "report-host": (lots(), failing(b"")),
    "report-path": (lots(), failing(BROKEN)),
    "report-name": (lots(), failing(BROKEN)),
    "report-status": (failing(b"HTTP/1.1 404 x\r\n\r\n"), failing(BUSY)),
    "report-content": (lots(), failing(UNREADABLE)),
    "report-second": (lots(), failing(BROKEN)),
    "report-host-around": (lots(), failing(BUSY)),
    "report-next-around": (lots(), failing(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")),
    "trips": (lots(), versus(phone_number="")),
    "low-and-far": (versus(battery_percent=9), versus(battery_percent=9, locale="zh-TW")),
    "message-call-restart": (
        steps("call-placed", "sms-received", "reboot"),
        steps("sms-received", "call-placed", "reboot"),
    ),
    "seventh-of-some": (in_seconds(6), in_seconds(7)),
}
CLEAN = (ToyClient, PollingClient)


def distinct(make_client, some):
    """Count the distinct traces."""
    return len({lead(make_client, lot).whole for lot in some})


@pytest.mark.parametrize("mutant_id", WAITING)
def test_a_leak_waits_for_its_occasion(mutant_id):
    """Without it nothing differs; with it something does."""
    make_client = find_mutant(mutant_id).make
    silent, telling = WAITING[mutant_id]
    assert distinct(make_client, silent) == 1
    assert distinct(make_client, telling) > 1


@pytest.mark.parametrize("mutant_id", sorted(WAITING.keys() - {"after-3-messages"}))
def test_no_clean_client_cares(mutant_id):
    """On the same occasions all owners are one."""
    make_client = PollingClient if mutant_id.endswith("-around") else ToyClient
    for some in WAITING[mutant_id]:
        assert distinct(make_client, some) == 1


def test_a_fourth_poll_is_all_that_tells():
    """The fifth is silent again."""
    traces = [lead(find_mutant("at-poll-4").make, lot) for lot in polls(5)]
    assert len({trace.of_poll(4) for trace in traces}) > 1
    assert len({trace.of_poll(5) for trace in traces}) == 1


def test_a_crash_is_an_owner_who_cannot_poll():
    """Some owners' polls never come."""
    assert follows(find_mutant("falls-over").make, "owner")
    ends = {lead(find_mutant("falls-over").make, lot).crash for lot in COMPARISONS["owner"][1]}
    assert ends == {"", "ValueError"}


# One owner in so many, by one field: how many of 2,000 values of that field tell.
FEW = {
    "one-in-100": ("android_id", 100),
    "one-in-500": ("imsi", 500),
}


def count_unusual(make_client, owners):
    """Count the owners whose single poll is not that of most."""
    seen = [lead(make_client, LOT.but(owner=owner, steps=("poll",))).whole for owner in owners]
    usual = max(set(seen), key=seen.count)
    return sum(trace != usual for trace in seen)


@pytest.mark.parametrize("mutant_id", FEW)
def test_few_owners_show(mutant_id):
    """About as many as the sentence says, and no more than twice that."""
    field, share = FEW[mutant_id]
    make_client = find_mutant(mutant_id).make
    values = [f"{number:04x}" for number in range(2_000)]
    assert (
        1
        <= count_unusual(make_client, [replace(ONE, **{field: v}) for v in values])
        <= (2 * 2_000 / share + 2)
    )


def test_few_first_contacts_show():
    """About one in two hundred."""
    contact = ONE.contacts[0]
    owners = [
        replace(ONE, contacts=(replace(contact, number=f"+999{number:07}"),))
        for number in range(2_000)
    ]
    assert 2 <= count_unusual(find_mutant("one-in-200-late").make, owners) <= 25


def test_an_identifier_with_a_certain_end_shows():
    """Of 240 to 271 in hexadecimal only 255 ends so."""
    owners = [replace(ONE, gsf_id=f"{number:016x}") for number in range(240, 272)]
    assert count_unusual(find_mutant("one-in-256-around").make, owners) == 1


@pytest.mark.parametrize(("mutant_id", "share"), [("draw-of-64", 64), ("full-minute", 60)])
def test_few_polls_show(mutant_id, share):
    """Of 400 polls about as many differ between two owners as the sentence says."""
    make_client = find_mutant(mutant_id).make
    traces = [lead(make_client, lot) for lot in polls(400)]
    differing = [
        number
        for number in range(1, 401)
        if len({trace.of_poll(number) for trace in traces[:4]}) > 1
    ]
    assert 1 <= len(differing) <= 3 * 400 / share


def test_every_leak_that_waits_is_tried_here():
    """None is forgotten."""
    tried = {*WAITING, *FEW, "falls-over", "one-in-200-late", "one-in-256-around"}
    tried |= {"draw-of-64", "full-minute"}
    modules = (crashes, occasions, rare, triggers)
    assert tried == {mutant.id for module in modules for mutant in module.MUTANTS}
