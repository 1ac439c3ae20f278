"""The device is an independent implementation: it imports neither server nor signer."""

import json
import pkgutil
import subprocess
import sys

import client_sim

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(client_sim.__path__, "client_sim.")
)
PROGRAM = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def _load(*names):
    """Return the top-level packages that a fresh interpreter has after importing `names`."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_device_imports_no_server_code():
    """Importing all modules of `client_sim` loads neither `server` nor `signer`."""
    assert {"client_sim.cli", "client_sim.device.trust", "client_sim.engine.apply"} <= set(MODULES)
    loaded = _load(*MODULES)
    assert "client_sim" in loaded
    assert not loaded & {"server", "signer", "fixtures", "demo", "soak", "tests"}


def test_import_of_server_code_is_detected():
    """A module that loads the server is found by the same check."""
    assert "server" in _load("server.core.names")


def test_each_command_works_without_server_and_signer(tmp_path):
    """Commands, too, import neither of them when they run."""
    program = """
import sys
sys.modules["server"] = sys.modules["signer"] = None
from client_sim.cli import main
for words in sys.argv[1:]:
    sys.argv[1:] = words.split()
    try:
        main()
    except SystemExit as end:
        print(end.code)
"""
    commands = {
        "show --phone nowhere": "3",
        "lab --help": "0",
        "tuf --metadata-dir nowhere refresh": "1",
        "--help": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *commands],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    statuses = [line for line in done.stdout.splitlines() if line.isdecimal()]
    assert statuses == list(commands.values())
    assert "Traceback" not in done.stderr
