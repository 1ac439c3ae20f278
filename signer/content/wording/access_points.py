"""A network's access points, each by its carrier and name."""

import json
from typing import Any

from signer.content.wording.members import show_plain


def name_access_points(entry: dict[str, Any]) -> dict[str, str]:
    """Return the members of all access points, such as `Telkomsel, internet: types`.

    Those of one carrier and name are counted. `order` is the one in which phones offer them.
    """
    named: dict[str, str] = {}
    order: list[str] = []
    for point in entry["apns"]:
        name = f"{point['carrier']}, {point['apn']}"
        title, number = name, 1
        while title in order:
            number += 1
            title = f"{name} ({number})"
        order.append(title)
        for member in sorted(point.keys() - {"carrier"}):
            named[f"{title}: {member}"] = show_plain(point[member])
    return named | ({"order": json.dumps(order, ensure_ascii=False)} if len(order) > 1 else {})
