"""Run Schemathesis in separate processes that know only the served schema.

As a program, this module imports Schemathesis once and forks a process for each job.
"""

import asyncio
import contextlib
import os
import pkgutil
import sys
import warnings
from importlib import import_module

from tests.crash.forks import serve


async def try_out(ask, page, config, folder, *options, **environment):
    """Run Schemathesis in `folder` against a schema's address; return status and output.

    `ask` sends the job to the running program.
    """
    words = ["--config-file", str(config), "--no-color", "run", page, *options]
    words += ["--max-examples", "3"]
    job = {"folder": str(folder), "words": words, "environment": environment}
    ended = await asyncio.to_thread(ask, job)
    return ended["status"], (folder / "output").read_text()


def act(job, _report):
    """Run Schemathesis in the forked process, and exit with its status."""
    os.chdir(job["folder"])
    os.environ.update(job["environment"])
    output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    warnings.simplefilter("error")
    status = 0
    try:
        import_module("schemathesis.cli").schemathesis(job["words"])
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    for found in pkgutil.walk_packages(import_module("schemathesis").__path__, "schemathesis."):
        if "__main__" not in found.name:
            with contextlib.suppress(ModuleNotFoundError):  # of an optional report format
                import_module(found.name)
    serve(act)
