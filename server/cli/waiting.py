"""Bundles that were handed over a moment ago, and that an order may be about."""

from collections.abc import Callable, Sequence
from pathlib import Path

from server.core.bundle import MAX_RESULT, decode_result
from server.publisher.errors import PublishError
from server.publisher.incoming import list_submissions
from server.storage.bounded import read_bounded
from server.storage.layout import StateFolder

#: Bundles on one disk are taken in within seconds; after that the server is busy or not there.
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.1  # as often as a server looks for bundles


def wait_for_bundles(
    folder: StateFolder,
    say: Callable[[str], None],
    monotonic: Callable[[], float],
    pause: Callable[[float], None],
) -> bool:
    """Wait until a running server has taken the bundles that wait now; False where none waits.

    Raises PublishError for a bundle that the server refuses, and after PATIENCE_SECONDS.
    """
    waiting = list_submissions(folder.incoming)
    if not waiting:
        return False
    say(f"Waiting for `hening-server run` to take {_count(waiting)} in {folder.incoming}.")
    deadline = monotonic() + PATIENCE_SECONDS
    while left := set(waiting) & set(list_submissions(folder.incoming)):
        if monotonic() > deadline:
            raise PublishError(
                f"{_count(left)} in {folder.incoming} is not published, and the order may need it:"
                " start `hening-server run`, or see why it does not take it, and order again."
            )
        pause(PAUSE_SECONDS)
    for identity in waiting:
        _check_result(folder.results / f"{identity}.json")
    return True


def _check_result(file: Path) -> None:
    result = decode_result(read_bounded(file, MAX_RESULT))
    if result.status == "refused":
        raise PublishError(f"the server refused bundle {result.id[:16]}: {result.reason}")


def _count(bundles: Sequence[str] | set[str]) -> str:
    return "1 bundle" if len(bundles) == 1 else f"{len(bundles)} bundles"
