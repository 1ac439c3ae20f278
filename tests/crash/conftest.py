"""Processes that kill themselves at a given point."""

import subprocess
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.crash.after import PREPARATIONS, Story, public_state
from tests.crash.forks import forking


@pytest.fixture(scope="session")
def crash(programs):
    """Return a function that runs an action in a process that dies at a given point."""
    with forking(programs.command("python"), "tests.crash.zygote") as ask:

        def run(world, action, **where):
            ahead = world.ahead / timedelta(hours=1)
            return ask({"state": str(world.folder.root), "action": action, "ahead": ahead, **where})

        yield run


@dataclass
class Receiver:
    """The ids of the events that a webhook's receiver got."""

    url: str = ""
    ids: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def receiver():
    """Yield a receiver that accepts everything and outlives the killed processes."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            """Accept a message."""
            self.rfile.read(int(self.headers["Content-Length"]))
            receiver.ids.append(self.headers["webhook-id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args):
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/"
        yield receiver
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def stories(published_state, crash, tmp_path_factory, receiver):
    """Return a function that prepares a story once, and runs a copy of it to its end."""
    prepared = {}

    def prepare(name):
        if name not in prepared:
            folder = tmp_path_factory.mktemp("story")
            world = published_state.copy(folder / "before")
            story = Story(world, receiver=receiver)
            PREPARATIONS[name](story)
            copy = world.copy(folder / "after")
            ended = crash(copy, name, at="", **story.job)
            assert ended["status"] == 0
            assert [text for text in ended["points"] if text.startswith("!")] == []
            story.changes = ended["points"]
            story.old, story.new = public_state(world), public_state(copy)
            prepared[name] = story
        return prepared[name]

    return prepare


@pytest.fixture(scope="session")
def small_disk(tmp_path_factory):
    """Yield a folder on a small disk; tests that use it are marked needs("small-disk")."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", str(folder)], check=True
    )
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
