"""Waiting bundles, in a folder and in S3: what publishing needs of both."""

import shutil
from dataclasses import dataclass
from itertools import count

import pytest

from server.publisher.inbox import Inbox, LocalInbox, count_waiting
from server.publisher.incoming import load_submission
from server.publisher.s3_inbox import EVERY_SECONDS, S3Inbox
from server.storage.layout import StateFolder
from tests.server.ceremony import write_bundle

FIRST, SECOND = "0123456789abcdef", "fedcba9876543210"  # receipts


@dataclass
class Site:
    """The inboxes of a control node and of a publisher, with their state folders."""

    control: Inbox
    publisher: Inbox
    received: StateFolder
    published: StateFolder

    def receive(self, files, receipt=FIRST):
        """Write a bundle as the API does; return its id and folder."""
        bundle_id = write_bundle(self.received.incoming, files, {})
        folder = self.received.incoming / bundle_id
        (folder / "blobs").rmdir()
        return bundle_id, folder.rename(folder.with_name(f".tmp-api-{bundle_id}-{receipt}"))

    def hand_in(self, files, receipt=FIRST):
        """Hand a bundle in, and return its id."""
        bundle_id, folder = self.receive(files, receipt)
        self.control.hand_in(folder, bundle_id, receipt)
        return bundle_id

    def end(self, bundle_id):
        """End a bundle as a publisher does once its result is stored."""
        attempt = self.publisher.attempt(bundle_id)
        shutil.rmtree(self.publisher.path(bundle_id))
        self.publisher.forget(bundle_id, attempt)


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.needs("seaweed"))])
def site(request, tmp_path):
    """Return one machine with a folder, or two machines that share S3."""
    received = published = StateFolder(tmp_path / "a")
    if request.param == "local":
        inbox = LocalInbox(received)
        made = Site(inbox, inbox, received, published)
    else:
        place = request.getfixturevalue("seaweed").place(tmp_path.name)
        published = StateFolder(tmp_path / "b")
        control, publisher = (
            S3Inbox(place, each, count(step=EVERY_SECONDS).__next__)
            for each in (received, published)
        )
        made = Site(control, publisher, received, published)
    received.incoming.mkdir(parents=True)
    return made


def test_life_of_a_bundle(site, fresh):
    """A bundle waits from its hand-in to its end, and is fetched unchanged."""
    assert site.publisher.fetch() == site.control.waiting() == []
    files = fresh.ceremony.first()
    bundle_id, folder = site.receive(files)
    assert not site.control.waits(bundle_id)
    site.control.hand_in(folder, bundle_id, FIRST)
    assert not folder.exists()
    assert site.control.waits(bundle_id)
    assert site.control.waiting() == site.publisher.fetch() == [bundle_id]
    found = load_submission(site.publisher.path(bundle_id))
    assert {(file.role, file.version): file.data for file in found.files} == files
    assert count_waiting(site.published) == 1
    site.end(bundle_id)
    assert not site.control.waits(bundle_id)
    assert site.control.waiting() == site.publisher.fetch() == []
    assert site.publisher.attempt(bundle_id) == ""
    assert count_waiting(site.published) == 0


def test_attempts_have_different_names(site, fresh):
    """Each time that a bundle is handed in, its attempt has another name."""
    files = {("cancro", 2): fresh.ceremony.role("cancro", 2)}
    attempts = set()
    for receipt in (FIRST, SECOND):
        bundle_id = site.hand_in(files, receipt)
        site.publisher.fetch()
        attempts.add(site.publisher.attempt(bundle_id))
        site.end(bundle_id)
    assert len(attempts) == 2
    assert all(0 < len(attempt) <= 48 for attempt in attempts)


def test_bundle_handed_in_twice(site, fresh, tmp_path):
    """Handing a bundle in twice leaves one bundle to publish."""
    files = {("cancro", 2): fresh.ceremony.role("cancro", 2)}
    bundle_id, folder = site.receive(files)
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    site.control.hand_in(folder, bundle_id, FIRST)
    site.control.hand_in(again, bundle_id, FIRST)
    assert not again.exists()
    assert site.control.waiting() == site.publisher.fetch() == [bundle_id]
    site.end(bundle_id)
    assert site.control.waiting() == []


def test_several_bundles(site, fresh):
    """Each bundle has its own folder, for publishing and for garbage collection."""
    ids = {
        site.hand_in({("cancro", version): fresh.ceremony.role("cancro", version)}, receipt)
        for version, receipt in ((2, FIRST), (3, SECOND))
    }
    assert set(site.publisher.fetch()) == set(site.control.waiting()) == ids
    assert {folder.name for folder in site.publisher.folders()} == ids
    assert all(load_submission(site.publisher.path(each)).id == each for each in ids)


def test_bundle_written_by_a_person(site, fresh):
    """A bundle written directly into a publisher's `incoming` is published, too."""
    files = {("cancro", 2): fresh.ceremony.role("cancro", 2)}
    bundle_id = write_bundle(site.published.incoming, files, {})
    assert site.publisher.fetch() == site.publisher.waiting() == [bundle_id]
    assert site.publisher.waits(bundle_id)
    assert load_submission(site.publisher.path(bundle_id)).id == bundle_id
    site.end(bundle_id)
    assert site.publisher.fetch() == []
