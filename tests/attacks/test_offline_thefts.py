"""What a thief of offline keys can do, by row of `docs/THREAT_MODEL.md`, "By custodian".

Roles of the model are submitted over the API with a token that may only read, upload and submit
them. Other roles go through the folder `incoming`, because such a token cannot submit them. Where
phones must fetch files that the server refuses, the thief also has the online keys and a mirror.
"""

import shutil
import time

import pytest
from securesystemslib.signer import CryptoSigner

from demo.stage import StageError
from fixtures.catalogue import Build
from signer.remote.connection import ServerRefusal
from tests.attacks.custody import CHANNEL, DAY, PACKS, THIEF, YEAR
from tests.attacks.role_thief import list_package, next_version, offer, plant, sign
from tests.cases import case

PATH = f"{CHANNEL}/thief.zip"


def test_one_key_of_two(custody):
    """Server and phone require a second signature, and nothing changes."""
    for role in ("root", "targets", "tables"):
        with case(role):
            signed = custody.role(role)
            signed.version += 1
            data = sign(signed, custody.key(f"{role}-1"))
            assert "signed by 1/2 keys" in custody.hand_in({(role, signed.version): data})
            thief, phone = custody.thief(), custody.another_phone(role)
            if role == "root":
                thief.lies[f"/metadata/{signed.version}.root.json"] = data
            else:
                plant(thief, {role: (signed.version, data)})
            before = custody.show(phone)["roles"].get(role)
            with custody.mirror(thief):
                if role == "tables":  # updates do not depend on it
                    (warning,) = custody.ask("poll", THIEF, phone)["warnings"]
                    assert "tables" in warning
                else:
                    with pytest.raises(StageError, match=f"{role} metadata was refused"):
                        custody.ask("poll", THIEF, phone)
            assert custody.show(phone)["roles"].get(role) == before


def test_a_threshold_of_root(custody):
    """A phone that accepted the thief's root follows the thief until its memory is erased.

    The server refuses such a root if it lacks the server's online keys. It accepts one with them,
    and the audit finds it.
    """
    own, other = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    root = custody.role("root")
    root.version += 1
    for role, key in {"root": own, "timestamp": other}.items():
        for keyid in list(root.roles[role].keyids):
            root.revoke_key(keyid, role)
        root.add_key(key.public_key, role)
        root.roles[role].threshold = 1
    data = sign(root, custody.key("root-1"), custody.key("root-2"), own)
    assert "timestamp" in custody.hand_in({("root", 2): data})
    thief = custody.thief()
    thief.lies["/metadata/2.root.json"] = data
    thief.keys.signers["timestamp"] = other
    published = thief.world.published()
    thief.timestamp(published.timestamp.version + 1, published.snapshot.version)
    with custody.mirror(thief):
        custody.ask("poll", THIEF)
    custody.sign("ceremony", "holders", "--remove", "root-1")
    with pytest.raises(StageError, match="timestamp metadata was refused"):
        custody.ask("poll")
    custody.device("reset", "--phone", custody.phone, "--yes", "--json")
    assert custody.ask("poll")["versions"]["root"] == 2
    root = custody.role("root")
    root.version += 1
    root.add_key(own.public_key, "root")
    data = sign(root, custody.key("root-2"), custody.key("root-3"))
    assert custody.hand_in({("root", 3): data}) == ""
    assert custody.audit() == ["foreign"]


def test_a_threshold_of_targets(custody):
    """The thief names a key for a model and withdraws its builds; the audit finds both.

    One root reverts targets and model; new builds follow with other keys.
    """
    own = CryptoSigner.generate_ed25519()
    targets = custody.role("targets")
    targets.version += 1
    targets.add_key(own.public_key, "armani")
    role = next_version(custody.role("armani"), int(time.time()) + 90 * DAY)
    withdraw_all(role)
    files = {
        ("targets", 2): sign(targets, custody.key("targets-1"), custody.key("targets-2")),
        ("armani", role.version): sign(role, own),
    }
    assert custody.hand_in(files) == ""
    assert "withdrawn" in custody.ask("poll", phone=custody.new_phone("late"))["reason"]
    assert custody.audit() == ["foreign", "foreign"]
    custody.bring_in("targets", "armani")
    assert custody.audit() == []
    custody.reset("armani", "targets-1", "targets-2", f"armani:{own.public_key.keyid}")
    check_goes_on(custody)


LIES = {
    "floor_time": ({"floor_time": 9 * YEAR}, {}, "floor_time"),
    "post_timestamp": ({}, {"post_timestamp": 9 * YEAR}, "the post_timestamp"),
    "counter": ({}, {"counter": 2**53 - 1}, "more than 1000 above"),
    "patch level": ({}, {"security_patch_level": "9999-12-31"}, "the patch level 9999-12-31"),
    "expires": ({"expires": 2 * YEAR}, {}, "valid for only 365 days"),
}


def test_codename_key_and_irreversible_facts(custody):
    """Server and phone refuse lies that no reset could undo; the phone stores none of them."""
    for number, (lie, (members, says, refusal)) in enumerate(LIES.items(), 1):
        with case(lie):
            now = int(time.time())
            own = {name: now + value for name, value in members.items()}
            facts = {"counter": 3, **says}
            if "post_timestamp" in facts:
                facts["post_timestamp"] += now
            role = next_version(custody.role("armani"), own.pop("expires", now + 90 * DAY), **own)
            list_package(role, PATH, custody.package(3), **facts)
            data = sign(role, custody.key("armani-1"))
            with pytest.raises(ServerRefusal, match=refusal):
                custody.submit({("armani", role.version): data}, custody.package(3))
            thief = custody.thief()
            latest = offer(thief, role, PATH, ahead=number)
            files = {"armani": (role.version, data)}
            package = [(PATH, custody.package(3))]
            plant(thief, files, package, ahead=number, latest=latest)
            before = custody.show()
            with custody.mirror(thief), pytest.raises(StageError, match="The role armani"):
                custody.ask("install", THIEF)
            after = custody.show()
            for what in ("clock_floor", "floor", "running"):
                assert after[what] == before[what]
            assert after["roles"]["armani"] == before["roles"]["armani"]
    custody.change_online_keys()
    custody.offer()
    assert custody.ask("install")["running"]["counter"] == 2


def test_a_codename_key(custody):
    """The thief withdraws every build, lists others and uses up counters; the audit finds it.

    No phone installs a build that the online side does not offer. A reset restores the counters,
    and new builds follow with another key.
    """
    role = next_version(custody.role("armani"), int(time.time()) + YEAR)
    withdraw_all(role)
    made = Build("armani", "id", 3).post_timestamp
    for counter in range(1_000, 20_000, 1_000):
        facts = {"counter": counter, "fingerprint": f"x/{counter}", "incremental": f"x{counter}"}
        facts["post_timestamp"] = made + counter
        list_package(role, f"{CHANNEL}/{counter}.zip", custody.package(3), **facts)
    files = {("armani", role.version): sign(role, custody.key("armani-1"))}
    custody.submit(files, custody.package(3))
    assert "withdrawn" in custody.ask("poll", phone=custody.new_phone("late"))["reason"]
    assert custody.audit() == ["foreign"]
    custody.bring_in("armani")
    custody.reset("armani", "armani-1")
    late = next_version(custody.role("armani"), int(time.time()) + 90 * DAY)
    with pytest.raises(ServerRefusal, match="armani"):
        custody.submit({("armani", late.version): sign(late, custody.key("armani-1"))})
    check_goes_on(custody)


FALSE = {
    "emergency": {"ID": {"exact": True, "numbers": ["666"]}},
    "features": {"calls": {**PACKS["features"]["calls"], "title": {"en": "Send money"}}},
}


def test_keys_of_packs(custody):
    """The thief adds false texts for every owner and uses up versions; a reset reverts both."""
    loot = custody.folder / "loot"
    shutil.copytree(custody.repo, loot / "repo")
    shutil.copytree(custody.keys, loot / "keys")
    thief = {"repo": loot / "repo", "keys": loot / "keys"}
    for kind, entries in FALSE.items():
        false = custody.pack(kind, 1_001, PACKS[kind] | entries)
        custody.sign("content", "release", false, **thief)
    custody.ask("poll")
    assert custody.packs() == dict.fromkeys(FALSE, 1_001)
    for kind in FALSE:
        custody.sign("content", "withdraw", kind, **thief)
    custody.ask("poll")
    assert 1_001 not in custody.packs().values()
    assert custody.audit() == ["foreign"] * 4
    custody.bring_in("tables", "content")
    for role, kind, stolen in (
        ("tables", "emergency", ("tables-1", "tables-2")),
        ("content", "features", ("content-1",)),
    ):
        custody.reset(role, *stolen, kept=[custody.packages / f"{kind}-1"])
    custody.ask("poll")
    assert custody.packs() == dict.fromkeys(FALSE, 1)
    assert custody.audit() == []


def withdraw_all(role):
    """Withdraw every build that a role lists."""
    for target in role.targets.values():
        target.custom["withdrawn"] = True


def check_goes_on(custody):
    """Check that the phone installs the next build that the owners release."""
    name = custody.release_next()
    assert custody.ask("install")["running"]["incremental"] == name
    assert custody.audit() == []
    status, said, error = custody.run("server.cli", "check", "--state", custody.server_state)
    assert status == 0, said + error
