"""A network's access points, each by its carrier and name."""

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
        again = sum(each == name or each.startswith(f"{name} (") for each in order)
        title = f"{name} ({again + 1})" if again else name
        order.append(title)
        for member in sorted(point.keys() - {"apn", "carrier"}):
            named[f"{title}: {member}"] = show_plain(point[member])
    return named | ({"order": "; ".join(order)} if len(order) > 1 else {})
