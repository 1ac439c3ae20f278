"""The members of any JSON value, each with a name and its value as text."""

import json


def name_members(value: object, name: str = "") -> dict[str, str]:
    """Return each value by the names that lead to it, such as `title en`.

    A list of plain values is one text, `110, 112`; of another the elements are counted from 1.
    """
    if isinstance(value, dict) and value:
        parts: list[tuple[str, object]] = [(str(key), value[key]) for key in sorted(value)]
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        parts = [(str(number), each) for number, each in enumerate(value, start=1)]
    else:
        return {name or "value": show_plain(value)}
    named: dict[str, str] = {}
    for key, part in parts:
        named |= name_members(part, f"{name} {key}".strip())
    return named


def show_plain(value: object) -> str:
    """Return a text as it is, a list of plain values with commas, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return ", ".join(show_plain(each) for each in value)
    return json.dumps(value, ensure_ascii=False)
