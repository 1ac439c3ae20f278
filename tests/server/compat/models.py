"""A model with three builds, as dialects see it, and an unsigned snapshot of it."""

from dataclasses import replace

import msgspec

from server.compat.offers import ChannelOffers, Item, Model
from server.compat.options import ClientChannel, CompatOptions
from server.core.names import decode_channel
from server.core.pointer import decode_pointer
from server.core.release import decode_release
from tests.server.ceremony import release

CHANNEL = decode_channel("armani/id/stable")
BEFORE, START, FROM, EXPIRY = 50, 100, 300, 1000
CSIG = {"length": 7, "sha256": "c" * 64}
LABELS = {
    "lineage.version": "22.1",
    "lineage.property_files": "payload.bin:1:2,payload_properties.txt:3:4",
    "crdroid.version": "11.2",
    "crdroid.maintainer": "Zoë",
    "pe.version": "14",
    "md5": "d" * 32,
    "vbmeta": "e" * 64,
}


def make_item(counter, source=None, channel=CHANNEL, **changes):
    """Return a build's full package, or its incremental from another build."""
    name = f"armani-{counter}" + ("" if source is None else f"-from-{source}")
    path = f"{channel}/{name}.zip"
    custom = release(counter, incremental=f"1.{counter}", labels=LABELS, csig=CSIG)
    custom["changelog"] = {"en": "Fixes <b> & more.\nAgain."}
    if source is not None:
        custom |= {"type": "incremental", "source_builds": [release(source)["fingerprint"]]}
    length = counter * 100 + (source or 0)
    return Item(path, decode_release(path, custom | changes), length, f"{length:064x}")


def make_pointer(*counters, packages=None, **members):
    """Return a pointer whose steps are these builds, complete from `FROM` on."""
    items = [make_item(counter) for counter in counters]
    steps = [
        {
            "n": item.release.counter,
            "t": item.release.post_timestamp,
            "l": "2026-01-05",
            "m": 0,
            "k": [
                {
                    "p": each.path,
                    "z": each.length,
                    "x": each.sha256,
                    "b": list(each.release.source_builds),
                }
                for each in (packages or {}).get(item.release.counter, [item])
            ],
        }
        for item in items
    ]
    schedule = [[START, 500], [FROM, 1000]]
    custom = {"v": 1, "s": steps, "r": schedule, "p": False, "h": False, "t": {}}
    return decode_pointer(CHANNEL.pointer_path, custom | members)


ITEMS = [make_item(1), make_item(2), make_item(2, 1), make_item(3), make_item(3, 2)]
STEP_3 = {3: [make_item(3), make_item(3, 2)]}
POINTER = make_pointer(3, packages=STEP_3, c=2)


def make_shelf(pointer=POINTER, items=ITEMS, name="nightly", absent=(), **rule):
    """Return the offers of a channel."""
    listed = {item.path: item for item in items}
    rule = ClientChannel(region="id", channel="stable", **rule)
    return ChannelOffers(name, rule, CHANNEL, pointer, listed, frozenset(absent), EXPIRY)


OPTIONS = CompatOptions(
    public_url="https://u.example",
    dialects=("lineage1", "lineage2", "graphene", "calyx", "custota", "crdroid", "pixelexperience"),
    devices={"FP4": "armani"},
    channels={"nightly": ClientChannel(region="id", channel="stable")},
    pe_versions=("14", "15"),
)


def make_model(offers=None, device="FP4", **options):
    """Return a model with one channel."""
    offers = offers or make_shelf()
    sources = {
        item.release.fingerprint: item
        for item in offers.items.values()
        if item.release.type == "full"
    }
    return Model(
        device, {offers.name: offers}, sources, msgspec.structs.replace(OPTIONS, **options)
    )


def withdraw(item):
    """Return a withdrawn package."""
    return replace(item, release=msgspec.structs.replace(item.release, withdrawn=True))


def relabel(item, **labels):
    """Return a package with changed labels; an empty value removes the label."""
    found = {name: value for name, value in {**LABELS, **labels}.items() if value}
    return replace(item, release=msgspec.structs.replace(item.release, labels=found))
