"""Server and key process as two processes: a release is published and rolled out, with kills.

The server never has a key: its state folder has no `keys/` at all. A relay between the two can kill
the key process after an answer was recorded and before it arrives.
"""

import json
import shutil
import socket
import subprocess
import threading

import pytest

from tests.flows.cached_phones import NOTHING, CachedPhone, Edge
from tests.flows.key_processes import started
from tests.patience import PATIENCE
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.world import CHANNEL, PACKAGE_2, SECOND, refresh_from_disk


class Relay:
    """A relay between publisher and key process, with a Unix socket of its own."""

    def __init__(self, path, behind):
        self.path, self.behind = path, behind
        self.on_answer = lambda _request: True
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self._pass_on(client)

    def _pass_on(self, client):
        with socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(str(self.behind))
                head = receive(client, 4)
                body = receive(client, int.from_bytes(head))
                server.sendall(head + body)
                head = receive(server, 4)
                answer = head + receive(server, int.from_bytes(head))
            except OSError:
                return
            if self.on_answer(body):
                client.sendall(answer)

    def close(self):
        """Accept no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def receive(one, length):
    """Read exactly `length` bytes."""
    data = b""
    while len(data) < length:
        part = one.recv(length - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


class Site:
    """A state folder without keys, and the start of its key process."""

    def __init__(self, world, folder, program):
        self.world, self.program = world, program
        self.folder = folder
        self.socket = folder / "run" / "keys.sock"
        (folder / "run").mkdir(parents=True, mode=0o700)
        shutil.move(world.folder.keys, folder / "keys")
        shutil.copy(world.folder.trusted_root, folder / "1.root.json")
        self.use(self.socket)

    def use(self, path):
        """Configure the server to use the socket at a path."""
        self.world.folder.settings.write_text(f'keys_socket = "{path}"\n')

    def keys(self):
        """Start the key process."""
        words = ("keys", "serve", "--keys", self.folder / "keys", "--socket", self.socket)
        root = self.folder / "1.root.json"
        return started(*self.program, *words, "--record", self.folder / "record", "--root", root)

    def command(self, *words):
        """Run a command of the server to its end."""
        return subprocess.run(
            [*self.program, *map(str, words), "--state", str(self.world.folder.root)],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def site(world, programs, tmp_path):
    """Return a site whose server has had its keys until now."""
    return Site(world, tmp_path / "apart", programs.command("hening-server"))


def said(process, event):
    """Wait until a program logs an event, and return that log line."""
    for line in process.stderr:
        told = json.loads(line)
        if told["event"] == event:
            return told
    raise AssertionError(f"the program ended before it said {event!r}")


def test_release_and_rollout(site):
    """The server publishes without keys of its own, also after a restart of the key process."""
    world = site.world
    command = (*site.program, "run", "--state", world.folder.root, "--port", 0)
    with started(*command) as (server, address):
        assert address.startswith("http://127.0.0.1:")  # phones are served before there are keys
        assert "the key process does not answer" in said(server, "alarm")["error"]
        with site.keys() as (_, path):
            assert path == str(site.socket)
            bundle_id = world.submit(world.second_release(), [PACKAGE_2])
            assert said(server, "published")["submission"] == bundle_id[:16]
        with site.keys():
            done = site.command("rollout", "offer", str(CHANNEL), "--counter", 2, "--share", "100%")
            assert done.returncode == 0, done.stderr
    assert not world.folder.keys.exists()
    assert refresh_from_disk(world.folder, [SECOND])[1][SECOND] == PACKAGE_2
    assert CachedPhone(Edge(world, keeps=NOTHING)).update() == SECOND
    check_metadata_is_logged(world.folder, check_log(world.folder, world.keys.log_verifier.public))


@pytest.mark.parametrize("kind", [b"Publish", b"SignCheckpoint"])
def test_killed_before_answer(site, kind):
    """The answer is recorded but lost: a new key process continues with later versions."""
    world, path = site.world, site.folder / "relay.sock"
    relay = Relay(path, site.socket)
    site.use(path)
    try:
        with site.keys() as (process, _):

            def kill(request):
                if kind not in request:
                    return True
                process.kill()
                return False

            relay.on_answer = kill
            offered = site.command("rollout", "pause", str(CHANNEL), "--reason", "en=Wait.")
            assert offered.returncode == 3
            assert "the key process does not answer" in offered.stderr
            assert process.wait(timeout=PATIENCE) == -9
        relay.on_answer = lambda _request: True
        with site.keys():
            paused = site.command("rollout", "pause", str(CHANNEL), "--reason", "en=Wait!")
            assert paused.returncode == 0, paused.stderr
    finally:
        relay.close()
    pointer = world.published().pointers()[CHANNEL.pointer_path]
    assert (pointer.paused, pointer.reason) == (True, {"en": "Wait!"})
    version, _ = refresh_from_disk(world.folder)
    assert version == world.published().timestamp.version
    check_metadata_is_logged(world.folder, check_log(world.folder, world.keys.log_verifier.public))


def test_rotation_commands(site):
    """The new key is in the key process's folder, and its public half in the server's state."""
    with site.keys():
        made = site.command("keys", "new", "snapshot", "log")
        assert made.returncode == 0, made.stderr
        shown = site.command("keys", "list", "--json")
        assert [row["next"] is not None for row in json.loads(shown.stdout)] == [
            *(False, True, False, True)
        ]
        refused = site.command("keys", "switch", "snapshot")
        assert refused.returncode == 1
        assert "does not list the next key of snapshot yet" in refused.stderr
    names = {path.name for path in (site.folder / "keys").iterdir()}
    assert {"snapshot.next.pem", "log.next.pem"} <= names
    assert {path.name for path in site.world.folder.keys.iterdir()} == {"public.json"}
