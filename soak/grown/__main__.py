"""A complete site on one machine: `python -m soak.grown up`, and `python -m soak.grown chaos`.

Both need Linux and root, for network namespaces. `up` runs the site until Ctrl-C. `chaos` injects
faults, and judges the recorded history. `judge` judges the history in `--out` again.

Exit status: 0 done, 1 a rule was violated, 3 the environment failed, 130 interrupted.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from soak.grown.history import HISTORY, load_history
from soak.grown.network import UNSHARE, is_possible
from soak.grown.rules import Verdict, judge
from soak.server_process import REPOSITORY

NEEDED = ("ip", "nsenter", "setpriv", "nginx", "mount")
FILES = ("/usr/lib/postgresql/17/bin/postgres", "/usr/lib/*/faketime/libfaketimeMT.so.1")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="soak.grown", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("up", "chaos", "judge"))
    parser.add_argument("--minutes", type=float, default=10.0, help="minutes of faults")
    parser.add_argument("--seed", type=int, default=4711, help="of all random choices")
    parser.add_argument(
        "--fault", action="append", default=[], help="inject this fault once; may be repeated"
    )
    parser.add_argument("--hold", type=float, help="seconds of each --fault; else random")
    parser.add_argument(
        "--heal", type=float, default=120.0, help="seconds to recover after the last fault"
    )
    parser.add_argument("--out", type=Path, default=Path("var/chaos"), help="history and logs")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.what == "judge":
        return show(judge(load_history(chosen.out / HISTORY)), Console())
    if chosen.inside is None:
        return _go_inside(sys.argv[1:])
    return _work(chosen, chosen.inside)


def _go_inside(words: Sequence[str]) -> int:
    """Run this program again in new namespaces, and always clean up after it."""
    lacking = _find_lacking()
    if lacking:
        sys.stderr.write(f"soak.grown: {lacking}\n")
        return 3
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    with tempfile.TemporaryDirectory(prefix="hening-grown-") as place:
        Path(place).chmod(0o711)  # PostgreSQL runs as another user
        command = [*UNSHARE, sys.executable, "-m", "soak.grown", "--inside", place, *words]
        process = subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 130
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the namespaces' first process: the kernel kills the others before it is reaped."""
    task = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    inside = task.read_text().split() if process.poll() is None else []
    for pid in map(int, inside):
        os.kill(pid, signal.SIGKILL)
    if not inside:
        process.kill()
    process.wait()


def _find_lacking() -> str:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    missing += [name for name in FILES if not list(Path("/").glob(name[1:]))]
    if not Path(sys.executable).with_name("weed").is_file():
        missing.append("weed")
    if missing:
        return f"not installed: {', '.join(missing)}; run `make system env` on Debian as root."
    if not is_possible():
        return "network namespaces cannot be made: this needs Linux, and root."
    return ""


def _work(chosen: argparse.Namespace, place: Path) -> int:
    # Imported here, because only the process inside the namespaces needs them.
    from soak.grown.chaos import run_chaos  # noqa: PLC0415
    from soak.grown.program import Keeper  # noqa: PLC0415
    from soak.grown.site import running_site  # noqa: PLC0415

    out, err = Console(), Console(stderr=True)
    try:
        with running_site(place, lambda text: err.print(text, markup=False)) as site:
            table = Table("machine", "address", "programs")
            for row in site.describe():
                table.add_row(*row)
            out.print(table)
            if chosen.what == "up":
                inside = f"nsenter --target $(pgrep -nf 'inside {place}') --all"
                out.print(f"Phones ask {site.public_url}. States and logs are in {place}.")
                out.print(f"A shell inside: {inside}", markup=False, soft_wrap=True)
                Keeper(site.programs, lambda *_: None).start()
                threading.Event().wait()
            chosen.out.mkdir(parents=True, exist_ok=True)
            (chosen.out / HISTORY).unlink(missing_ok=True)
            verdicts = run_chaos(
                site,
                chosen.out,
                chosen.minutes * 60,
                chosen.seed,
                chosen.fault,
                chosen.hold,
                chosen.heal,
                lambda text: err.print(text, markup=False),
            )
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"soak.grown: {error}\n")
        return 3
    finally:
        if chosen.what == "chaos":
            _keep_logs(place, chosen.out / "logs")
    out.print(f"The history is {chosen.out / HISTORY}.", markup=False, soft_wrap=True)
    return show(verdicts, out)


def show(verdicts: Sequence[Verdict], out: Console) -> int:
    """Print a table, and a sentence for each violation; return the exit status."""
    table = Table("rule", "checked", "broken")
    for verdict in verdicts:
        table.add_row(verdict.rule, str(verdict.checked), str(len(verdict.broken)))
    out.print(table)
    for verdict in verdicts:
        for sentence in verdict.broken:
            out.print(f"{verdict.rule}: {sentence}.", markup=False, style="red")
    return 1 if any(verdict.broken for verdict in verdicts) else 0


def _keep_logs(place: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for log in place.glob("*.log"):
        with contextlib.suppress(OSError):
            shutil.copyfile(log, target / log.name)


if __name__ == "__main__":
    sys.exit(main())
