"""Finding the client under test by its name on the command line."""

import importlib
from importlib.util import find_spec, module_from_spec
from operator import attrgetter
from typing import Final, cast

from client_sim.device.client import PollingClient
from client_sim.lab.clients.phone_2014 import phone_2014
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.errors import ClientNotFoundError, ClientOverdueError
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.scenarios.confines import PATIENCE, Overdue, confine
from client_sim.lab.trace.detours import prepare_to_watch
from client_sim.lab.trace.identity import prepare_machines
from client_sim.world import Factory

_LOCAL: Final = "<"  # in the names of what was made by a function


def load_client(name: str) -> Factory:
    """Return the factory for `clean`, `2014`, `toy`, a mutant's id, or `package.module:factory`."""
    if name == "clean":
        return PollingClient
    if name == "2014":
        return phone_2014
    if name == "toy":
        return ToyClient
    mutant = find_mutant(name)
    if mutant is not None:
        return mutant.make
    brought = import_attribute(name)
    if not callable(brought):
        raise ClientNotFoundError(f"the client {name} is no factory: it cannot be called")
    return cast("Factory", brought)


def import_attribute(name: str) -> object:
    """Import what `package.module:name` names.

    ClientNotFoundError where that fails, ClientOverdueError where it does not end.
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
            f"the client {name} is still being imported, {error}: look for what its module waits"
            " for or goes round in"
        ) from error
    except (Exception, SystemExit) as error:  # an unknown module may raise anything
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ClientNotFoundError(
            f"the client {name} cannot be imported ({said}): is its folder on PYTHONPATH?"
        ) from error
    return found


def born_anew(factory: Factory) -> Factory:
    """Return the factory of the same name in its module, which is imported once more.

    What a client keeps there, or draws when it is imported, outlives restarts as its `state` does.
    All phones of one process share it, so that comparing them shows nothing. A factory that cannot
    be found so is given back as it is.
    """
    name = getattr(factory, "__qualname__", _LOCAL)
    spec = None if _LOCAL in name else find_spec(factory.__module__)
    if spec is None or spec.loader is None:
        return factory
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Factory", attrgetter(name)(module))
