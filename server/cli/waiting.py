"""Bundles that were handed over a moment ago, and that an order may be about."""

from collections.abc import Callable, Sequence
from pathlib import Path

from server.publisher.errors import PublishError
from server.storage.bounded import read_bounded
from server.storage.layout import StateFolder

#: Bundles on one disk are taken in within seconds; after that the server is busy or not there.
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.1  # as often as a server looks for bundles


def wait_for_bundles(
    folder: StateFolder,
    waiting: Sequence[str],
    say: Callable[[str], None],
    monotonic: Callable[[], float],
    pause: Callable[[float], None],
) -> None:
    """Wait until a running server has taken the bundles `waiting`, which were there a moment ago.

    Raises PublishError for a bundle that the server refuses, and after PATIENCE_SECONDS.
    """
    from server.publisher.incoming import list_submissions

    deadline, said = monotonic() + PATIENCE_SECONDS, False
    while left := set(waiting) & set(list_submissions(folder.incoming)):
        if not said:
            say(f"Waiting for `hening-server run` to take {_count(left)} in {folder.incoming}.")
            said = True
        if monotonic() > deadline:
            raise PublishError(
                f"{_count(left)} in {folder.incoming} is not published, and the order may need it:"
                " start `hening-server run`, or see why it does not take it, and order again."
            )
        pause(PAUSE_SECONDS)
    for identity in waiting:
        _check_result(folder.results / f"{identity}.json")


def _check_result(file: Path) -> None:
    from server.core.bundle import MAX_RESULT, decode_result

    result = decode_result(read_bounded(file, MAX_RESULT))
    if result.status == "refused":
        raise PublishError(f"the server refused bundle {result.id[:16]}: {result.reason}")


def _count(bundles: Sequence[str] | set[str]) -> str:
    return "1 bundle" if len(bundles) == 1 else f"{len(bundles)} bundles"
