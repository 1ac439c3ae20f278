"""A client of the S3 store whose calls are counted; something may happen at one of them."""

from datetime import timedelta

from server.storage.objects import Objects
from tests.patience import PATIENCE

LONG, SHORT = timedelta(seconds=PATIENCE), timedelta(milliseconds=300)


class EndedError(Exception):
    """The process is gone; whatever it would do from here on does not happen."""


class WatchedObjects(Objects):
    """Calls `before` and `after` with the number of each call; `calls` has their names.

    It waits long for a store that works and, while `is_hasty`, not for one that the test breaks.
    """

    def __init__(self, place, before=lambda _number: None, after=lambda _number: None):
        super().__init__(place, patience=LONG)
        self.calls, self._before, self._after = [], before, after
        self._patient, self._hasty = self._store, Objects(place, patience=SHORT, retries=2)._store

    def be_hasty(self, is_hasty):
        """Give up soon from now on, or no more."""
        self._store = self._hasty if is_hasty else self._patient

    def _call(self, name, *arguments, **options):
        self.calls.append(name)
        number = len(self.calls)
        self._before(number)
        found = getattr(Objects, name)(self, *arguments, **options)
        found = iter(list(found)) if name == "list" else found
        self._after(number)
        return found

    def get(self, name, *, limit):
        """Count, then ask."""
        return self._call("get", name, limit=limit)

    def create(self, name, data):
        """Count, then create."""
        return self._call("create", name, data)

    def replace(self, name, data, tag):
        """Count, then replace."""
        return self._call("replace", name, data, tag)

    def remove(self, name):
        """Count, then remove."""
        return self._call("remove", name)

    def remove_all(self, names):
        """Count, then remove."""
        return self._call("remove_all", names)

    def list(self, prefix=""):
        """Count, then list."""
        return self._call("list", prefix)


def stopping_objects(place, at, *, is_sent):
    """Return a client in a process that ends at call `at`, counted from 1.

    The call was carried out, if `is_sent`. Every later call ends, too, so nothing that the process
    would do while it ends reaches the store.
    """

    def before(number):
        if number > at or (number == at and not is_sent):
            raise EndedError

    def after(number):
        if number == at:
            raise EndedError

    return WatchedObjects(place, before, after)
