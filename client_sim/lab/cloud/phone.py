"""The interface of a cloud client under test, and its implementation by hening's own client.

A third-party client is a factory `factory(world) -> CloudPhone`. It is called again after each
restart, with the files left in the world's folder.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from client_sim.cloud import contacts
from client_sim.cloud.account import (
    Cloud,
    agree,
    change_password,
    fetch_policy,
    log_in,
    log_out,
    sign_up,
    withdraw,
)
from client_sim.cloud.devices import list_devices, rotate
from client_sim.cloud.leave import erase, finish_erasure
from client_sim.cloud.owner_data import add_contact, add_note, add_photo, change, plant
from client_sim.cloud.photos import make_jpeg
from client_sim.cloud.pull import Report
from client_sim.cloud.recovery import confirm_words, find_words, make_words
from client_sim.cloud.sync import find_next, synchronise
from client_sim.device.client import PollingClient
from client_sim.lab.cloud.world import CloudWorld
from client_sim.persona import Contact, Persona, Photo
from client_sim.world import Client, World

NEW_PASSWORD: Final = "amber window secret pilot"  # noqa: S105 - of a phone of the lab
AGE: Final = 30
"""The age that the owner states."""


@dataclass(frozen=True, slots=True)
class Step:
    """An action of the owner on one device, or an event of the device; `what` is a record type.

    - own: the phone already has records of a type.
    - edit, add, remove: change one record.
    - settings: look at all pages of the settings.
    - words: make the recovery words and confirm them.
    - sync: synchronise now; due: time passes until the next sync.
    - receipt: fetch the receipt of the erasure.
    - reset: a factory reset.
    - sign-up, log-in, log-out, consent, on, off, devices, password, rotate, withdraw, erase,
      restart: as named.
    """

    name: str
    what: str = ""
    device: int = 0


class CloudPhone(Protocol):
    """A cloud client; every method may raise a SimulatorError with a sentence for the owner."""

    def do(self, step: Step) -> list[str]:
        """Execute a step, and return the sentences that the owner sees."""

    def due(self) -> float | None:
        """Return the time of the next sync (epoch seconds), without sending anything."""

    def records(self, kind: str) -> list[bytes]:
        """Return the records of a type as the owner sees them."""

    def polling(self, world: World) -> Client:
        """Return the update client of the same phone."""

    def close(self) -> None:
        """Simulate a loss of power."""


Factory = Callable[[CloudWorld], CloudPhone]
"""Makes a client."""


class OurPhone:
    """The implementation of the interface by `client_sim.cloud`."""

    def __init__(self, world: CloudWorld) -> None:
        self.world = world
        self.cloud = Cloud(world.folder, world, world.regions, derive=world.derive)

    def do(self, step: Step) -> list[str]:
        """Execute a step as the command line does."""
        call: Callable[[str], list[str] | None] = getattr(
            self, "_" + step.name.replace("-", "_"), _nothing
        )
        return call(step.what) or []

    def due(self) -> float | None:
        """Return the time of the next sync."""
        return find_next(self.cloud)

    def records(self, kind: str) -> list[bytes]:
        """Return the bodies of the existing records, sorted."""
        return sorted(row.body or b"" for row in self.cloud.store.live(kind))

    def polling(self, world: World) -> Client:
        """Return the polling client, which is independent of the cloud."""
        return PollingClient(world)

    def close(self) -> None:
        """Close the store."""
        self.cloud.store.close()

    def _own(self, kind: str) -> None:
        if kind != "photo":
            plant(self.cloud, only(self.world.owner, kind))
            return
        for each in self.world.owner.photos:
            # The owners' files differ in length, within the limits of padding.
            more = bytes(int(each.latitude[-1]) % 8)
            add_photo(self.cloud, each.name, make_jpeg(each) + more)

    def _settings(self, _what: str) -> None:
        store = self.cloud.store
        _ = [
            self.cloud.enabled_types,
            self.cloud.regions,
            store.conflicts(),
            store.receipts(),
            self.due(),
        ]

    def _sign_up(self, _what: str) -> None:
        region = next(iter(self.cloud.regions.values()))
        sign_up(self.cloud, region, self.world.account, self.world.password, "phone")

    def _log_in(self, _what: str) -> None:
        region = next(iter(self.cloud.regions.values()))
        log_in(self.cloud, region, self.world.account, self.world.password, "phone")

    def _log_out(self, _what: str) -> None:
        log_out(self.cloud)

    def _consent(self, _what: str) -> None:
        policy, _ = fetch_policy(self.cloud, self.cloud.region, "en")
        agree(self.cloud, policy, "en", at_least=AGE, guardian=False)
        find_words(self.cloud)

    def _words(self, _what: str) -> None:
        confirm_words(self.cloud, make_words(self.cloud), self.world.password)

    def _on(self, kind: str) -> None:
        self.cloud.switch(kind, is_on=True)

    def _off(self, kind: str) -> None:
        self.cloud.switch(kind, is_on=False)

    def _sync(self, _what: str) -> list[str]:
        report = Report()
        synchronise(self.cloud, report)
        return [*report.conflicts, *report.warnings, *report.failures]

    def _due(self, what: str) -> list[str]:
        return [] if self.due() is None else self._sync(what)

    def _edit(self, kind: str) -> None:
        row = self.cloud.store.live(kind)[0]
        body = row.body or b""
        change(self.cloud, row.uid, _edit_contact(body) if kind == "contact" else body + b"more\n")

    def _add(self, kind: str) -> None:
        if kind == "contact":
            add_contact(self.cloud, contacts.make_card(_NEW, "new"))
        elif kind == "photo":
            name = "IMG_new.jpg"
            add_photo(self.cloud, name, make_jpeg(Photo(name, "-5.5", "110.5", 1_767_300_000)))
        else:
            add_note(self.cloud, "A new note", "bread, salt")

    def _remove(self, kind: str) -> None:
        change(self.cloud, self.cloud.store.live(kind)[0].uid, None)

    def _devices(self, _what: str) -> None:
        list_devices(self.cloud)

    def _password(self, _what: str) -> None:
        change_password(self.cloud, self.world.password, NEW_PASSWORD)
        self.world.recorder.password = NEW_PASSWORD

    def _rotate(self, _what: str) -> None:
        rotate(self.cloud, self.world.password)

    def _withdraw(self, _what: str) -> None:
        withdraw(self.cloud)

    def _erase(self, _what: str) -> None:
        erase(self.cloud)

    def _receipt(self, _what: str) -> list[str]:
        return [] if finish_erasure(self.cloud) else ["The erasure is not done yet."]


def _nothing(_what: str) -> None:
    """Do nothing; the lab itself executes restarts and lets time pass."""


_NEW: Final = Contact("New Person", "+99900000000001", "new@example.org")
_FIELDS: Final = {"contact": "contacts", "note": "notes", "message": "messages", "photo": "photos"}


def only(owner: Persona, kind: str) -> Persona:
    """Return the owner with only the records of one type."""
    empty: dict[str, Any] = {field: () for each, field in _FIELDS.items() if each != kind}
    return replace(owner, **empty)


def _edit_contact(card: bytes) -> bytes:
    return card.replace(b"END:VCARD", b"NOTE:edited\r\nEND:VCARD")
