"""One sentence on a console: broken between words for people, whole for programs."""

from rich.console import Console
from rich.text import Text


def say(console: Console, text: str, style: str = "") -> None:
    """Print a sentence; where no terminal reads it, on one line however long it is."""
    console.print(Text(text, style), soft_wrap=not console.is_terminal)
