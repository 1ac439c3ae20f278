"""Claim C6: no secret of an owner is on the server, not even in its memory.

An owner's real client stores canaries and recovery words. Then the folder, the log, the metrics and
a dump of the running process are searched for them and for the client's keys, in each usual form.
Names are found in memory, which shows that the search works.
"""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.cli import cli
from tests.ports import free_port
from tests.server.cloud.policies import make_statement, policy_words

PROGRAM = Path(sys.executable).with_name("hening-server")
CLIENT = Path(__file__).parents[2] / "etebase"
CANARIES = {
    "NAME": "canary-name-7fq2",
    "PASSWORD": "canary password ombak kayu",
    "CONTENT": "canary content: 0812-3456-7890",
    "TITLE": "canary title of a note",
    "WORDS": "canary ombak pasir kayu angin bulan laut batu daun hujan api awan",
}


def dump_memory(pid):
    """Yield the memory of a process, region by region."""
    regions = Path(f"/proc/{pid}/maps").read_text()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in re.findall(r"^(\w+)-(\w+) rw", regions, re.MULTILINE):
            memory.seek(int(start, 16))
            try:
                yield memory.read(int(end, 16) - int(start, 16))
            except OSError:  # a region that only the kernel reads
                continue


def forms(secret):
    """Return the forms in which a secret could be stored."""
    bare = base64.b64encode(secret).rstrip(b"=")
    return {
        secret,
        secret.hex().encode(),
        bare[:-1],
        bare[:-1].translate(bytes.maketrans(b"+/", b"-_")),
    }


def find(secrets, data):
    """Return the names of the secrets that are in `data`."""
    return {name for name, secret in secrets.items() if any(form in data for form in forms(secret))}


@pytest.mark.needs("etebase")
def test_no_secret_of_an_owner_is_on_the_server(tmp_path):
    """No secret is on disk or in the process, after two logins and 145 KB of content."""
    folder, pepper, metrics = tmp_path / "cloud", tmp_path / "pepper", free_port()
    words = ["--folder", str(folder), "--pepper", str(pepper)]
    policy = policy_words(tmp_path)
    made = CliRunner().invoke(cli, ["cloud", "init", *words, "--region", "id", *policy])
    assert made.exit_code == 0, made.output
    consent, own = json.dumps(make_statement()), {"PYTHON": sys.executable}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [PROGRAM, "cloud", "run", *words, "--port", "0", "--sign-up", "open"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "HENING_CLOUD_METRICS_PORT": str(metrics)},
        ) as server,
    ):
        try:
            url = server.stdout.readline().strip()
            client = subprocess.run(
                ["node", "-r", "./native.cjs", "canaries.cjs"],
                cwd=CLIENT,
                env={**os.environ, **CANARIES, **own, "URL": f"{url}/", "CONSENT": consent},
                capture_output=True,
                text=True,
                check=False,
            )
            assert client.returncode == 0, client.stderr
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
                counted = answer.read()
            in_memory = set()
            secrets = {name: text.encode() for name, text in CANARIES.items()}
            keys = json.loads(client.stdout)
            assert len(keys) == 6
            secrets |= {name: bytes.fromhex(key) for name, key in keys.items()}
            for region in dump_memory(server.pid):
                in_memory |= find(secrets, region)
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    assert in_memory == {"NAME"}
    assert b'hening_cloud_requests_total{door="records",outcome="ok"}' in counted
    kept = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len([data for data in kept if len(data) > 16_384]) >= 2
    for data in (*kept, counted, (tmp_path / "log").read_bytes()):
        assert find(secrets, data) == set()
