"""The how-to pages on lost and stolen keys: a thief attacks, the commands run, a phone recovers."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass

import pytest
from tuf.api.metadata import Metadata
from tuf.api.serialization.json import JSONSerializer

from server.publisher.keys.online_keys import HOLDERS, promote_next_key
from signer.bundle_writer import prepared_bundle
from signer.keys.keystore import Keystore
from tests.flows.cached_phones import FAR
from tests.flows.rehearsal import (
    ELSEWHERE,
    HERE,
    PASSPHRASE,
    Rehearsal,
    copied,
    make_rehearsal,
    read_commands,
)
from tests.flows.thief_server import make_thief, serving
from tests.patience import until


@dataclass
class Drill(Rehearsal):
    """A rehearsal with a thief."""

    def poll(self, address, phone="phone"):
        """Poll at an address; returns whether it succeeded, and the output."""
        return self._device("poll", address, phone)

    def install(self, address, phone):
        """Install the offer at an address."""
        return self._device("install", address, phone)

    def another_phone(self, name):
        """Copy the phone as it is now."""
        shutil.copytree(self.folder / "phone", self.folder / name)
        return name

    def thief(self, loot="loot", *, signs_with_next=False):
        """Return a thief with a copy of the online keys; it may sign with the next keys."""
        loot = self.folder / loot
        shutil.copytree(self.folder / "server" / "keys", loot / "keys")
        if signs_with_next:
            for name in HOLDERS:
                promote_next_key(loot / "keys", name)
        for name in ("public", "blobs"):
            (loot / name).symlink_to(self.folder / "server" / name)
        return make_thief(loot)

    def drill(self, name):
        """Run the commands of a page; instead of waiting for caches, make the newest root older."""
        seconds = r"s/(\"time\":)[0-9]+/\1$(($(date +%s) - 80))/"
        older = f'sed -i -E "{seconds}" server/public/roots.json'
        return self.shell([older if line == "sleep 80" else line for line in read_commands(name)])

    def _device(self, command, address, phone):
        done = subprocess.run(
            [
                *(*self.programs.command("hening-device"), command, "--phone", phone),
                *("--resolve", f"updates.hening.example={address}"),
            ],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(programs, tmp_path_factory):
    """Make the rehearsal folder once."""
    return make_rehearsal(tmp_path_factory.mktemp("drills") / "made", programs, Drill)


@pytest.fixture
def drill(made, tmp_path):
    """Copy the rehearsal, and start its server again."""
    with copied(made, tmp_path / "drill") as mine:
        yield mine


def sign_with(drill, data, *names):
    """Sign the next version of a metadata file with keys of the key folder."""
    metadata = Metadata.from_bytes(data)
    metadata.signed.version += 1
    store = Keystore(drill.folder / "keys")
    metadata.signatures.clear()
    for name in names:
        key = store.load_public_key(name)
        metadata.sign(store.load_signer(key, lambda _name: PASSPHRASE), append=True)
    return metadata.signed.version, metadata.to_bytes(JSONSerializer(compact=True))


def current(drill, role):
    """Return the bytes of the newest version of a role in the working folder."""
    versions = (drill.folder / "repo" / "metadata").glob(f"*.{role}.json")
    return max(versions, key=lambda path: int(path.name.split(".")[0])).read_bytes()


def show_role(thief, role, version, data):
    """Have the thief serve a version of a role, with proof, snapshot and timestamp."""
    published = thief.world.published()
    thief.lies[f"/metadata/{version}.{role}.json"] = data
    thief.prove(role, version, data)
    thief.snapshot(published.snapshot.version + 1, **{role: version})
    thief.timestamp(published.timestamp.version + 1, published.snapshot.version + 1)


def hand_over(drill, role, version, data):
    """Submit a version to the honest server, and wait until it is published."""
    with prepared_bundle(drill.folder / "server" / "incoming", {(role, version): data}, []) as made:
        made.reveal()
    result = drill.folder / "server" / "results" / f"{made.id}.json"
    until(result.exists)
    assert json.loads(result.read_bytes())["status"] == "published"


def fast_forward(thief):
    """Have the thief raise versions beyond those of any honest server."""
    thief.snapshot(FAR)
    thief.timestamp(FAR, FAR)


def test_root_key_holder_gone(drill):
    """The phone follows, and a root signed by the lost key and one other key is refused."""
    thief = drill.thief()
    assert "root-2" in drill.drill("root-holder-gone")
    version, data = sign_with(drill, current(drill, "root"), "root-1", "root-2")
    thief.lies[f"/metadata/{version}.root.json"] = data
    with serving(thief, drill.port):
        went_well, said = drill.poll(ELSEWHERE)
    assert (went_well, "root metadata was refused" in said) == (False, True), said
    assert drill.poll(HERE)[0]


def test_stolen_model_key(drill):
    """The audit finds the thief's version, and the next version revokes the stolen key."""
    thief = drill.thief()
    version, data = sign_with(drill, current(drill, "armani"), "armani-1", "armani-2")
    assert version == 3
    hand_over(drill, "armani", version, data)
    assert drill.install(HERE, drill.another_phone("before"))[0]
    said = drill.drill("stolen-model-key")
    assert "is armani 3, which the working folder does not have: it was made elsewhere." in said
    assert hashlib.sha256(data).hexdigest() in said
    assert said.count("1 finding; the memory is as it was.") == 1
    assert said.count("Nothing is wrong; the memory is up to date.") == 1
    assert Metadata.from_bytes(current(drill, "armani")).signed.version == 4
    with serving(thief, drill.port):
        version, data = sign_with(drill, current(drill, "armani"), "armani-1", "armani-2")
        show_role(thief, "armani", version, data)
        went_well, said = drill.install(ELSEWHERE, drill.another_phone("after"))
    assert (went_well, "armani" in said) == (False, True), said
    assert drill.install(HERE, "phone")[0]


def test_stolen_snapshot_key(drill):
    """A phone whose versions are far ahead is stuck, and recovers with the new root."""
    thief = drill.thief()
    fast_forward(thief)
    with serving(thief, drill.port):
        assert drill.poll(ELSEWHERE)[0]
        went_well, said = drill.poll(HERE)
        assert (went_well, f"older than {FAR}" in said) == (True, True), said
        drill.drill("stolen-snapshot-key")
        assert drill.poll(HERE)[0]
        assert not drill.poll(ELSEWHERE)[0]
    assert drill.poll(HERE)[0]


def test_stolen_latest_key(drill):
    """Signatures by the old key are refused under the new targets."""
    thief = drill.thief()
    version = thief.world.published().roles["latest"].version + 1
    thief.latest(version, {})
    show_role(thief, "latest", version, thief.lies[f"/metadata/{version}.latest.json"])
    with serving(thief, drill.port):
        went_well, said = drill.poll(ELSEWHERE, drill.another_phone("before"))
        assert went_well, said
        assert "Build 1 is offered" not in said
        assert "armani/id/stable" in drill.drill("stolen-latest-key")
        version = thief.world.published().roles["latest"].version + 1
        thief.latest(version, {})
        show_role(thief, "latest", version, thief.lies[f"/metadata/{version}.latest.json"])
        went_well, said = drill.poll(ELSEWHERE, drill.another_phone("after"))
    assert (went_well, "latest" in said) == (False, True), said
    assert drill.poll(HERE)[0]


def test_stolen_log_key(drill):
    """Proofs by the old key are refused under the new root."""
    thief = drill.thief()
    drill.drill("stolen-log-key")
    published = thief.world.published()
    version = published.roles["latest"].version
    public = drill.folder / "server" / "public" / "metadata" / f"{version}.latest.json"
    thief.prove("latest", version, public.read_bytes())
    fresh = drill.folder / "fresh"
    (line,) = (
        line for line in read_commands("rehearse") if line.startswith("hening-device create")
    )
    drill.shell([line.replace("--phone phone", f"--phone {fresh}")])
    with serving(thief, drill.port):
        went_well, said = drill.poll(ELSEWHERE, str(fresh))
    assert (went_well, "log" in said) == (False, True), said
    assert drill.poll(HERE, str(fresh))[0]


def test_stolen_server(drill):
    """The phone recovers although every role that the server signs was far ahead.

    A key change had been prepared, so the thief has the next keys, too; they do not help.
    """
    assert "existing next key" not in drill.shell(["hening-server keys new all --state server"])
    thief, heir = drill.thief(), drill.thief("legacy", signs_with_next=True)
    thief.latest(FAR, {})
    thief.snapshot(FAR, latest=FAR)
    thief.timestamp(FAR, FAR)
    with serving(thief, drill.port):
        assert drill.poll(ELSEWHERE)[0]
        assert "Nothing is new." in drill.poll(HERE)[1]
        drill.drill("stolen-server")
        assert drill.poll(HERE)[0]
        assert not drill.poll(ELSEWHERE)[0]
    fast_forward(heir)
    with serving(heir, drill.port):
        went_well, said = drill.poll(ELSEWHERE)
    assert (went_well, "timestamp" in said) == (False, True), said
    assert drill.poll(HERE)[0]


def test_planned_change_of_online_keys(drill):
    """Every phone keeps updating, even one that was off; then the old keys have no effect."""
    sleeper = drill.another_phone("sleeper")
    thief = drill.thief()
    said = drill.drill("change-online-keys")
    assert "refused" not in said
    assert drill.poll(HERE, sleeper)[0]
    fast_forward(thief)
    with serving(thief, drill.port):
        assert not drill.poll(ELSEWHERE)[0]
    assert drill.poll(HERE)[0]


def test_lost_key_file(drill):
    """The server says what to do; every phone continues, and so does the log under its new key."""
    keys = drill.folder / "server" / "keys"
    before = {path.name: path.read_bytes() for path in keys.glob("*.pem")}
    for name in ("snapshot", "log"):
        (keys / f"{name}.pem").unlink()
    said = drill.shell(["! hening-server keys list --state server"])
    assert "snapshot.pem is gone" in said
    assert "`hening-server init --state server`" in said
    assert drill.poll(HERE)[0]
    said = drill.drill("lost-key-file")
    assert "New keys: snapshot, log." in said
    assert "Nothing is wrong" in said
    changed = {path.name for path in keys.glob("*.pem") if before[path.name] != path.read_bytes()}
    assert changed == {"snapshot.pem", "log.pem"}
    assert drill.install(HERE, "phone")[0]
