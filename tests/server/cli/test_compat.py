"""`compat`, and what `export` and `check` report about dialects."""

import json

import pytest

from server.compat.options import SENTENCE
from tests.server.ceremony import release
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND

SETTINGS = """
[compat]
public_url = "https://u.example"
dialects = ["lineage1", "graphene"]
[compat.devices]
FP4 = "armani"
[compat.channels]
nightly = { region = "id", channel = "stable" }
"""


@pytest.fixture
def offered(world):
    """Return a state that offers its second build, with a label, to all devices."""
    labels = {"lineage.version": "22.1"}
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2, labels=labels))}
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    assert world.publish(role, [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    world.folder.settings.write_text(SETTINGS)
    return world


def test_preview(offered, run):
    """The preview shows the offers and bodies now and after each later change."""
    words = ("compat", "preview", "graphene", "FP4", "nightly", "--state", offered.folder.root)
    status, text, err = run(*words, "--json")
    found = json.loads(text)
    assert (status, err, found["faults"]) == (0, "", [])
    now, later = found["moments"]
    assert now["offer"] == SECOND
    assert now["pages"] == {"/graphene/FP4-nightly": "2 1767225602 FP4 nightly\n"}
    assert (later["offer"], later["pages"]["/graphene/FP4-nightly"]) == ("", "0 0 FP4 nightly\n")
    assert later["time"] > now["time"]
    status, text, _ = run(*words, "--utc")
    assert status == 0
    assert f": {SECOND}\n  /graphene/FP4-nightly\n    2 1767225602 FP4 nightly\n" in text
    status, text, _ = run(*words, "--utc", "--at", "2099-01-01")
    assert text.startswith("From 2099-01-01 00:00:00 UTC: nothing\n")
    status, text, _ = run("compat", "preview", "custota", *words[3:])  # which is not configured
    assert status == 0
    assert f"Not offered: custota: {SECOND} has no csig" in text


def test_unknown_names_are_refused(offered, run):
    """An unknown name is refused with the known ones; an unknown dialect is a usage error."""
    state = ("--state", offered.folder.root)
    status, _, err = run("compat", "preview", "graphene", "FP5", "nightly", *state)
    assert (status, "[compat.devices] has no FP5: it has FP4." in err) == (1, True)
    status, _, err = run("compat", "preview", "graphene", "FP4", "beta", *state)
    assert (status, "[compat.channels] has no beta: it has nightly." in err) == (1, True)
    assert run("compat", "preview", "omaha", "FP4", "nightly", *state)[0] == 2


def test_template(offered, run):
    """The template is the line for the app's build configuration; it needs a public URL."""
    state = ("--state", offered.folder.root)
    status, text, _ = run("compat", "template", "lineage2", *state)
    assert status == 0
    assert text == (
        '<string name="updater_server_url" translatable="false">'
        "https://u.example/lineage/v2/devices/{device}/builds</string>\n"
    )
    offered.folder.settings.write_text("")
    status, _, err = run("compat", "template", "lineage2", *state)
    assert (status, "has no public_url" in err) == (1, True)


def test_export_and_check_report_dialects(offered, run, tmp_path):
    """`export` counts files, and `check` reports the dialects' effect on the privacy promise."""
    state, out = ("--state", offered.folder.root), tmp_path / "dialects"
    status, text, _ = run("export", *state, "--compat", "--out", out, "--json")
    done = json.loads(text)
    assert (status, done["written"], done["removed"]) == (0, done["files"], 0)
    status, text, _ = run("export", *state, "--compat", "--out", out, "--utc")
    assert text.startswith(f"{out} has {done['files']} files of dialects: 0 written, 0 removed; a")
    status, text, _ = run("check", *state, "--json")
    details = [each["detail"] for each in json.loads(text) if each["subject"] == "dialects"]
    assert details == [SENTENCE, "2 spoken"]


def test_offer_that_breaks_a_list_is_refused(offered, run):
    """An offer that would break an app's list is refused; a halt never is."""
    state, settings = ("--state", offered.folder.root), offered.folder.settings
    labels = {"lineage.version": "22.1"}
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2, labels=labels))}
    for version, (dialect, changes, fault) in enumerate(
        (
            ("lineage2", {"labels": {"lineage.version": "22"}}, "has lineage.version 22, but the"),
            ("graphene", {"incremental": "2"}, "FP4-ota_update-2.zip would be the name of two"),
            ("calyx", {"incremental": "a/b"}, "has an incremental that cannot be in a file name"),
        ),
        4,
    ):
        counter, data = version - 1, PACKAGE_1 + bytes([version])
        path = f"{CHANNEL}/armani-{counter}.zip"
        files[path] = (data, release(counter, **{"labels": labels} | changes))
        role = {("armani", version): offered.ceremony.role("armani", version, files)}
        assert offered.publish(role, [data]).reason == ""
        offer = ("rollout", "offer", str(CHANNEL), "--counter", counter, "--share", "1%", *state)
        settings.write_text(SETTINGS.replace('"lineage1", "graphene"', f'"{dialect}"'))
        status, _, err = run(*offer, "--dry-run")
        assert (status, f"{dialect}: " in err, fault in err) == (1, True, True)
        status, _, err = run(*offer)
        assert (status, "or take the dialect out of [compat] dialects" in err) == (1, True)
    settings.write_text(SETTINGS.replace(', "graphene"', ""))
    assert run(*offer)[0] == 0
    settings.write_text(SETTINGS.replace('"lineage1", "graphene"', '"calyx"'))
    assert run("rollout", "halt", str(CHANNEL), *state)[0] == 0
