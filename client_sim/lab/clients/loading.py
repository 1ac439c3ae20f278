"""Loading of the client under test by its name on the command line."""

import importlib
from importlib.util import find_spec, module_from_spec
from operator import attrgetter
from typing import Final, cast

from client_sim.device.client import PollingClient
from client_sim.lab.clients.phone_2014 import Phone2014
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.errors import ClientNotFoundError, ClientOverdueError
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.scenarios.limits import PATIENCE, Overdue, confine
from client_sim.lab.trace.bypasses import prepare_to_watch
from client_sim.lab.trace.identity import prepare_machines
from client_sim.world import Factory

_LOCAL: Final = "<"  # in the qualified names of objects defined in a function


def load_client(name: str) -> Factory:
    """Return the factory for `clean`, `2014`, `toy`, a mutant's id, or `package.module:factory`.

    Raise ClientNotFoundError if there is none.
    """
    if name == "clean":
        return PollingClient
    if name == "2014":
        return Phone2014
    if name == "toy":
        return ToyClient
    mutant = find_mutant(name)
    if mutant is not None:
        return mutant.make
    imported = import_attribute(name)
    if not callable(imported):
        raise ClientNotFoundError(f"the client {name} is not a factory: it cannot be called")
    return cast("Factory", imported)


def import_attribute(name: str) -> object:
    """Import the object `package.module:name`.

    Raise ClientNotFoundError if that fails, and ClientOverdueError if it does not end.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ClientNotFoundError(
            f"there is no client {name}: say clean, 2014, toy, the id of a mutant or"
            " package.module:factory"
        )
    prepare_to_watch()
    prepare_machines()
    try:
        with confine(PATIENCE):
            found: object = getattr(importlib.import_module(module), attribute)
    except Overdue as error:
        raise ClientOverdueError(
            f"the import of the client {name} does not end, {error}: look for a wait or an endless"
            " loop in its module"
        ) from error
    except (Exception, SystemExit) as error:  # an unknown module may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ClientNotFoundError(
            f"the client {name} cannot be imported ({reason}): is its folder on PYTHONPATH?"
        ) from error
    return found


def import_again(factory: Factory) -> Factory:
    """Import the factory's module again, and return the factory of the same name from it.

    Data that a client keeps in its module, or draws at import, outlives restarts. All phones of one
    process share it, so comparing them would not show it. A factory that cannot be found by its
    name is returned unchanged.
    """
    name = getattr(factory, "__qualname__", _LOCAL)
    spec = None if _LOCAL in name else find_spec(factory.__module__)
    if spec is None or spec.loader is None:
        return factory
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Factory", attrgetter(name)(module))
