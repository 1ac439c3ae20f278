"""The schema number that every `custom` object begins with.

Source: docs/FORMATS.md section 1.
"""

from server.core.errors import FormatError


def check_schema(path: str, custom: object, member: str) -> None:
    """Raise FormatError unless `custom` is an object whose schema this version knows."""
    if not isinstance(custom, dict) or member not in custom:
        raise FormatError(f"the target {path} has no `custom` object with a `{member}`.")
    schema = custom[member]
    if type(schema) is not int or schema != 1:
        raise FormatError(
            f"the target {path} has schema {str(schema)[:32]!r}; this version knows schema 1 only."
        )
