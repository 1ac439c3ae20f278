"""Turns what the update engine and its file system raise into the phone's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from client_sim.device.errors import DownloadError, InstallError, StorageError
from client_sim.engine.errors import AlteredError, EngineError, NotStreamableError


@contextmanager
def engine_refuses() -> Iterator[None]:
    """Raise DownloadError, InstallError or StorageError for what the engine and its disk raise.

    NotStreamableError passes.
    """
    try:
        yield
    except NotStreamableError:
        # Not a refusal: the caller takes the other way.
        raise
    except AlteredError as error:
        raise DownloadError(str(error)) from error
    except EngineError as error:
        raise InstallError(str(error)) from error
    except OSError as error:
        raise StorageError(f"The phone's disk failed: {error}.") from error
