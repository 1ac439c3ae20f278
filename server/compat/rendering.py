"""Renders a snapshot as the finite map of paths, with its future changes. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from tuf.api.metadata import Targets

from server.compat.dialects import DIALECTS
from server.compat.offers import ChannelOffers, Item, Model, switch_times
from server.compat.options import WHOLE_FLEET, CompatOptions
from server.compat.pages import Change, Content, Contents, Page, apply_change
from server.core.encodings import MAX_INTEGER
from server.core.metadata import decode_root, decode_snapshot, decode_targets, decode_timestamp
from server.core.names import Channel, hashed_target_path, is_latest, metadata_name
from server.core.pointer import Pointer, decode_pointer
from server.core.release import Release, decode_releases
from server.device.snapshot import Snapshot

Role = tuple[Targets, Mapping[str, Release]]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The map at `since`, in epoch seconds, and its later changes in order.

    `models` are the devices that were rendered; the next rendering reuses `roles`.
    """

    since: int = 0
    version: int = 0
    """The timestamp's version."""
    contents: Contents = field(default_factory=dict)
    changes: tuple[tuple[int, Change], ...] = ()
    models: tuple[Model, ...] = ()
    roles: Mapping[tuple[str, int], Role] = field(default_factory=dict)

    def at(self, now: int) -> dict[str, Content]:
        """Return the map at `now`."""
        contents = dict(self.contents)
        for start, change in self.changes:
            if start <= now:
                apply_change(contents, change)
        return contents


def render(
    options: CompatOptions, snapshot: Snapshot, now: int, previous: Rendered | None = None
) -> Rendered:
    """Return all answers of the dialects in `options` from `snapshot`, from `now` on.

    The snapshot was verified before. Raises FormatError or ReleaseError if a role cannot be read.
    """
    models, roles = read_models(options, snapshot, {} if previous is None else previous.roles)
    contents: dict[str, Content] = {}
    changes: list[tuple[int, Change]] = []
    for model in models:
        current = _lists(model, now)
        contents |= {**_files(model), **current}
        times = {time for offers in model.channel_offers.values() for time in switch_times(offers)}
        for time in sorted(each for each in times if each > now):
            later = _lists(model, time)
            change = {
                path: later.get(path)
                for path in current.keys() | later.keys()
                if current.get(path) != later.get(path)
            }
            if change:
                changes.append((time, change))
                current = later
    changes.sort(key=lambda each: each[0])
    return Rendered(now, snapshot.version, contents, tuple(changes), models, roles)


def _lists(model: Model, now: int) -> dict[str, Page]:
    pages: dict[str, Page] = {}
    for name in model.options.dialects:
        pages |= DIALECTS[name].lists(model, now)
    return pages


def _files(model: Model) -> dict[str, Content]:
    files: dict[str, Content] = {}
    for name in model.options.dialects:
        files |= DIALECTS[name].files(model)
    return files


def find_faults(rendered: Rendered, now: int) -> Iterator[str]:
    """Yield why builds are not in the lists at `now`, each sentence with its dialect."""
    for model in rendered.models:
        for name in model.options.dialects:
            for fault in DIALECTS[name].faults(model, now):
                yield f"{name}: {fault}"


def find_breaks(
    options: CompatOptions, channel: Channel, pointer: Pointer, items: Mapping[str, Item]
) -> Iterator[str]:
    """Yield what would break an app's list when `pointer` is complete, each with its dialect.

    `items` are the packages in the role of the channel's model.
    """
    complete = msgspec.structs.replace(pointer, schedule=[(0, WHOLE_FLEET)])
    pointers = {channel.pointer_path: (complete, MAX_INTEGER)}
    for device, codename in options.devices.items():
        if codename == channel.codename:
            parts = codename, items, frozenset[str](), MAX_INTEGER
            model = _make_model(options, device, *parts, pointers)
            for name in options.dialects:
                yield from (f"{name}: {each}" for each in DIALECTS[name].breaks(model, 0))


def read_models(
    options: CompatOptions, snapshot: Snapshot, known: Mapping[tuple[str, int], Role]
) -> tuple[tuple[Model, ...], Mapping[tuple[str, int], Role]]:
    """Return the configured devices with their builds in `snapshot`, and the roles that were read.

    An empty snapshot gives devices without builds, for which every dialect answers "no update".
    """
    common, pointers = _read_common(snapshot) if snapshot.root else (0, {})
    roles: dict[tuple[str, int], Role] = {}
    models = []
    for device, codename in options.devices.items():
        version = snapshot.current.get(codename)
        if version is None:
            role: Role = (Targets(), {})
        else:
            role = (
                known.get((codename, version))
                or roles.get((codename, version))
                or _read_role(snapshot, codename, version)
            )
            roles[codename, version] = role
        parts = _read_items(snapshot, role, common)
        models.append(_make_model(options, device, codename, *parts, pointers))
    return tuple(models), roles


def _read_common(snapshot: Snapshot) -> tuple[int, dict[str, tuple[Pointer, int]]]:
    """Return the earliest expiry of the common roles, and each pointer with its role's expiry."""

    def body(name: str) -> bytes:
        return snapshot.documents[f"/metadata/{name}"].identity.body

    current = snapshot.current
    timestamp = decode_timestamp(body("timestamp.json")).signed
    parts = [
        decode_root(body(metadata_name("root", snapshot.root))).signed,
        timestamp,
        decode_snapshot(body(metadata_name("snapshot", current["snapshot"]))).signed,
        decode_targets("targets", body(metadata_name("targets", current["targets"]))).signed,
    ]
    pointers: dict[str, tuple[Pointer, int]] = {}
    for role in filter(is_latest, current):
        latest = decode_targets(role, body(metadata_name(role, current[role]))).signed
        until = int(latest.expires.timestamp())
        for path, target in latest.targets.items():
            custom = target.unrecognized_fields.get("custom")
            pointers[path] = decode_pointer(path, custom), until
    return min(int(each.expires.timestamp()) for each in parts), pointers


def _read_role(snapshot: Snapshot, codename: str, version: int) -> Role:
    document = snapshot.documents[f"/metadata/{metadata_name(codename, version)}"]
    targets = decode_targets(codename, document.identity.body).signed
    return targets, decode_releases(targets)


def _read_items(
    snapshot: Snapshot, role: Role, common: int
) -> tuple[dict[str, Item], frozenset[str], int]:
    """Return the packages of a role by path, those whose bytes are missing, and its expiry."""
    targets, releases = role
    items = {}
    for path, release in releases.items():
        target = targets.targets[path]
        items[path] = Item(path, release, target.length, target.hashes["sha256"])
    absent = frozenset(path for path, item in items.items() if not _is_served(snapshot, item))
    return items, absent, min(common, int(targets.expires.timestamp())) if releases else common


def _make_model(
    options: CompatOptions,
    device: str,
    codename: str,
    items: Mapping[str, Item],
    absent: frozenset[str],
    until: int,
    pointers: Mapping[str, tuple[Pointer, int]],
) -> Model:
    """Return a device; `until` is its packages' expiry, and each pointer comes with its own."""
    channel_offers = {}
    for name, rule in options.channels.items():
        channel = Channel(codename, rule.region, rule.channel)
        pointer, expiry = pointers.get(channel.pointer_path, (None, until))
        listed = {path: item for path, item in items.items() if path.startswith(f"{channel}/")}
        missing = absent & listed.keys()
        channel_offers[name] = ChannelOffers(
            name, rule, channel, pointer, listed, missing, min(until, expiry)
        )
    sources = {
        item.release.fingerprint: item for item in items.values() if item.release.type == "full"
    }
    return Model(device, channel_offers, sources, options)


def _is_served(snapshot: Snapshot, item: Item) -> bool:
    """Return whether the device plane serves the bytes: they exist and have not drained."""
    return f"/targets/{hashed_target_path(item.path, item.sha256)}" in snapshot.packages
