"""Finding the client under test by its name on the command line."""

import importlib
from typing import cast

from client_sim.lab.clients.phone_2014 import phone_2014
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.errors import ClientNotFoundError
from client_sim.lab.mutants.early import MUTANTS
from client_sim.lab.mutants.library import find_mutant
from client_sim.world import Factory


def load_client(name: str) -> Factory:
    """Give the factory for `clean`, `2014`, `toy`, a mutant's id, or `package.module:factory`."""
    if name == "clean":
        return _import("client_sim.device.client:PollingClient")
    if name == "2014":
        return phone_2014
    if name == "toy":
        return ToyClient
    mutant = find_mutant(name)
    if mutant is not None:
        return mutant.make
    if name in MUTANTS:
        return MUTANTS[name]
    return _import(name)


def _import(name: str) -> Factory:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ClientNotFoundError(
            f"there is no client {name}: say clean, 2014, toy, the id of a mutant or"
            " package.module:factory"
        )
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ClientNotFoundError(
            f"the client {name} cannot be imported ({said}): is its folder on PYTHONPATH?"
        ) from error
    if not callable(factory):
        raise ClientNotFoundError(f"the client {name} is no factory: it cannot be called")
    return cast("Factory", factory)
