"""The table of dialects, each with the grammar of its paths, its lists, files and faults."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from server.compat import graphene, lineage, single_build
from server.compat.offers import Model
from server.compat.options import DialectName
from server.compat.pages import Content, Page


@dataclass(frozen=True, slots=True)
class Dialect:
    """The dialect of one app. All functions are pure.

    `lists(model, now)` returns the pages of a model, and `files(model)` its packages.
    `faults(model, now)` yields why builds are not in the lists. `breaks(model, now)` yields the
    faults other than missing labels; an offer that would cause one is refused. `configuration` is
    the line for the app's build configuration, with `{url}` for the public URL.
    """

    grammar: str
    lists: Callable[[Model, int], dict[str, Page]]
    files: Callable[[Model], dict[str, Content]]
    faults: Callable[[Model, int], Iterator[str]]
    configuration: str
    breaks: Callable[[Model, int], Iterator[str]] = lambda _model, _now: iter(())


_SERVER = '<string name="updater_server_url" translatable="false">{{url}}{}</string>'
_BASE = '<string name="url" translatable="false">{{url}}/{}/</string>'


def _graphene(prefix: str) -> Dialect:
    return Dialect(
        graphene.GRAMMAR.format(prefix=prefix),
        graphene.lists(prefix),
        graphene.files(prefix),
        graphene.faults,
        _BASE.format(prefix),
        graphene.breaks,
    )


DIALECTS: Mapping[DialectName, Dialect] = {
    "lineage1": Dialect(
        lineage.GRAMMAR_1,
        lineage.lists_1,
        lineage.files_1,
        lineage.faults_1,
        _SERVER.format("/lineage/v1/{{device}}/{{type}}"),
    ),
    "lineage2": Dialect(
        lineage.GRAMMAR_2,
        lineage.lists_2,
        lineage.files_2,
        lineage.faults_2,
        _SERVER.format("/lineage/v2/devices/{{device}}/builds"),
        lineage.breaks_2,
    ),
    "graphene": _graphene("graphene"),
    "calyx": _graphene("calyx"),
    "custota": Dialect(
        single_build.GRAMMAR_CUSTOTA,
        single_build.lists_custota,
        single_build.files_custota,
        single_build.faults_custota,
        "{url}/custota",
    ),
    "crdroid": Dialect(
        single_build.GRAMMAR_CRDROID,
        single_build.lists_crdroid,
        single_build.files_crdroid,
        single_build.faults_crdroid,
        _SERVER.format("/crdroid/%s.json"),
    ),
    "pixelexperience": Dialect(
        single_build.GRAMMAR_PE,
        single_build.lists_pe,
        single_build.files_pe,
        single_build.faults_pe,
        _SERVER.format("/pe/{{device}}/{{version}}"),
    ),
}


def compile_grammar(names: tuple[DialectName, ...]) -> re.Pattern[str]:
    """Return the pattern of all paths of the dialects `names`."""
    return re.compile("|".join(DIALECTS[name].grammar for name in names) or r"(?!)")
