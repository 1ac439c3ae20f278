"""Opens the objects that the server and commands use: publisher, rollouts, read-backs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from server.compat.options import CompatOptions
from server.core.errors import ReleaseError
from server.core.pointer import Pointer
from server.publisher.bundle_importer import open_stores
from server.publisher.keys.holder import load_keys
from server.publisher.publisher import Publisher
from server.publisher.read_back import DiskReadBack, ReadBack
from server.release.rollouts.commands import ChannelView, OfferCheck
from server.release.rollouts.rollouts import ChangePolicy, Rollouts
from server.release.submissions.submissions import record_end
from server.settings import Settings
from server.storage.blobs import BlobStore
from server.storage.database import open_database
from server.storage.layout import StateFolder
from server.stores import Clock


@contextlib.asynccontextmanager
async def open_publisher(
    folder: StateFolder,
    clock: Clock,
    read_back: ReadBack,
    alarm: Callable[[str], None],
    blobs: BlobStore | None = None,
    after_step: Callable[[int], None] = lambda _step: None,
) -> AsyncIterator[Publisher]:
    """Yield a publisher on `folder` with its database open and migrated.

    Missing or damaged keys, and keys that others can read, are refused here, not hours later. At
    the end of the block the published files are read back.
    """
    await asyncio.to_thread(load_keys, folder)
    async with open_database(folder.database) as sessions:
        publisher = Publisher(
            folder,
            sessions,
            clock,
            read_back,
            alarm,
            after_step,
            stores=open_stores(folder, blobs),
            on_result=record_end,
        )
        async with publisher.read_backs:
            yield publisher


@contextlib.asynccontextmanager
async def open_rollouts(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    entropy: Callable[[int], bytes],
    public_url: str,
    alarm: Callable[[str], None],
) -> AsyncIterator[Rollouts]:
    """Yield the rollouts of `folder` for a command, with their own publisher.

    `public_url` is as for `disk_read_back`.
    """
    await asyncio.to_thread(load_keys, folder)
    async with open_database(folder.database) as sessions:
        read_back = disk_read_back(folder, public_url)
        publisher = Publisher(folder, sessions, clock, read_back, alarm)
        async with publisher.read_backs:
            yield Rollouts(
                folder,
                sessions,
                publisher,
                clock,
                entropy,
                make_change_policy(settings),
                alarm,
            )


def make_change_policy(settings: Settings) -> ChangePolicy:
    """Return the policy for changes that the settings say."""
    return ChangePolicy(
        settings.rewordings_per_day,
        settings.approval_channels,
        _make_offer_check(settings.compat),
    )


def _make_offer_check(options: CompatOptions) -> OfferCheck:
    """Return a check that refuses to offer a build that a configured app misreads or never shows.

    It never refuses halts and other publications, which must not wait for a list.
    """

    def check(view: ChannelView, pointer: Pointer) -> None:
        if not options.dialects:
            return
        # Importing the dialects takes 20 ms, and most servers have none.
        from server.compat.offers import Item  # noqa: PLC0415
        from server.compat.rendering import find_breaks  # noqa: PLC0415

        items = {
            path: Item(path, release, *view.files[path]) for path, release in view.releases.items()
        }
        for fault in find_breaks(options, view.channel, pointer, items):
            raise ReleaseError(
                f"{fault}: sign such a build, or take the dialect out of [compat] dialects."
            )

    return check


def disk_read_back(folder: StateFolder, public_url: str) -> ReadBack:
    """Return step 7 for a publishing command: over `public_url` if set, else from the disk."""
    if public_url:
        # Most commands read back from the disk, and importing HTTP takes a tenth of a second.
        from server.publisher.read_back_http import HttpReadBack  # noqa: PLC0415

        return HttpReadBack(public_url, folder.public)
    return DiskReadBack(folder.public)
