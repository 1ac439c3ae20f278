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
class Incident(Rehearsal):
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

    def run_page(self, name):
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
    return make_rehearsal(tmp_path_factory.mktemp("incidents") / "made", programs, Incident)


@pytest.fixture
def incident(made, tmp_path):
    """Copy the rehearsal, and start its server again."""
    with copied(made, tmp_path / "incident") as mine:
        yield mine


def sign_with(incident, data, *names):
    """Sign the next version of a metadata file with keys of the key folder."""
    metadata = Metadata.from_bytes(data)
    metadata.signed.version += 1
    store = Keystore(incident.folder / "keys")
    metadata.signatures.clear()
    for name in names:
        key = store.load_public_key(name)
        metadata.sign(store.load_signer(key, lambda _name: PASSPHRASE), append=True)
    return metadata.signed.version, metadata.to_bytes(JSONSerializer(compact=True))


def current(incident, role):
    """Return the bytes of the newest version of a role in the working folder."""
    versions = (incident.folder / "repo" / "metadata").glob(f"*.{role}.json")
    return max(versions, key=lambda path: int(path.name.split(".")[0])).read_bytes()


def show_role(thief, role, version, data):
    """Have the thief serve a version of a role, with proof, snapshot and timestamp."""
    published = thief.world.published()
    thief.lies[f"/metadata/{version}.{role}.json"] = data
    thief.prove(role, version, data)
    thief.snapshot(published.snapshot.version + 1, **{role: version})
    thief.timestamp(published.timestamp.version + 1, published.snapshot.version + 1)


def hand_over(incident, role, version, data):
    """Submit a version to the honest server, and wait until it is published."""
    with prepared_bundle(
        incident.folder / "server" / "incoming", {(role, version): data}, []
    ) as made:
        made.reveal()
    result = incident.folder / "server" / "results" / f"{made.id}.json"
    until(result.exists)
    assert json.loads(result.read_bytes())["status"] == "published"


def fast_forward(thief):
    """Have the thief raise versions beyond those of any honest server."""
    thief.snapshot(FAR)
    thief.timestamp(FAR, FAR)


def test_root_key_holder_gone(incident):
    """The phone follows, and a root signed by the lost key and one other key is refused."""
    thief = incident.thief()
    assert "root-2" in incident.run_page("root-holder-gone")
    version, data = sign_with(incident, current(incident, "root"), "root-1", "root-2")
    thief.lies[f"/metadata/{version}.root.json"] = data
    with serving(thief, incident.port):
        went_well, said = incident.poll(ELSEWHERE)
    assert (went_well, "root metadata was refused" in said) == (False, True), said
    assert incident.poll(HERE)[0]


def test_stolen_model_key(incident):
    """The audit finds the thief's version, and the next version revokes the stolen key."""
    thief = incident.thief()
    version, data = sign_with(incident, current(incident, "armani"), "armani-1", "armani-2")
    assert version == 3
    hand_over(incident, "armani", version, data)
    assert incident.install(HERE, incident.another_phone("before"))[0]
    said = incident.run_page("stolen-model-key")
    assert "is armani 3, which the working folder does not have: it was made elsewhere." in said
    assert hashlib.sha256(data).hexdigest() in said
    assert said.count("1 finding; the memory is as it was.") == 1
    assert said.count("Nothing is wrong; the memory is up to date.") == 1
    assert Metadata.from_bytes(current(incident, "armani")).signed.version == 4
    with serving(thief, incident.port):
        version, data = sign_with(incident, current(incident, "armani"), "armani-1", "armani-2")
        show_role(thief, "armani", version, data)
        went_well, said = incident.install(ELSEWHERE, incident.another_phone("after"))
    assert (went_well, "armani" in said) == (False, True), said
    assert incident.install(HERE, "phone")[0]


def test_stolen_snapshot_key(incident):
    """A phone whose versions are far ahead is stuck, and recovers with the new root."""
    thief = incident.thief()
    fast_forward(thief)
    with serving(thief, incident.port):
        assert incident.poll(ELSEWHERE)[0]
        went_well, said = incident.poll(HERE)
        assert (went_well, f"older than {FAR}" in said) == (True, True), said
        incident.run_page("stolen-snapshot-key")
        assert incident.poll(HERE)[0]
        assert not incident.poll(ELSEWHERE)[0]
    assert incident.poll(HERE)[0]


def test_stolen_latest_key(incident):
    """Signatures by the old key are refused under the new targets."""
    thief = incident.thief()
    version = thief.world.published().roles["latest"].version + 1
    thief.latest(version, {})
    show_role(thief, "latest", version, thief.lies[f"/metadata/{version}.latest.json"])
    with serving(thief, incident.port):
        went_well, said = incident.poll(ELSEWHERE, incident.another_phone("before"))
        assert went_well, said
        assert "Build 1 is offered" not in said
        assert "armani/id/stable" in incident.run_page("stolen-latest-key")
        version = thief.world.published().roles["latest"].version + 1
        thief.latest(version, {})
        show_role(thief, "latest", version, thief.lies[f"/metadata/{version}.latest.json"])
        went_well, said = incident.poll(ELSEWHERE, incident.another_phone("after"))
    assert (went_well, "latest" in said) == (False, True), said
    assert incident.poll(HERE)[0]


def test_stolen_log_key(incident):
    """Proofs by the old key are refused under the new root."""
    thief = incident.thief()
    incident.run_page("stolen-log-key")
    published = thief.world.published()
    version = published.roles["latest"].version
    public = incident.folder / "server" / "public" / "metadata" / f"{version}.latest.json"
    thief.prove("latest", version, public.read_bytes())
    fresh = incident.folder / "fresh"
    (line,) = (
        line for line in read_commands("rehearse") if line.startswith("hening-device create")
    )
    incident.shell([line.replace("--phone phone", f"--phone {fresh}")])
    with serving(thief, incident.port):
        went_well, said = incident.poll(ELSEWHERE, str(fresh))
    assert (went_well, "log" in said) == (False, True), said
    assert incident.poll(HERE, str(fresh))[0]


def test_stolen_server(incident):
    """The phone recovers although every role that the server signs was far ahead.

    A key change had been prepared, so the thief has the next keys, too; they do not help.
    """
    assert "existing next key" not in incident.shell(["hening-server keys new all --state server"])
    thief, heir = incident.thief(), incident.thief("legacy", signs_with_next=True)
    thief.latest(FAR, {})
    thief.snapshot(FAR, latest=FAR)
    thief.timestamp(FAR, FAR)
    with serving(thief, incident.port):
        assert incident.poll(ELSEWHERE)[0]
        assert "Nothing is new." in incident.poll(HERE)[1]
        incident.run_page("stolen-server")
        assert incident.poll(HERE)[0]
        assert not incident.poll(ELSEWHERE)[0]
    fast_forward(heir)
    with serving(heir, incident.port):
        went_well, said = incident.poll(ELSEWHERE)
    assert (went_well, "timestamp" in said) == (False, True), said
    assert incident.poll(HERE)[0]


def test_planned_change_of_online_keys(incident):
    """Every phone keeps updating, even one that was off; then the old keys have no effect."""
    sleeper = incident.another_phone("sleeper")
    thief = incident.thief()
    said = incident.run_page("change-online-keys")
    assert "refused" not in said
    assert incident.poll(HERE, sleeper)[0]
    fast_forward(thief)
    with serving(thief, incident.port):
        assert not incident.poll(ELSEWHERE)[0]
    assert incident.poll(HERE)[0]


def test_lost_key_file(incident):
    """The server says what to do; every phone continues, and so does the log under its new key."""
    keys = incident.folder / "server" / "keys"
    before = {path.name: path.read_bytes() for path in keys.glob("*.pem")}
    for name in ("snapshot", "log"):
        (keys / f"{name}.pem").unlink()
    said = incident.shell(["! hening-server keys list --state server"])
    assert "snapshot.pem is gone" in said
    assert "`hening-server init --state server`" in said
    assert incident.poll(HERE)[0]
    said = incident.run_page("lost-key-file")
    assert "New keys: snapshot, log." in said
    assert "Nothing is wrong" in said
    changed = {path.name for path in keys.glob("*.pem") if before[path.name] != path.read_bytes()}
    assert changed == {"snapshot.pem", "log.pem"}
    assert incident.install(HERE, "phone")[0]
