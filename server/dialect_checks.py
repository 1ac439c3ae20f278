"""What `hening-server check` says about the dialects of existing Updater apps."""

from collections.abc import Iterator

from server.compat.offers import held_back
from server.compat.options import SENTENCE, CompatOptions
from server.compat.rendering import Rendered, find_faults, render
from server.core.errors import HeningError
from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.maintenance.checks.finding import Finding, summarise
from server.storage.blobs import BlobStore
from server.storage.layout import StateFolder


def check_dialects(
    folder: StateFolder, options: CompatOptions, blobs: BlobStore, now: int
) -> Iterator[Finding]:
    """Yield the sentence on privacy, builds that a dialect cannot offer, and stopped channels.

    Nothing where no dialect is configured.
    """
    if not options.dialects:
        return
    yield Finding("dialects", SENTENCE)
    try:
        rendered = render(options, load_snapshot(folder.public, blobs, EMPTY), now)
    except (HeningError, OSError) as error:
        yield Finding("dialects", "", str(error))
        return
    faults = [f"{fault}." for fault in find_faults(rendered, now)]
    yield from summarise("dialects", f"{len(options.dialects)} spoken", faults)
    for stopped in _stopped(rendered, now):
        yield Finding("dialects", stopped)


def _stopped(rendered: Rendered, now: int) -> Iterator[str]:
    for model in rendered.models:
        for shelf in model.shelves.values():
            release = held_back(shelf, now)
            if release is not None:
                yield (
                    f"{model.device} {shelf.name} has stopped before counter {release.counter},"
                    f" which needs {release.min_counter}"
                )
