"""Signing shows neither a passphrase nor a private key, whatever happens.

Each command is a process of its own, forked if its arguments are not examined. It is examined
while it waits for the rest of its passphrase, and afterwards in all that it printed and wrote. The
keys are made from known seeds.
"""

import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from fixtures.signing import CERTIFICATE_FILE
from signer.keys.keystore import Keystore
from tests.cases import case
from tests.leaks import Leaks, seed_forms

CANARY = b"canary-passphrase-2e61b4"
PIN = b"canary-pin-51c0d8"
NAMES = ("root-1", "targets-1", "tables-1", "content-1", "armani-1")
SEEDS = {name: sha256(name.encode()).digest() for name in NAMES}
LEAKS = Leaks(
    beginning=CANARY[:-1],  # of the passphrase, when the list of processes is read
    passphrase=CANARY,
    pin=PIN,
    **{
        part: data
        for name, seed in SEEDS.items()
        for part, data in seed_forms(name.replace("-", "_"), seed).items()
    },
)
# Records what a child process sees: its environment and its parent's arguments.
SCRIPT = """
import subprocess, sys
from unittest import mock
from signer.cli import main
child = sys.argv.pop(1)
{before}
try:
    {call}
finally:
    look = "cat /proc/self/environ /proc/self/cmdline; echo; cat /proc/$PPID/cmdline"
    with open(child, "wb") as file:
        subprocess.run(["sh", "-c", look], stdout=file, check=True)
sys.exit(status)
"""
PLAIN = SCRIPT.format(before="", call="status = main()")


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a process: its exit status and all bytes that others can see, by place."""

    status: int
    seen: dict[str, bytes]

    @property
    def leaks(self) -> set[tuple[str, str, str]]:
        """Place, secret and form of each leak."""
        return {(place, *leak) for place in self.seen for leak in LEAKS.find(self.seen[place])}


def _environment(folder):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HENING_SIGNER")}
    # Libraries write their own files into folders that are searched.
    (folder / "tmp").mkdir(exist_ok=True)
    places = {"HOME": str(folder), "TMPDIR": str(folder / "tmp")}
    pins = dict.fromkeys(("HENING_SIGNER_PIN", "HENING_SIGNER_NEW_PASSPHRASE"), PIN.decode())
    return {**clean, **places, **pins}


def _list_processes() -> bytes:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes())
        except OSError:  # it ended meanwhile
            continue
    return b"\n".join(found)


def _run(folder, *arguments, program=(), script=PLAIN, passphrase=CANARY, ignored=()):
    """Run the signer in `folder` and return everything that others can see.

    `program` are the words that fork a script, instead of Python. The passphrase comes through a
    pipe, in two parts. Files at `ignored` are not read.
    """
    child = folder / "child"
    reader, writer = os.pipe()
    os.write(writer, passphrase[:-1])
    process = subprocess.Popen(
        [
            *(program or (sys.executable, "-c")),
            *(script, child),
            *(str(each) for each in arguments),
            *("--passphrase-fd", "0"),
        ],
        env=_environment(folder),
        stdin=reader,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )
    # An empty pipe means that the process has read everything and waits, or has ended.
    while process.poll() is None and select.select([reader], [], [], 0)[0]:
        time.sleep(0.02)
    processes = _list_processes()
    os.close(reader)
    if process.poll() is None:
        os.write(writer, passphrase[-1:])
    os.close(writer)
    output, errors = process.communicate()
    seen = {"processes": processes, "output": output, "errors": errors}
    for path in folder.rglob("*"):
        if path.is_file() and path not in ignored:
            seen[str(path.relative_to(folder))] = path.read_bytes() + os.fsencode(path.name)
    return Done(process.returncode, seen)


@pytest.fixture(scope="module")
def made(forked, tmp_path_factory, online_file, zips):
    """Make keys of known seeds, a repository, a proposal and a package; no test changes them."""
    folder = tmp_path_factory.mktemp("hardening") / "made"
    folder.mkdir()
    seeds = iter(SEEDS.values())
    Keystore(folder / "keys").create_keys(
        NAMES, lambda _name: CANARY, lambda count: next(seeds) if count == 32 else os.urandom(count)
    )
    (folder / "public.json").write_bytes(online_file)
    shutil.copy2(zips["first"], folder / "first.zip")
    (folder / "incoming").mkdir()
    options = ("--repo", "repo", "--keys", "keys")
    first = _run(
        folder,
        *("ceremony", "init", *options, "--online", "public.json", "--model", "armani"),
        *("--threshold", "root=1", "--threshold", "targets=1", "--threshold", "tables=1"),
        *("--out", "incoming"),
        program=forked,
    )
    assert first.status == 0, first.seen["errors"]
    assert first.leaks == set()
    renew = ("ceremony", "renew", "armani", *options, "--propose", "renewal.json")
    renewal = _run(folder, *renew, program=forked)
    assert renewal.status == 0, renewal.seen["errors"]
    return folder


@pytest.fixture
def world(made, tmp_path):
    """Copy that folder for one test."""
    return Path(shutil.copytree(made, tmp_path / "world"))


COMMANDS = {
    "ceremony": (
        *("ceremony", "sign", "renewal.json", "--keys", "keys", "--out", "bob.sig", "--yes"),
        *("--root", "repo/metadata/1.root.json"),
    ),
    "keys": ("keys", "new", "dior-1", "--keys", "keys"),
    "release": (
        *("release", "sign", "first.zip", "--repo", "repo", "--keys", "keys", "--out", "incoming"),
        *("--region", "id", "--channel", "stable", "--changelog", "en=One."),
        *("--certificate", CERTIFICATE_FILE),
    ),
}


@pytest.mark.parametrize(
    ("command", "options", "place", "content"),
    [
        ("ceremony", (), "bob.sig", b'"kind":"signatures"'),
        ("release", ("--json",), "repo/metadata/2.armani.json", b'"signatures"'),
    ],
)
def test_signing_shows_no_secret(world, command, options, place, content) -> None:
    """Output, files, arguments and the environment of child processes have no secret."""
    done = _run(world, *COMMANDS[command], *options)
    assert done.status == 0, done.seen["errors"]
    assert done.leaks == set()
    # The search included the process, its child and the signed file.
    assert b"sign\0" in done.seen["processes"]
    assert b"HOME=" in done.seen["child"]
    assert b"sign\0" in done.seen["child"]
    assert content in done.seen[place]


def _break_bytes(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def _write_plain(world) -> None:
    key, plain, passphrase = world / KEY, world / "plain", world / "words"
    passphrase.write_bytes(CANARY)
    command = ["openssl", "pkey", "-in", key, "-passin", f"file:{passphrase}", "-out", plain]
    subprocess.run(command, check=True)
    passphrase.unlink()
    plain.chmod(0o600)
    plain.replace(key)


KEY = "keys/armani-1.key"
# The command, what is done before it, and a part of its message.
FAILURES = (
    ("ceremony", Path.exists, "passphrase is wrong"),
    ("release", Path.exists, "passphrase is wrong"),
    ("release", lambda world: _break_bytes(world / KEY, b"A", b"B"), "cannot be opened"),
    ("ceremony", lambda world: os.truncate(world / KEY, 200), "cannot be opened"),
    ("release", lambda world: (world / KEY).unlink(), "armani"),
    ("ceremony", lambda world: (world / KEY).chmod(0o644), "chmod 600"),
    (
        "release",
        lambda world: (world / KEY).rename(world / "k") and (world / KEY).symlink_to(world / "k"),
        "symbolic link",
    ),
    (
        "ceremony",
        lambda world: shutil.copy2(world / "keys" / "root-1.key", world / KEY),
        "does not belong",
    ),
    (
        "release",
        lambda world: _break_bytes(world / "keys" / "armani-1.pub", b'"schema":1', b'"schema":2'),
        "schema 1",
    ),
    ("ceremony", lambda world: _break_bytes(world / "renewal.json", b"signatures", b"sign"), ""),
    (
        "release",
        lambda world: _break_bytes(world / "repo/metadata/1.targets.json", b"signatures", b"sign"),
        "",
    ),
    # An existing output file, and a file that is not a package.
    ("ceremony", lambda world: (world / "bob.sig").write_bytes(b"something"), "other content"),
    ("release", lambda world: (world / "first.zip").write_bytes(b"something"), "not a zip"),
)


def test_failed_signing_shows_no_secret(forked, made, tmp_path) -> None:
    """Each failure is reported in a sentence and leaves no secret."""
    for number, (command, prepare, words) in enumerate(FAILURES):
        world = Path(shutil.copytree(made, tmp_path / str(number)))
        prepare(world)
        passphrase = CANARY[::-1] if words == "passphrase is wrong" else CANARY
        with case(number, command, words):
            done = _run(world, *COMMANDS[command], program=forked, passphrase=passphrase)
            assert done.status in {1, 3}
            assert words.encode() in done.seen["errors"]
            assert b"Traceback" not in done.seen["errors"]
            assert done.leaks == set()
            assert Leaks(wrong=CANARY[::-1]).find(b"\n".join(done.seen.values())) == set()


@pytest.mark.needs("openssl")
def test_unencrypted_key_is_not_shown(forked, world) -> None:
    """It is refused, and the search finds it in its own file only."""
    _write_plain(world)
    done = _run(world, *COMMANDS["ceremony"], program=forked)
    assert done.status == 1
    assert b"is not encrypted: treat the key as lost" in done.seen["errors"]
    assert done.leaks == {(KEY, "armani_1", "base64")}


# Functions that run while the key is open and the passphrase is in memory.
DEFECTS = (
    ("ceremony", "signer.keys.keystore.decode_key_file"),
    ("release", "signer.keys.keystore.CryptoSigner"),
    ("ceremony", "securesystemslib.signer.CryptoSigner.sign"),
    ("release", "securesystemslib.signer.CryptoSigner.sign"),
    ("ceremony", "signer.durable.write_synced"),
    ("release", "signer.durable.write_synced"),
    ("keys", "signer.keys.keystore.encode_key_file"),
    ("keys", "signer.keys.keystore.write_new"),
    ("keys", "signer.keys.key_file.Scrypt"),
    ("keys", "signer.cli.keys.print_json"),
)


def _defect(place, before="") -> str:
    # The function is called with an unknown argument, so that Python or the library makes the
    # message from its arguments.
    wrong = f"""
import pkgutil
real = pkgutil.resolve_name("{place}")
def broken(*arguments, **named):
    return real(*(str(each) for each in arguments), unforeseen=arguments, **named)
{before}
"""
    call = f'with mock.patch("{place}", broken): status = main()'
    return SCRIPT.format(before=wrong, call=call)


def test_defect_while_signing_shows_no_secret(forked, made, tmp_path) -> None:
    """A traceback has lines of code and no values."""
    for number, (command, place) in enumerate(DEFECTS):
        world, script = Path(shutil.copytree(made, tmp_path / str(number))), _defect(place)
        with case(command, place):
            done = _run(world, *COMMANDS[command], "--json", program=forked, script=script)
            assert done.status == 1
            assert b"got an unexpected keyword argument 'unforeseen'" in done.seen["errors"]
            assert done.leaks == set()


def test_leak_in_traceback_is_found(forked, world) -> None:
    """The frames hold the passphrase, and a traceback with values is found to show it."""
    show = """
import traceback
def values(kind, error, trace):
    result = traceback.TracebackException(kind, error, trace, capture_locals=True)
    sys.stderr.write("".join(result.format()))
sys.excepthook = values
"""
    done = _run(world, *COMMANDS["ceremony"], program=forked, script=_defect(DEFECTS[0][1], show))
    assert ("errors", "passphrase", "raw") in done.leaks


LEAKING = {
    "output": "print(secret.hex())",
    "errors": "print(base64.b64encode(b'x' + secret), file=sys.stderr)",
    "tmp/left": "open('tmp/left', 'wb').write(secret)",
    "child": "os.environ['LEFT'] = secret.hex()",
}


def test_leaked_key_is_found(forked, made, tmp_path) -> None:
    """A signer that shows a key is detected, wherever it shows it."""
    for number, (place, shown) in enumerate(LEAKING.items()):
        world = Path(shutil.copytree(made, tmp_path / str(number)))
        leak = f"""
import base64, os
from signer.keys import keystore

real = keystore.decode_key_file

def leaking(*arguments):
    key = real(*arguments)
    secret = key.private_bytes_raw()
    {shown}
    return key

keystore.decode_key_file = leaking
"""
        script = SCRIPT.format(before=leak, call="status = main()")
        with case(place):
            done = _run(world, *COMMANDS["ceremony"], program=forked, script=script)
            assert done.status == 0
            assert {(where, name) for where, name, _ in done.leaks} == {(place, "armani_1")}
