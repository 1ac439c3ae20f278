"""Pictures as SVG elements; whatever is put into one is escaped when it is written out."""

from xml.etree.ElementTree import Element, SubElement, tostring


def open_picture(title: str, width: int, height: int) -> Element:
    """Begin a picture of that many units, which a browser scales; screen readers read the title."""
    picture = Element(
        "svg", {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": title}
    )
    SubElement(picture, "title").text = title
    return picture


def draw(parent: Element, kind: str, text: str = "", **attributes: str | float) -> Element:
    """Add an element: `class_` becomes `class`, `text_anchor` becomes `text-anchor`."""
    made = SubElement(
        parent,
        kind,
        {name.rstrip("_").replace("_", "-"): _write(value) for name, value in attributes.items()},
    )
    if text:
        made.text = text
    return made


def write_picture(picture: Element) -> str:
    """Write a picture as markup that may stand in a page as it is."""
    return tostring(picture, encoding="unicode", short_empty_elements=True)


def _write(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".")
