"""The chapter about public content: phones in two countries send the same requests.

Each then finds its own values offline.
"""

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from client_sim.persona import Persona, make_persona
from demo.phones import DemoPhone, make_demo_phone
from demo.stage import HOST, Stage
from demo.wiretap import TappedWorld
from fixtures.catalogue import Build
from fixtures.wallpapers import write_wallpapers

#: A list in Android's format, which has no field for the source. It is used instead of Debian's
#: installed list, so that the story is the same on each machine.
ACCESS_POINTS = Path(__file__).parents[1] / "fixtures" / "content" / "access-points.xml"
DAY = "2027-01-01"
PICTURE = "sea"


@dataclass(frozen=True, slots=True)
class Owner:
    """Values of an owner that the phone must not reveal; `place` is latitude and longitude."""

    town: str
    place: tuple[str, str]
    locale: str
    carrier: str
    network: tuple[str, str]
    zone: str
    country: str

    def persona(self, seed: int) -> Persona:
        """Return the owner's data, made from `seed`, with these values."""
        latitude, longitude = self.place
        return replace(
            make_persona(seed),
            locale=self.locale,
            time_zone=self.zone,
            carrier=self.carrier,
            latitude=latitude,
            longitude=longitude,
        )


OWNERS = (
    Owner(
        *("Jakarta", ("-6.175400", "106.827200"), "id-ID", "Telkomsel"),
        *(("510", "10"), "Asia/Jakarta", "ID"),
    ),
    Owner(
        *("Berlin", ("52.518600", "13.376200"), "de-DE", "T-Mobile"),
        *(("262", "01"), "Europe/Berlin", "DE"),
    ),
)


@dataclass(frozen=True, slots=True)
class Content:
    """The results of the chapter.

    `rows` are look-ups and the answers of the two phones, made without a network. `requests` and
    `size` are the numbers of requests and bytes that one phone sent for all packs; `received` is
    the number of bytes that it received. `is_same` says whether both phones sent and received the
    same bytes, also in a poll after the look-ups. `picture` is a wallpaper as a `data:` URL.
    """

    packs: list[dict[str, Any]]
    rows: list[tuple[str, str, str]]
    requests: int
    size: int
    received: int
    is_same: bool
    picture: str


def show_content(stage: Stage, packs: list[dict[str, Any]]) -> Content:
    """Publish the packs, let a phone in each town poll, and look up values on both."""
    _publish(stage, [stage.folder / "packs" / pack["kind"] for pack in packs])
    builds = (Build("armani", "id", 0), Build("dior", "eu", 0))
    phones = [
        make_demo_phone(stage, owner.town.lower(), build, owner.persona(200 + number))
        for number, (owner, build) in enumerate(zip(OWNERS, builds, strict=True))
    ]
    first, second = (phone.poll_tapped()[1] for phone in phones)
    with ThreadPoolExecutor(len(phones)) as towns:
        answers = list(towns.map(partial(_ask, stage), phones, OWNERS))
    later = [phone.poll_tapped()[1] for phone in phones]
    return Content(
        packs=packs,
        rows=[(question, answers[0][question], answers[1][question]) for question in answers[0]],
        requests=first.sent.count(b"GET "),
        size=len(first.sent),
        received=len(first.got),
        is_same=_is_same(first, second) and _is_same(*later),
        picture=_fetch_picture(stage, phones[0]),
    )


def _is_same(one: TappedWorld, other: TappedWorld) -> bool:
    return (one.sent, one.answers()) == (other.sent, other.answers())


def build_packs(stage: Stage) -> list[dict[str, Any]]:
    """Build a pack of each kind into the demo's folder; return the output of each command."""
    folder = stage.folder / "packs"
    drawn = folder / "drawn"
    write_wallpapers(drawn)
    sources: dict[str, tuple[str | Path, ...]] = {
        "apn": (
            *("--source", ACCESS_POINTS, "--source-version", "1"),
            *("--source-name", "access points of the demo", "--source-licence", "Apache-2.0"),
        ),
        "emergency": (),
        "zones": (),
        "greetings": ("--year", "2026", "--year", "2027"),
        "wallpapers": ("--source", drawn),
        "themes": ("--source", drawn),
    }
    return [
        stage.signer("content", "build", kind, *source, "--out", folder / kind)
        for kind, source in sources.items()
    ]


def _publish(stage: Stage, folders: list[Path]) -> None:
    before = len(list((stage.server_state / "results").glob("[0-9a-f]*.json")))
    stage.signer(
        "content", "release", *folders,
        "--repo", stage.repo, "--keys", stage.keys, "--out", stage.incoming,
    )  # fmt: skip
    stage.wait_for_published(before + 1)


def _ask(stage: Stage, phone: DemoPhone, owner: Owner) -> dict[str, str]:
    def ask(*question: str) -> Any:  # noqa: ANN401 - JSON
        kind, *rest = question
        return stage.ask("content", kind, "--phone", phone.folder, *rest, "--json")

    greetings = ask("greetings", "--locale", owner.locale, "--date", DAY)
    access = next(apn for apn in ask("apn", *owner.network) if "default" in apn["types"])
    zone = ask("zone", owner.zone, "--at", f"{DAY}T12:00:00")
    emergency = ask("emergency", owner.country)
    return {
        f"greeting on {DAY}": next(each["text"] for each in greetings if each["is_today"]),
        "access point of the SIM": f"{access['carrier']}: {access['apn']}",
        "local time": f"{owner.zone}: UTC{zone['offset'] / 3600:+.0f} ({zone['abbreviation']})",
        "emergency numbers": " ".join(emergency["numbers"]),
    }


def _fetch_picture(stage: Stage, phone: DemoPhone) -> str:
    """Let the owner choose a wallpaper; this request reveals which one."""
    file = stage.folder / "packs" / f"{PICTURE}.jpg"
    stage.device(
        "content", "wallpapers", "get", "--phone", phone.folder, PICTURE,
        "--resolve", f"{HOST}=127.0.0.1", "--out", file, "--json",
    )  # fmt: skip
    return "data:image/jpeg;base64," + base64.b64encode(file.read_bytes()).decode()
