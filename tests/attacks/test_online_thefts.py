"""What a thief of online keys can do, by row of `docs/THREAT_MODEL.md`, "By custodian".

The thief serves phones from another address, with the server's publications and with metadata that
the thief has signed.
"""

import time

import pytest

from demo.stage import StageError
from fixtures.small_package import OtherBuild
from server.core.checkpoint import encode_checkpoint
from server.core.tlog import leaf_hash
from tests.attacks.custody import CHANNEL, DAY, HOUR, THIEF, YEAR
from tests.attacks.role_thief import list_package, offer, plant, sign
from tests.flows.cached_phones import FAR

PATH = f"{CHANNEL}/thief.zip"
SECOND = f"{CHANNEL}/armani-2.zip"


def test_latest_alone(custody):
    """Without the log's key the thief has no proof, and a phone accepts no pointer without one."""
    thief = custody.thief()
    version = thief.world.published().roles["latest"].version
    thief.latest(version, {}, is_proven=False)
    new = custody.new_phone("new")
    with custody.mirror(thief), pytest.raises(StageError, match="log"):
        custody.ask("poll", THIEF, new)
    assert custody.ask("poll", phone=new)["offer"]["counter"] == 1


def test_snapshot_alone(custody):
    """A forged snapshot hides the newest `latest`, until the next timestamp is published."""
    custody.offer()
    thief = custody.thief()
    published = thief.world.published()
    thief.snapshot(published.snapshot.version, latest=published.roles["latest"].version - 1)
    with custody.mirror(thief):
        assert custody.ask("poll", THIEF)["offer"] is None
    assert custody.ask("poll")["offer"] is None
    custody.rollout("pause")
    assert custody.ask("poll")["offer"]["counter"] == 2


def test_timestamp_alone(custody):
    """The thief freezes phones until their snapshot expires, in at most seven days.

    A phone whose versions are far ahead needs new keys.
    """
    thief = custody.thief(10 * YEAR)
    thief.timestamp(FAR, thief.world.published().snapshot.version)
    custody.offer()
    before = custody.show()["clock_floor"]
    with custody.mirror(thief):
        assert custody.ask("poll", THIEF)["offer"] is None
        custody.ahead = 6 * DAY
        assert custody.ask("poll", THIEF)["offer"] is None
        custody.ahead = 8 * DAY
        with pytest.raises(StageError, match=r"snapshot\.json is expired"):
            custody.ask("poll", THIEF)
    custody.ahead = 0
    assert str(FAR) in custody.ask("poll")["warnings"][0]
    assert custody.show()["clock_floor"] == before
    custody.change_online_keys()
    assert custody.ask("poll")["offer"]["counter"] == 2


def test_log_alone(custody):
    """No phone notices a second history; an auditor with the first one can prove it."""
    thief = custody.thief()
    keys = thief.keys
    checkpoint = encode_checkpoint(11, leaf_hash(b"another"), keys.log_verifier, keys.log.sign)
    thief.lies["/log/checkpoint"] = checkpoint
    with custody.mirror(thief):
        custody.ask("poll", THIEF)
        assert "equivocation" in custody.audit(f"http://{THIEF}:{custody.port}")
    assert custody.audit() == []


def test_all_online_keys_offer_early(custody):
    """Signed builds that are halted or not offered yet reach everyone, and only phones see it.

    Withdrawn builds stay withdrawn.
    """
    custody.offer()
    custody.rollout("halt")
    assert custody.ask("poll")["offer"] is None
    thief = custody.thief()
    latest = offer(thief, custody.role("armani"), SECOND)
    plant(thief, {}, latest=latest)
    late = custody.another_phone("late")
    with custody.mirror(thief):
        assert custody.ask("install", THIEF)["running"]["counter"] == 2
    custody.sign("release", "withdraw", CHANNEL, "--counter", "2")
    plant(thief, {}, latest=latest, ahead=1, armani=custody.role("armani").version)
    with custody.mirror(thief), pytest.raises(StageError, match="withdrawn"):
        custody.ask("install", THIEF, late)
    custody.change_online_keys()
    for phone in (custody.phone, late):
        assert custody.ask("poll", phone=phone)["offer"] is None
        with custody.mirror(thief), pytest.raises(StageError, match="timestamp"):
            custody.ask("poll", THIEF, phone)


def test_all_online_keys_freeze(custody):
    """An old state that is signed again and again lasts until an offline role expires: 90 days."""
    thief = custody.thief()
    first = thief.world.published()
    for days, number in ((0, 1), (45, 2), (89, 3), (91, 4)):
        custody.ahead = days * DAY
        version = first.roles["latest"].version + number
        thief.latest(version, first.pointers())
        plant(thief, {}, latest=version, ahead=number)
        with custody.mirror(thief):
            if days < 90:
                assert custody.ask("poll", THIEF)["offer"] is None
            else:
                with pytest.raises(StageError, match="targets is expired"):
                    custody.ask("install", THIEF)


def test_all_online_keys_ten_years_ahead(custody):
    """No clock floor goes beyond what maintainers have signed, whatever time the thief claims."""
    thief = custody.thief(10 * YEAR)
    latest = offer(thief, custody.role("armani"), SECOND)
    plant(thief, {}, latest=latest)
    with custody.mirror(thief):
        custody.ask("install", THIEF)
    shown = custody.show()
    assert shown["clock_floor"] == shown["running"]["post_timestamp"] < time.time()
    custody.change_online_keys()
    custody.release_next()
    assert custody.ask("install")["running"]["counter"] == 3


def test_future_timestamp_in_server_tree(custody):
    """`check` and the API name the version and the key; only new keys repair it."""
    custody.stop_server()
    thief = custody.thief(10 * YEAR)
    published = thief.world.published()
    thief.timestamp(published.timestamp.version + 1, published.snapshot.version)
    file = custody.server_state / "public" / "metadata" / "timestamp.json"
    file.write_bytes(thief.lies["/metadata/timestamp.json"])
    custody.start_server("--gate", "strict")
    (wrong,) = custody.check()
    assert "timestamp 6 expires on 20" in wrong
    assert thief.keys.signers["timestamp"].public_key.keyid[:16] in wrong
    assert custody.alarms() == ["clock", "limits"]
    with pytest.raises(StageError, match="expired"):
        custody.offer()
    custody.change_online_keys()
    custody.offer()
    assert custody.check() == []
    assert custody.ask("install")["running"]["counter"] == 2


def test_a_codename_key_with_all_online_keys(custody):
    """Together they move a phone's counter and clock ahead; one root with new keys reverts it."""
    thief, later = custody.thief(10 * YEAR), int(time.time()) + 9 * YEAR
    role = custody.role("armani")
    for counter in range(1_000, 10_000, 1_000):
        list_package(role, f"{CHANNEL}/{counter}.zip", custody.package(3), counter=counter)
    list_package(role, PATH, custody.package(3), counter=9_500)
    honest = custody.another_phone("honest")
    with custody.mirror(thief):
        serve(custody, thief, role, custody.package(3), FAR)
        custody.ask("install", THIEF)
        role.unrecognized_fields["custom"] = {"floor": 0, "floor_time": later, "schema": 1}
        role.targets[PATH].custom["counter"] = 9_501
        serve(custody, thief, role, custody.package(3), FAR + 1)
        with pytest.raises(StageError, match=r"root\.json is expired"):
            custody.ask("install", THIEF)
    shown = custody.show()
    assert (shown["clock_floor"], shown["floor"]) == (later, 9_500)
    with pytest.raises(StageError, match=r"root\.json is expired"):
        custody.ask("poll")
    assert custody.audit() == []  # the thief showed it to this phone only
    custody.change_online_keys()
    custody.reset("armani", "armani-1")
    name = custody.release_next()
    for phone in (custody.phone, honest):
        assert custody.ask("install", phone=phone)["running"]["incremental"] == name
        assert custody.show(phone)["clock_floor"] <= time.time() + HOUR
    with custody.mirror(thief), pytest.raises(StageError, match="timestamp"):
        custody.ask("poll", THIEF)


def test_a_codename_key_with_all_online_keys_and_the_ota_key(custody):
    """No root reverts facts stated by an installed image: such a phone needs another image."""
    thief = custody.thief(10 * YEAR)
    build = OtherBuild("armani", "id", 3, int(time.time()), "2035-01-05")
    own = custody.package("own", build)
    role = custody.role("armani")
    list_package(role, PATH, own, counter=3)
    with custody.mirror(thief):
        serve(custody, thief, role, own, role.version + 1)
        assert custody.ask("install", THIEF)["running"]["security_patch_level"] == "2035-01-05"
    custody.change_online_keys()
    custody.reset("armani", "armani-1")
    custody.release_next()
    with pytest.raises(StageError, match="older security patch level"):
        custody.ask("poll")
    new = custody.new_phone("flashed")
    assert custody.ask("install", phone=new)["running"]["counter"] == 3


def serve(custody, thief, role, package, version):
    """Let the thief sign a version of the model's role, and offer what it lists under PATH."""
    role.version = version
    files = {"armani": (version, sign(role, custody.key("armani-1")))}
    latest = offer(thief, role, PATH, ahead=version)
    plant(thief, files, [(PATH, package)], ahead=version, latest=latest)
