"""Prints the story as sentences; shows a spinner if the output is a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table


class Narrator:
    """Prints sentences and stores them for the report."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.sentences: list[str] = []

    def chapter(self, title: str) -> None:
        """Print the title of a chapter."""
        self.console.print(f"\n[bold]{title}[/bold]")

    def say(self, sentence: str) -> None:
        """Print a sentence and store it."""
        self.sentences.append(sentence)
        self.console.print(f"  {sentence}", highlight=False, soft_wrap=not self.console.is_terminal)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show a spinner with the text `what` during the block, on a terminal only."""
        if self.console.is_terminal:
            with self.console.status(what):
                yield
        else:
            yield

    def table(self, rows: list[tuple[str, str, str]]) -> None:
        """Print the final table of questions, answers and verdicts."""
        table = Table("question", "answer", "verdict")
        for question, answer, verdict in rows:
            colour = "green" if verdict == "holds" else "red"
            table.add_row(question, answer, f"[{colour}]{verdict}")
        self.console.print()
        self.console.print(table)
