"""`make demo`: plays the story and writes its report; the exit status is 0 if all checks hold."""

import shutil
import sys
import time
from pathlib import Path

import click
from rich.console import Console

from client_sim.clock import read_clock
from client_sim.errors import SimulatorError
from client_sim.pages.page import Origin
from demo.narrator import Narrator
from demo.report import write_report
from demo.stage import Stage, StageError
from demo.story import tell


@click.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("var/demo"), show_default=True,
    help="The folder for all files; it is emptied first.",
)  # fmt: skip
def main(folder: Path) -> None:
    """Play the whole demo on this machine, from keys to the privacy lab's verdict."""
    started = time.monotonic()
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    narrator = Narrator(Console(width=None if sys.stdout.isatty() else 100))
    stage = Stage(folder.resolve())
    try:
        story = tell(stage, narrator)
    except (StageError, SimulatorError) as error:
        click.echo(f"demo: {error}", err=True)
        sys.exit(3 if isinstance(error, StageError) else 1)
    finally:
        stage.stop_server()
    seconds = time.monotonic() - started
    write_report(folder, story, narrator.sentences, seconds, Origin.read(read_clock()))
    narrator.table([(q, a, "holds" if holds else "FAILS") for q, a, holds in story.checks])
    narrator.console.print(f"\n{seconds:.0f} s; open {folder}/report.html", highlight=False)
    sys.exit(0 if story.is_good else 1)


if __name__ == "__main__":
    main()
