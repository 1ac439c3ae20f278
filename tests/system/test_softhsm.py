"""The signer as a process, with its keys on a real SoftHSM."""

import json
import os
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl.signing import VerifyKey
from tuf.api.metadata import Metadata

from server.core.encodings import encode_canonical_json
from server.core.note import VerifierKey
from signer.keys.keystore import Keystore
from tests.softhsm import MODULE, PIN, SoftHsm, make_softhsm

pytestmark = pytest.mark.needs("softhsm")

ROLES = ("root", "targets", "tables", "content", "armani")
NAMES = ("root-1", "root-2", "targets-1", "targets-2", "tables-1", "tables-2", "content-1")
TOKEN = ("--token", "drawer", "--module", MODULE)
WORDS = b"correct horse battery"


@pytest.fixture
def run_signer(programs, tmp_path):
    """Return a function that runs a signer's command with a token, and returns its JSON output."""
    softhsm = make_softhsm(tmp_path / "softhsm")
    softhsm.add("drawer")
    (tmp_path / "incoming").mkdir()

    def run(*arguments, pin=PIN, status=0):
        done = subprocess.run(
            [*programs.command("hening-signer"), *map(str, arguments), "--json"],
            env={**softhsm.environment, "HENING_SIGNER_PIN": pin},
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    return run


def _public(seed) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key().public_bytes_raw()


def _online_file() -> bytes:
    keys = {
        name: _public(seed).hex() for seed, name in enumerate(("latest", "snapshot", "timestamp"))
    }
    log = str(VerifierKey("log.example/hening", _public(9)))
    return encode_canonical_json({"keys": {**keys, "log": log}, "schema": 1})


@pytest.mark.needs("openssl")
def test_repository_signed_by_token(run_signer, tmp_path) -> None:
    """python-tuf accepts every role, and three other programs accept each signature."""
    keys, repo, online = tmp_path / "keys", tmp_path / "repo", tmp_path / "public.json"
    online.write_bytes(_online_file())
    run_signer("keys", "new", *NAMES, "armani-1", "--keys", keys, *TOKEN)
    run_signer(
        *("ceremony", "init", "--repo", repo, "--keys", keys, "--online", online),
        *("--model", "armani", "--out", tmp_path / "incoming"),
    )
    loaded = {role: Metadata.from_file(str(repo / "metadata" / f"1.{role}.json")) for role in ROLES}
    root, targets = loaded["root"].signed, loaded["targets"].signed
    known = {**root.keys, **targets.delegations.keys}
    for role, metadata in loaded.items():
        delegator = root if role in {"root", "targets"} else targets
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        assert metadata.signatures
        for keyid, signature in metadata.signatures.items():
            raw = bytes.fromhex(known[keyid].keyval["public"])
            data = bytes.fromhex(signature.signature)
            VerifyKey(raw).verify(metadata.signed_bytes, data)
            Ed25519PublicKey.from_public_bytes(raw).verify(data, metadata.signed_bytes)
    exported = tmp_path / "armani-1.pem"
    run_signer("keys", "export", "armani-1", "--keys", keys, "--format", "pem", "--out", exported)
    armani = loaded["armani"]
    (signature,) = armani.signatures.values()
    (tmp_path / "payload").write_bytes(armani.signed_bytes)
    (tmp_path / "signature").write_bytes(bytes.fromhex(signature.signature))
    verify = ("pkeyutl", "-verify", "-pubin", "-inkey", exported, "-rawin")
    files = ("-in", tmp_path / "payload", "-sigfile", tmp_path / "signature")
    subprocess.run([shutil.which("openssl"), *verify, *files], check=True, capture_output=True)


def test_no_private_key_in_folder(run_signer, tmp_path) -> None:
    """The folder of a token's keys contains no secret."""
    run_signer("keys", "new", "root-1", "--keys", tmp_path / "keys", *TOKEN)
    names = {path.name for path in (tmp_path / "keys").iterdir()}
    assert names == {"root-1.pub", "root-1.token"}
    assert not any(PIN in path.read_text() for path in (tmp_path / "keys").iterdir())


def test_wrong_pin(run_signer, tmp_path) -> None:
    """A wrong PIN is tried once; the right one then opens the token."""
    new = ("keys", "new", "root-1", "--keys", tmp_path / "keys", *TOKEN)
    refused = run_signer(*new, pin="wrong PIN", status=1)
    assert refused == {
        "error": "The token drawer refuses this PIN; it was tried once, and a few wrong ones"
        " lock it."
    }
    run_signer(*new)


def test_stolen_folder(run_signer, programs, tmp_path) -> None:
    """A thief with the folder and another token cannot sign, and the message says why."""
    keys, online = tmp_path / "keys", tmp_path / "public.json"
    online.write_bytes(_online_file())
    run_signer("keys", "new", *NAMES, "armani-1", "--keys", keys, *TOKEN)
    stranger = make_softhsm(tmp_path / "stranger")
    stranger.add("drawer")
    arguments = (
        *("ceremony", "init", "--repo", tmp_path / "repo", "--keys", keys, "--online", online),
        *("--model", "armani", "--out", tmp_path / "incoming"),
    )
    done = subprocess.run(
        [*programs.command("hening-signer"), *(str(each) for each in arguments)],
        env={**os.environ, **stranger.environment, "HENING_SIGNER_PIN": PIN},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert "The token drawer holds no public ed25519 key with the id" in done.stderr
    assert not (tmp_path / "repo" / "metadata").exists()


def test_passphrase_is_not_tried_as_pin(tmp_path, programs, run_signer) -> None:
    """Of a folder with file and token keys, each secret is used for its own kind only.

    The token itself reports whether a wrong PIN was tried on it.
    """
    keys, online = tmp_path / "keys", tmp_path / "public.json"
    online.write_bytes(_online_file())
    run_signer("keys", "new", *NAMES, "--keys", keys, *TOKEN)
    softhsm = SoftHsm(tmp_path / "softhsm" / "softhsm2.conf")
    Keystore(keys).create_keys(["armani-1"], lambda _name: WORDS, os.urandom)
    arguments = (
        *("ceremony", "init", "--repo", tmp_path / "repo", "--keys", keys, "--online", online),
        *("--model", "armani", "--out", tmp_path / "incoming"),
    )

    def run(**secrets):
        options, pipes = [], []
        for option, secret in secrets.items():
            reader, writer = os.pipe()
            os.write(writer, secret)
            os.close(writer)
            pipes.append(reader)
            options += [f"--{option.replace('_', '-')}", str(reader)]
        done = subprocess.run(
            [*programs.command("hening-signer"), *(str(each) for each in arguments), *options],
            env={n: v for n, v in softhsm.environment.items() if not n.startswith("HENING_SIGNER")},
            pass_fds=pipes,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
        )
        for reader in pipes:
            os.close(reader)
        return done

    refused = run(passphrase_fd=WORDS)
    assert refused.returncode == 2
    assert "for a token --pin-fd or HENING_SIGNER_PIN" in refused.stderr
    assert not softhsm.is_pin_tried("drawer")
    assert run(pin_fd=b"wrong PIN", passphrase_fd=WORDS).returncode == 1
    assert softhsm.is_pin_tried("drawer")
    done = run(pin_fd=PIN.encode() + b"\n", passphrase_fd=WORDS + b"\n")
    assert done.returncode == 0, done.stderr
    assert not softhsm.is_pin_tried("drawer")
    assert (tmp_path / "repo" / "metadata" / "1.armani.json").exists()


@pytest.mark.needs("openssl")
def test_imported_key_is_refused(run_signer, tmp_path) -> None:
    """A key declared as not exportable must not come from a file."""
    plain = tmp_path / "plain.pem"
    program = shutil.which("openssl")
    subprocess.run([program, "genpkey", "-algorithm", "ed25519", "-out", plain], check=True)
    SoftHsm(tmp_path / "softhsm" / "softhsm2.conf").take("drawer", plain, "77")
    keys = tmp_path / "keys"
    refused = run_signer(
        *("keys", "import", "--keys", keys, *TOKEN, "--id", "77", "--name", "root-5"), status=1
    )
    assert "The key 77 was not made on the token drawer" in refused["error"]
    assert not list(keys.glob("root-5*"))
