"""A client of the S3 store that counts its calls and can end the process at one of them."""

import threading
from datetime import timedelta

from server.storage.errors import StorageError
from server.storage.objects import Objects
from tests.patience import PATIENCE

LONG, SHORT = timedelta(seconds=PATIENCE), timedelta(milliseconds=300)
WRITES = {"create", "replace", "remove", "remove_all"}
CALLS = WRITES | {"get", "get_newer", "list"}


class EndedError(Exception):
    """The simulated process has ended; nothing that it would do from here on happens."""


def nothing(_number):
    """Do nothing."""


class WatchedObjects(Objects):
    """Calls `before` and `after` with the number of each call; `calls` has the calls' names.

    It waits long for a working store. While `is_hasty`, it waits briefly, for a store that the test
    breaks. The store does not answer requests for names that end with `lost`.
    """

    def __init__(self, place, before=nothing, after=nothing):
        super().__init__(place, patience=LONG)
        self.lost = ""
        self._place, self._patient = place, self._store
        self._counting = threading.Lock()
        self.watch(before, after)

    def watch(self, before=nothing, after=nothing):
        """Count from 1 again, with other functions."""
        self.calls, self.before, self.after = [], before, after

    def end_at(self, at, *, is_sent, counted=frozenset(CALLS)):
        """End the process at call `at` of the `counted`; if `is_sent`, that call was carried out.

        Calls are counted from 1. Every later call ends, too, so that nothing that the process would
        do while it ends reaches the store.
        """
        ended = threading.Event()

        def count(number):
            return sum(name in counted for name in self.calls[:number])

        def before(number):
            if ended.is_set() or count(number) > at or (count(number) == at and not is_sent):
                raise EndedError

        def after(number):
            if count(number) == at:
                ended.set()
                raise EndedError

        self.watch(before, after)

    def be_hasty(self, is_hasty):
        """Use a short time limit from now on, or the long one again."""
        hasty = Objects(self._place, patience=SHORT, retries=2)._store if is_hasty else None
        self._store = hasty or self._patient

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name not in CALLS:
            return found

        def call(*arguments, **options):
            with self._counting:
                self.calls.append(name)
                number = len(self.calls)
            self.before(number)
            if self.lost and arguments[0].endswith(self.lost):
                message = f"the S3 store does not answer for {arguments[0]}."
                raise StorageError(message)
            answer = found(*arguments, **options)
            answer = iter(list(answer)) if name == "list" else answer
            self.after(number)
            return answer

        return call


def stopping_objects(place, at, *, is_sent):
    """Return the client of a process that ends at call `at`."""
    objects = WatchedObjects(place)
    objects.end_at(at, is_sent=is_sent)
    return objects
