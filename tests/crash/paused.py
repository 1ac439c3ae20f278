"""Forks a process for each job, which stops itself in the middle of a publication.

The first answer says that the process has stopped. The next line of input continues it, and the
second answer has its result and messages.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from server.core.errors import HeningError
from server.publisher.keys.online_keys import load_online_keys
from server.publisher.publisher import Publisher
from server.storage.layout import StateFolder
from tests.crash.forks import say
from tests.server.world import World


def main():
    """Serve jobs until standard input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            os.write(writer, act(job).encode())
            os._exit(0)
        os.close(writer)
        answer(job, child, reader)


def answer(job, child, reader):
    """Report where the child stopped, wait for the next line, and report how it ended."""
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        say({"stopped": job["stop"]})
        assert json.loads(sys.stdin.readline()) == "go on"
        os.kill(child, signal.SIGCONT)
        _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as said:
        ended = {"status": os.waitstatus_to_exitcode(status), "said": said.read()}
    say(ended)


def act(job):
    """Publish waiting bundles; stop after a step, or before the rename that the job names."""
    folder = StateFolder(Path(job["state"]), job["database"])
    world = World(folder, load_online_keys(folder.keys), None, lease_seconds=job["seconds"])

    def stop(where):
        if where == job["stop"]:
            os.kill(os.getpid(), signal.SIGSTOP)

    def watch(event, args):
        if event == "os.rename" and f"{folder.public}/" in str(args[1]):
            stop(Path(args[1]).name)

    async def run():
        async with world.publisher(stop) as publisher:
            sys.addaudithook(watch)
            await Publisher.process_incoming(publisher)

    try:
        asyncio.run(run())
    except HeningError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main()
