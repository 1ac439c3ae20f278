"""A process of the signer shows no secret to others."""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from signer.cli.runtime import take_environment
from signer.keys.key_file import decode_key_file
from tests.leaks import Leaks, seed_forms

# Occurs nowhere else in process lists and tracebacks.
CANARY = "canary-passphrase-7f3a9c"
SCRIPT = "import sys; from signer.cli import main; sys.exit(main())"
VARIABLES = ("HENING_SIGNER_PASSPHRASE", "HENING_SIGNER_NEW_PASSPHRASE", "HENING_SIGNER_PIN")


def _environment(**more):
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return clean | more


def _run(script, *arguments, environment, program=(sys.executable, "-c")):
    return subprocess.run(
        [*program, script, *(str(each) for each in arguments)],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.fixture
def waiting(tmp_path):
    """Start `keys new`, and return process and pipe once it waits for the rest of its passphrase.

    The program is initialised by then, and holds the first bytes of the passphrase.
    """
    # It reads to the end of the pipe, so it waits while this end is open.
    reader, writer = os.pipe()
    os.write(writer, CANARY.encode())
    arguments = ("keys", "new", "root-1", "--keys", tmp_path / "keys", "--passphrase-fd", reader)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *(str(each) for each in arguments)],
            env=_environment(HENING_SIGNER_PIN=CANARY),
            pass_fds=(reader,),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    # An empty pipe means that the process has read everything and waits.
    while select.select([reader], [], [], 0)[0]:
        time.sleep(0.02)
        assert process.poll() is None
    os.close(reader)
    yield process, writer
    process.kill()
    process.communicate()


def test_arguments_and_core_file(waiting, tmp_path) -> None:
    """No process has the passphrase in its arguments, and no core file is written.

    Both limits are zero although the parent allowed more.
    """
    process, writer = waiting
    assert b"keys\0new" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = entry.read_bytes()
        except OSError:  # it ended meanwhile
            continue
        assert CANARY.encode() not in arguments
    (line,) = (
        line
        for line in Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        if line.startswith("Max core file size")
    )
    assert line.split()[4:6] == ["0", "0"]
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    os.close(writer)
    process.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_process_is_not_dumpable(forked) -> None:
    """The kernel denies debuggers of the same user, too."""
    script = """
import ctypes
from signer.cli import main
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
main(["--version"])
print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
    done = _run(script, environment=_environment(), program=forked)
    assert done.stdout.splitlines()[-1] == "1 0"


def test_main_with_runtime_changes_no_process_state(forked) -> None:
    """A caller that gives a runtime keeps its limits, environment and dumpable flag."""
    script = """
import ctypes, datetime, os, resource, time
from signer.cli import main
from signer.cli.runtime import Runtime
limits = resource.getrlimit(resource.RLIMIT_CORE)
now = datetime.datetime.now(datetime.UTC)
main(["--version"], Runtime(now, os.urandom, os.environb, time.monotonic))
assert resource.getrlimit(resource.RLIMIT_CORE) == limits
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), os.environ["HENING_SIGNER_PIN"])
"""
    done = _run(script, environment=_environment(HENING_SIGNER_PIN="kept"), program=forked)
    assert done.stdout.splitlines()[-1] == "1 kept"


def test_take_environment() -> None:
    """The commands get the secrets, and everything else stays."""
    environment = {name.encode(): b"secret" for name in VARIABLES} | {b"OTHER": b"visible"}
    taken = take_environment(environment)
    assert taken == {**{name.encode(): b"secret" for name in VARIABLES}, b"OTHER": b"visible"}
    assert environment == {b"OTHER": b"visible"}


def test_failures_show_no_secret(forked, keys) -> None:
    """Errors are reported without the passphrase, as text and as JSON."""
    key = keys / "root-1.key"
    wrong = {"HENING_SIGNER_PASSPHRASE": CANARY, "HENING_SIGNER_NEW_PASSPHRASE": CANARY}
    right = wrong | {"HENING_SIGNER_PASSPHRASE": "correct horse battery"}
    folder = ("--keys", keys)
    for words, secrets in (
        (("passphrase", "root-1", *folder), wrong),
        (("passphrase", "root-1", *folder), right | {"HENING_SIGNER_NEW_PASSPHRASE": CANARY * 99}),
        (("new", "root-1", *folder), wrong),
        (("new", "root-1", "--keys", key / "x"), wrong),
        (("new", "root-9", *folder, "--nonsense"), wrong),
        (
            ("new", "root-9", *folder, "--token", "t", "--module", "/nonexistent.so"),
            {"HENING_SIGNER_PIN": CANARY},
        ),
    ):
        arguments, environment = ("keys", *words, "--json"), _environment(**secrets)
        done = _run(SCRIPT, *arguments, environment=environment, program=forked)
        assert done.returncode in {1, 2, 3}
        assert done.stderr
        assert CANARY not in done.stdout + done.stderr


def test_new_keys_show_no_secret(forked, tmp_path) -> None:
    """Output and files have neither passphrase nor seed in any form; the seeds are random."""
    environment = _environment(HENING_SIGNER_PASSPHRASE=CANARY)
    names = ("root-1", "root-2")
    arguments = ("keys", "new", *names, "--keys", tmp_path / "keys", "--json")
    done = _run(SCRIPT, *arguments, environment=environment, program=forked)
    assert [key["name"] for key in json.loads(done.stdout)["keys"]] == [*names]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    seeds = {}
    for name in names:
        pem = (tmp_path / "keys" / f"{name}.key").read_bytes()
        seeds[name] = decode_key_file(name, pem, CANARY.encode()).private_bytes_raw()
        leaks = Leaks(passphrase=CANARY.encode(), **seed_forms("seed", seeds[name]))
        for seen in (done.stdout, done.stderr, *(path.read_bytes() for path in files)):
            assert leaks.find(seen) == set()
    assert seeds["root-1"] != seeds["root-2"]
