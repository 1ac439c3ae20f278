"""Reads YAML as texts, sequences and mappings alone.

No tag, no alias, no type that is guessed: `no` is a language, and 2026-01-01 a text.
"""

from pathlib import Path

import yaml

from signer.content.sources.errors import SourceError
from signer.content.sources.marked import Marked

MAX_OCTETS = 1024 * 1024
TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str"))


def read_yaml(path: Path) -> Marked:
    """Return what a file of at most 1 MiB holds; SourceError, with the line, otherwise."""
    octets = path.read_bytes()
    if len(octets) > MAX_OCTETS:
        raise SourceError(f"{path} has more than {MAX_OCTETS} octets; split it.")
    try:
        node = yaml.compose(octets.decode("utf-8-sig"), Loader=yaml.BaseLoader)
        if node is None:
            raise SourceError(f"{path} is empty.")
        return _mark(node, str(path), set())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SourceError(f"{path}, line {line}: no YAML: {error.problem}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is no YAML in UTF-8: {error}.") from error
    except RecursionError:
        raise SourceError(f"{path} is nested too deeply.") from None


def _mark(node: yaml.Node, path: str, seen: set[int]) -> Marked:
    where = f"{path}, line {node.start_mark.line + 1}"
    if id(node) in seen:
        raise SourceError(f"{where}: an alias leads here; write it out.")
    seen.add(id(node))
    if node.tag not in TAGS:
        raise SourceError(f"{where}: the tag {node.tag} is not allowed.")
    if isinstance(node, yaml.SequenceNode):
        return Marked([_mark(each, path, seen) for each in node.value], where)
    if isinstance(node, yaml.MappingNode):
        members: dict[str, Marked] = {}
        for key, value in node.value:
            name = _mark(key, path, seen).text()
            if name in members:
                raise SourceError(f"{path}, line {key.start_mark.line + 1}: {name} is there twice.")
            members[name] = _mark(value, path, seen)
        return Marked(members, where)
    return Marked(str(node.value), where)
