"""A Hypothesis strategy that changes valid JSON at any place."""

import copy

from hypothesis import strategies as st

from tests.strategies import json_values

#: Values that confuse decoders: of the wrong kind, out of range, without a canonical form.
awkward = json_values | st.sampled_from(
    [True, 1, 1.0, 0, -1, 2**53, 10**400, "", "x", "\ud800", float("nan"), [], {}, [[]], None]
).map(copy.deepcopy)  # what is drawn twice is changed once


def places_in(value):
    """Yield every container below `value` with each key or index in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in list(pairs):
        yield value, name
        if isinstance(item, (dict, list)):
            yield from places_in(item)


@st.composite
def mutated(draw, make):
    """Draw the JSON value of `make` with one to three members replaced, removed or added."""
    document = make()
    for _ in range(draw(st.integers(1, 3))):
        container, name = draw(st.sampled_from(list(places_in(document))))
        match draw(st.sampled_from(["exchange", "exchange", "delete", "add"])):
            case "exchange":
                container[name] = draw(awkward)
            case "delete":
                del container[name]
            case "add" if isinstance(container, dict):
                container[draw(st.text(max_size=8) | st.just("custom"))] = draw(awkward)
            case "add":
                container.insert(name, draw(awkward))
        if not document:
            break
    return document
