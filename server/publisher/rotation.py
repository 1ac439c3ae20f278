"""Rotation of the online keys, between which the signers list the next key in root or targets.

    make_next_keys    makes next keys and their public halves; a next key of the log signs at once
    (the signers)     list the next key: beside the former one, or alone after a theft
    switch_keys       makes next keys the current ones and removes what they replace

A crash leaves some of the key files made or renamed, and the same call again does the rest.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from server.publisher.errors import PublishError
from server.publisher.key_choice import describe_keys, plan_switch
from server.publisher.online_keys import create_next_keys, load_online_keys, promote_next_key
from server.publisher.published import Published
from server.publisher.publisher import Publisher
from server.storage.layout import StateFolder
from server.storage.roots import root_time


async def make_next_keys(publisher: Publisher, folder: StateFolder, names: Collection[str]) -> None:
    """Make the next keys of `names`, roles or `log`, that are not there yet.

    Raises PublishError where a next key has taken over already and waits to be made the current.
    """

    def change(published: Published | None) -> None:
        for state in describe_keys(load_online_keys(folder.keys), published):
            if state.name in names and state.listed == (state.following,):
                raise PublishError(
                    f"the next key of {state.name} is the one that is listed: run `hening-server"
                    f" keys switch {state.name}` before you make another."
                )
        create_next_keys(folder.keys, names)

    await publisher.rotate(change, renew="timestamp" if "log" in names else "")


async def switch_keys(
    publisher: Publisher,
    folder: StateFolder,
    names: Collection[str],
    clock: Callable[[], datetime],
    *,
    at_once: bool = False,
) -> list[str]:
    """Make the next keys of `names` the current ones, sign with them, and return whose they were.

    What has no next key is signed afresh with the one that it has. `at_once` does not wait until
    the root that lists the next keys has reached every cache. Raises PublishError, and changes
    nothing, where one of them may not take over yet.
    """
    switched: list[str] = []

    def change(published: Published | None) -> None:
        if published is None:
            raise PublishError("nothing is published yet: submit the ceremony's bundle first.")
        keys = load_online_keys(folder.keys)
        age = clock().timestamp() - root_time(folder.public)
        switched.extend(plan_switch(keys, published, names, age, at_once=at_once))
        for name in switched:
            promote_next_key(folder.keys, name)

    await publisher.rotate(change, renew="all")
    return switched
