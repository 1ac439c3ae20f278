"""The device is a second implementation: it loads nothing of server or signer."""

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


def test_nothing_of_the_server_is_loaded_with_the_device():
    """Every module of `client_sim` is imported, and none of them brings `server` or `signer`."""
    assert {"client_sim.cli", "client_sim.device.trust", "client_sim.engine.apply"} <= set(MODULES)
    loaded = _load(*MODULES)
    assert "client_sim" in loaded
    assert not loaded & {"server", "signer", "fixtures", "demo", "soak", "tests"}


def test_it_would_be_seen():
    """The same look at a module that does load the server finds it."""
    assert "server" in _load("server.core.names")


def test_each_command_works_without_server_and_signer(tmp_path):
    """Also what is imported only when it is needed: the command line runs where both are absent."""
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
