"""The key process with its keys on a real SoftHSM: a server publishes without key files."""

import json
import subprocess
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import SSlibKey

from server.core.note import decode_verifier_key
from server.storage.layout import StateFolder
from tests.flows.key_processes import started
from tests.server.ceremony import Ceremony
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.world import FIRST, ORIGIN, PACKAGE_1, World, clock, refresh_from_disk
from tests.softhsm import MODULE, PIN, make_softhsm

pytestmark = pytest.mark.needs("softhsm")

# In a separate process, because the module reads its configuration and its tokens only once.
MAKE = """
import sys, pkcs11
from pkcs11 import Attribute, KeyType, Mechanism
module, pin, loose, *labels = sys.argv[1:]
session = pkcs11.lib(module).get_token(token_label="drawer").open(rw=True, user_pin=pin)
curve = {Attribute.EC_PARAMS: bytes.fromhex("06032b6570")}
parameters = session.create_domain_parameters(KeyType.EC_EDWARDS, curve, local=True)
for label in labels:
    parameters.generate_keypair(
        id=label.encode(), label=label, store=True, mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        private_template={
            Attribute.EXTRACTABLE: loose == "loose", Attribute.PRIVATE: True,
            Attribute.SENSITIVE: loose != "loose",
        },
    )
"""


class Token:
    """A token with online keys, and the programs that use it."""

    def __init__(self, folder, programs):
        self.program = programs.command("hening-server")
        self.python = programs.command("python")
        self.softhsm = make_softhsm(folder / "softhsm")
        self.softhsm.add("drawer")
        self.pin = folder / "pin"
        self.pin.touch(0o600)
        self.pin.write_text(PIN + "\n")
        self.options = ("--pkcs11", MODULE, "--token", "drawer", "--pin-file", self.pin)

    def make(self, *labels, kind="native"):
        """Make key pairs on the token."""
        subprocess.run(
            [*self.python, "-c", MAKE, MODULE, PIN, kind, *labels],
            env=self.softhsm.environment,
            check=True,
        )

    def public(self):
        """Run `keys public`, which prints the public halves."""
        words = [*self.program, "keys", "public", *self.options, "--log-origin", ORIGIN]
        return subprocess.run(
            list(map(str, words)),
            env=self.softhsm.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def token(programs, tmp_path):
    """Return a token without keys."""
    return Token(tmp_path, programs)


def online(text):
    """Return the keys in a public.json as a ceremony uses them."""
    keys = json.loads(text)["keys"]
    halves = {
        role: SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[role])))
        for role in ("latest", "snapshot", "timestamp")
    }
    signers = {role: SimpleNamespace(public_key=key) for role, key in halves.items()}
    return SimpleNamespace(signers=signers, log_verifier=decode_verifier_key(keys["log"]))


def test_ceremony_and_release(token, tmp_path):
    """Keys made on the token sign all online roles and the log; clients accept them like others."""
    token.make("latest", "snapshot", "timestamp", "log")
    told = token.public()
    assert told.returncode == 0, told.stderr
    keys = online(told.stdout)
    ceremony = Ceremony(keys, clock())
    root = tmp_path / "1.root.json"
    root.write_bytes(ceremony.root())
    path = tmp_path / "run" / "keys.sock"
    state = StateFolder(tmp_path / "state", keys_socket=str(path))
    state.incoming.mkdir(parents=True)
    state.trusted_root.parent.mkdir()
    state.trusted_root.write_bytes(root.read_bytes())
    world = World(state, keys, ceremony)
    words = (*token.options, "--record", tmp_path / "record", "--root", root, "--socket", path)
    with started(*token.program, "keys", "serve", *words, environment=token.softhsm.environment):
        assert world.publish(ceremony.first()).reason == ""
        assert world.publish(world.first_release(), [PACKAGE_1]).reason == ""
        world.run(lambda publisher: publisher.change_pointers(world.offer(1)))
    assert refresh_from_disk(state, [FIRST])[1][FIRST] == PACKAGE_1
    check_metadata_is_logged(state, check_log(state, keys.log_verifier.public))
    assert not state.keys.exists()


def test_next_key(token):
    """public.json lists a next key, as with keys in files."""
    token.make("latest", "snapshot", "timestamp", "log")
    before = json.loads(token.public().stdout)["keys"]
    token.make("snapshot.next", "log.next")
    after = json.loads(token.public().stdout)["keys"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"snapshot", "log"}


def test_exportable_key(token):
    """Keys on a token must not be exportable."""
    token.make("latest", "snapshot", "timestamp")
    token.make("log", kind="loose")
    told = token.public()
    assert told.returncode == 1
    assert "the key log on the token is not an ed25519 key that stays there" in told.stderr


def test_missing_key(token):
    """The message names the key, and says that the token failed."""
    token.make("latest", "snapshot", "log")
    told = token.public()
    assert told.returncode == 3
    assert "the token holds 0 ed25519 keys with the label timestamp" in told.stderr


def test_wrong_pin(token):
    """A wrong PIN is tried once, and the right one opens the token afterwards."""
    token.make("latest", "snapshot", "timestamp", "log")
    token.pin.write_text("wrong PIN")
    told = token.public()
    assert told.returncode == 1
    assert "the token drawer refuses the PIN" in told.stderr
    assert "wrong PIN" not in told.stderr
    token.pin.write_text(PIN)
    assert token.public().returncode == 0


def test_world_readable_pin_file(token):
    """A PIN file that others can read is refused, and the PIN is not tried."""
    token.pin.chmod(0o644)
    told = token.public()
    assert told.returncode == 1
    assert "others may read" in told.stderr
    assert not token.softhsm.is_pin_tried("drawer")


@pytest.mark.parametrize(("module", "label"), [("/nonexistent.so", "drawer"), (MODULE, "other")])
def test_missing_token(token, module, label):
    """The message names module and token."""
    token.options = ("--pkcs11", module, "--token", label, "--pin-file", token.pin)
    told = token.public()
    assert told.returncode == 3
    assert f"the token {label} cannot be opened by {module}" in told.stderr
