"""Runs one action on a state folder for each job, in a process that kills itself."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path

from server.publisher.keys.online_keys import HOLDERS, load_online_keys
from server.publisher.keys.rotation import make_next_keys, switch_keys
from server.publisher.mirror.folder import MirrorFolder
from server.publisher.mirror.steps import export_mirror
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.room import Room
from tests.crash.forks import killing, serve
from tests.crash.sender import ROOMY, send_rest
from tests.crash.stories import STORIES
from tests.crash.watch import watch as watch_changes
from tests.server.release.uploads.harness import open_harness
from tests.server.world import World

#: System calls whose disk changes other processes can see.
CHANGES = {"os.link", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def run_action(job, report):
    """Run one action; die after the step, or before the disk change, that the job names."""
    folder = StateFolder(Path(job["state"]))
    world = World(folder, load_online_keys(folder.keys), None, timedelta(hours=job["ahead"]))
    passed = 0

    def point(name):
        nonlocal passed
        passed += 1
        report(name)
        if job.get("change") == passed:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event, args):
        # Removing a missing file changes nothing.
        if event in CHANGES and str(folder.root) in str(args[0]) and Path(args[0]).exists():
            point(f"{event} {Path(args[0]).name}")

    def after_step(step):
        report(f"step {step}")
        if job.get("step") == step:
            os.kill(os.getpid(), signal.SIGKILL)

    async def upload():
        async with open_harness(folder.root) as harness:
            harness.numbers = 1
            sys.addaudithook(watch)
            harness.restart(ROOMY)
            await send_rest(harness, job, lambda: point("piece"))

    async def run():
        if job["action"] == "upload":
            await upload()
            return
        async with world.publisher(after_step) as publisher:
            # The database is open: from here on every change is the publisher's.
            sys.addaudithook(watch)
            actions = {
                "incoming": publisher.process_incoming,
                "refresh": publisher.refresh,
                "new keys afresh": lambda: make_next_keys(publisher, folder, HOLDERS, afresh=True),
                "export": lambda: asyncio.to_thread(
                    export_mirror,
                    folder,
                    LocalBlobs(folder.blobs),
                    MirrorFolder(folder.root / "mirror"),
                ),
                "drain": publisher.drain,
                "switch": lambda: switch_keys(publisher, folder, HOLDERS, world.now),
            }
            await actions[job["action"]]()

    asyncio.run(run())


def run_story(job, report):
    """Run a story and report each durable change; die before the first that `at` matches.

    With `fill` the disk is filled at that point instead, and the story's error is reported.
    """
    folder = StateFolder(Path(job["state"]))
    world = World(folder, load_online_keys(folder.keys), None, timedelta(hours=job["ahead"]))
    point = killing(job["at"], report)
    if "fill" in job:
        world.room = Room(keep_free=0)
        point = filling(job["at"], report, Path(job["fill"]))
    story = STORIES[job["action"]](world, job, lambda: watch_changes(folder.root, point))
    try:
        asyncio.run(story)
    except Exception as error:  # noqa: BLE001 - the test checks the error
        world.alarms.append(f"{type(error).__name__}: {error}")
    for sentence in world.alarms:
        report(f"! {json.dumps(sentence)}")


def filling(at, report, ballast):
    """Return a function that reports a change and fills the disk at the first that `at` matches."""
    is_full = False

    def point(change):
        nonlocal is_full
        report(change)
        if not is_full and re.fullmatch(at, change):
            is_full = True
            fill(ballast)

    return point


def fill(ballast):
    """Write a file until the disk is full."""
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    for size in (1 << 16, 1):
        with contextlib.suppress(OSError):
            while True:
                os.write(descriptor, bytes(size))
    os.close(descriptor)


if __name__ == "__main__":
    serve(lambda job, report: (run_story if "at" in job else run_action)(job, report))
