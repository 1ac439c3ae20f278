"""Runs the fuzzers beside the load; an input that fails is kept where the corpus is."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
#: Beside the environment it belongs to, as the Makefile names it.
ATHERIS = REPOSITORY / Path(sys.prefix).name.replace(".venv", ".venv-fuzz")
CORPUS = REPOSITORY / "fixtures" / "fuzz"
TARGETS = ("heads", "protocol", "captures", "packs", "packages", "cloud")
NICENESS = 10
LAST = 4  # lines of a fuzzer that say how it ended


async def fuzz(seconds: float) -> dict[str, str]:
    """Fuzz each target for its part of `seconds`; tells for each how it ended."""
    if not ATHERIS.is_dir():
        return dict.fromkeys(TARGETS, "atheris is not installed: run `make fuzzer`")
    return {target: await _fuzz(target, seconds / len(TARGETS)) for target in TARGETS}


async def _fuzz(target: str, seconds: float) -> str:
    with tempfile.TemporaryDirectory() as found:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "soak.fuzz", target, found, str(CORPUS / target)),
            f"-max_total_time={max(1, round(seconds))}",
            f"-dict={CORPUS / 'http.dict'}",
            f"-artifact_prefix={CORPUS / target}/",
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(ATHERIS)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: os.nice(NICENESS),
        )
        _, said = await process.communicate()
    if process.returncode == 0:
        return "no crash"
    return " ".join(said.decode("utf-8", "replace").splitlines()[-LAST:])
