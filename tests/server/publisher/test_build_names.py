"""Readable names of builds."""

from datetime import UTC, datetime

from tuf.api.metadata import TargetFile, Targets

from server.core.names import decode_channel
from server.publisher.build_names import BuildName, BuildNames
from tests.server.ceremony import release
from tests.server.world import CHANNEL, FIRST

XIAOMI = "Xiaomi/armani/armani:4.4.4/KTU84P/V6.1.2.0.KHCMICB:user/release-keys"


def names(**changes):
    """Return the names of a role with one build and an incremental to it."""
    lesser = {"type": "incremental", "source_builds": ["a/b/c:1/D/0:user/x"]}
    files = {
        FIRST.replace("1.zip", "0-1.zip"): (100, release(1, **changes, **lesser)),
        FIRST: (10_244, release(1, **changes)),
    }
    role = Targets(1, None, datetime(2027, 1, 1, tzinfo=UTC))
    for path, (length, custom) in files.items():
        role.targets[path] = TargetFile(length, {"sha256": "0" * 64}, path, {"custom": custom})
    return BuildNames({"armani": role})


def test_name_from_the_fingerprint():
    """Version and Android release come from the fingerprint, the size from the full package.

    If the fingerprint has another form, the version is the `incremental` value.
    """
    changelog = {"id": "Baru.", "en": "\n  Fixes the alarm clock. \nAnd more."}
    name = names(fingerprint=XIAOMI, changelog=changelog).find(CHANNEL, 1)
    assert name.title == "V6.1.2.0.KHCMICB (build 1)"
    assert name.facts(str) == ("Android 4.4.4, patch level 2026-01-05, 10.2 kB, built 1767225601")
    assert name.changelog == "Fixes the alarm clock."
    name = names(fingerprint="lineage-21", incremental="eng.ani.20261128").find(CHANNEL, 1)
    assert (name.version, name.android) == ("eng.ani.20261128", "")


def test_changelog_line():
    """The changelog's first line is shown, preferably in English, cut to 200 characters."""
    for changelog, line in (
        ({}, ""),
        ({"id": "Baru."}, "Baru."),
        ({"en-GB": "New.", "de": "Neu."}, "New."),
        ({"en": "x" * 4000}, "x" * 199 + "…"),
    ):
        assert names(changelog=changelog).find(CHANNEL, 1).changelog == line


def test_newest_build_of_a_channel():
    """The newest build is one that is not withdrawn, or None."""
    assert names().find_newest(CHANNEL).counter == 1
    assert names(withdrawn=True).find_newest(CHANNEL) is None
    assert names().find_newest(decode_channel("armani/id/beta")) is None


def test_unlisted_build():
    """Of a build that its channel does not list, only the counter is shown."""
    for channel, counter in (("armani/id/beta", 1), ("armani/id/stable", 2), ("dior/id/x", 1)):
        name = names().find(decode_channel(channel), counter)
        assert name == BuildName(counter)
        assert (name.title, name.facts(str)) == (f"build {counter}", "")
