"""Shows an installation: bars on a terminal, plain lines elsewhere, nothing when asked to."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn


class Screen:
    """Use as a context manager; `say` starts a step, `progress` tells how far it is in octets."""

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._sentence = ""
        self._tenth = 0

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                console=self._console,
            )
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence and let `progress` speak about it."""
        self._sentence, self._task, self._tenth = sentence, None, 0
        if not self._quiet:
            self._console.print(sentence, markup=False, soft_wrap=True)

    def progress(self, done: int, total: int) -> None:
        """Move the bar of the present step, or print a line at each tenth of it."""
        if self._progress is None:
            tenth = done * 10 // max(total, 1)
            if not self._quiet and tenth > self._tenth:
                self._tenth = tenth
                self._console.print(f"{tenth * 10} %: {done} of {total} octets", soft_wrap=True)
            return
        if self._task is None:
            word = self._sentence.partition(" ")[0]  # the sentence itself stands above the bar
            self._task = self._progress.add_task(word, total=total)
        self._progress.update(self._task, completed=done, total=total)
