"""How a phone is and what is on it: its age, battery, room, apps (L29, L30)."""

import json
from collections.abc import Sequence
from hashlib import md5, sha256
from typing import Final
from urllib.parse import quote

from client_sim.lab.mutants.beneath import add_line_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, first
from client_sim.lab.mutants.telling import (
    Snoop,
    tell_at_event,
    tell_by_paths,
    tell_in_cookie,
    tell_in_header,
    tell_in_query,
)
from client_sim.world import Event, World


class _Boots(Snoop):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._boots = self.spy.count("boots")

    def headers(self) -> Sequence[str]:
        return (*super().headers(), f"X-Boots: {self._boots}")


def _started_at(spy: Spy) -> str:
    return str(int(spy.world.now()) - spy.owner.uptime_seconds)


def _spare_battery(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    return paths if spy.owner.battery_percent > 20 else paths[-1:]


def _free_space(spy: Spy) -> str:
    return str(64_000 - 3 * len(spy.owner.photos) - len(spy.owner.messages))


def _apps_digest(spy: Spy) -> str:
    listed = "\n".join(sorted(spy.owner.apps)).encode()
    return md5(listed, usedforsecurity=False).hexdigest()[:6]


def _apps_filter(spy: Spy) -> str:
    """Set a bit of 64 for each app, so that a reader can test for a certain app."""
    bits = 0
    for app in spy.owner.apps:
        bits |= 1 << sha256(app.encode()).digest()[0] % 64
    return f"{bits:016x}"


def _report_app(client: Snoop, event: Event) -> None:
    body = json.dumps(dict(event.details)).encode()
    client.post(client.world.public.host, "/installed", body)


MUTANTS: Final = (
    Mutant(
        "uptime-query",
        "L29",
        "The seconds since the phone was started, in the query.",
        tell_in_query("up", lambda spy: str(spy.owner.uptime_seconds)),
    ),
    Mutant(
        "started-at",
        "L29",
        "The second in which the phone was started, which stays the same over many polls.",
        tell_in_header("X-Since", _started_at),
    ),
    Mutant(
        "battery-header",
        "L29",
        "The charge of the battery.",
        tell_in_header("X-Battery", lambda spy: str(spy.owner.battery_percent)),
    ),
    Mutant(
        "low-battery",
        "L29",
        "Leaves out the honest question for a new root while the battery is low.",
        tell_by_paths(_spare_battery),
    ),
    Mutant(
        "boot-count",
        "L29",
        "How often the phone was started.",
        _Boots,
    ),
    Mutant(
        "free-space",
        "L29",
        "The free space, of which photos and messages take some.",
        tell_in_header("X-Free", _free_space),
    ),
    Mutant(
        "battery-beneath",
        "L29",
        "The transport of the real client adds battery and uptime.",
        add_line_beneath(
            "X-Power", lambda spy: f"{spy.owner.battery_percent}/{spy.owner.uptime_seconds}"
        ),
    ),
    Mutant(
        "apps-digest-query",
        "L30",
        "Six digits of the md5 of the sorted list of apps.",
        tell_in_query("a", _apps_digest),
    ),
    Mutant(
        "apps-list-header",
        "L30",
        "The names of all apps.",
        tell_in_header("X-Apps", lambda spy: quote(",".join(spy.owner.apps))),
    ),
    Mutant(
        "apps-filter",
        "L30",
        "A filter of 64 bits in which one can look for an app.",
        tell_in_cookie("f", _apps_filter),
    ),
    Mutant(
        "app-report",
        "L30",
        "Tells the update host of an app when it is installed.",
        tell_at_event("app-installed", _report_app),
    ),
    Mutant(
        "first-app-beneath",
        "L30",
        "The transport of the real client names an app, as web views do.",
        add_line_beneath("X-Requested-With", lambda spy: quote(first(spy.owner.apps))),
    ),
)
