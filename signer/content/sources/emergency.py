"""Emergency numbers, from the short numbers of the package phonenumbers.

For each country the package has a pattern and the possible lengths of a number. All numbers of
those lengths are tried, so the result agrees with the package for each number.
"""

import re
from functools import cache
from importlib.metadata import version

from phonenumbers import SUPPORTED_REGIONS, SUPPORTED_SHORT_REGIONS, PhoneMetadata
from phonenumbers.shortnumberinfo import connects_to_emergency_number

from signer.content.sources.build_result import BuildResult, LeftOut, name_source
from signer.errors import SourceError

NAME = "phonenumbers"
LICENCE = "Apache-2.0"
#: Eight digits would be a hundred million numbers to try.
MAX_DIGITS = 7
#: A suffix longer than every number. A number with it is an emergency call only in countries that
#: ignore further digits.
REST = "0" * 8


def load_emergency() -> BuildResult:
    """Build the kind `emergency` for all countries of the package, including those without numbers.

    `exact` is true where a longer number does not reach the emergency services: in Brazil, Chile
    and Nicaragua. Raises SourceError if a pattern allows numbers that are too long to be tried.
    """
    entries: dict[str, object] = {}
    for country in sorted(SUPPORTED_SHORT_REGIONS):
        numbers = _find_numbers(country)
        longer = any(connects_to_emergency_number(each + REST, country) for each in numbers)
        entries[country] = {"exact": bool(numbers) and not longer, "numbers": numbers}
    left_out = LeftOut()
    for country in set(SUPPORTED_REGIONS) - entries.keys():
        left_out.add(f"a country whose short numbers {NAME} does not have", country)
    return BuildResult(entries, [name_source(NAME, version(NAME), LICENCE)], left_out=left_out)


def _find_numbers(country: str) -> list[str]:
    """Return a country's emergency numbers, ascending as text."""
    metadata = PhoneMetadata.short_metadata_for_region(country)
    described = None if metadata is None else metadata.emergency
    if described is None or described.national_number_pattern is None:
        return []
    if max(described.possible_length, default=0) > MAX_DIGITS:
        raise SourceError(
            f"{NAME} has emergency numbers of {max(described.possible_length)} digits for"
            f" {country}; only those of up to {MAX_DIGITS} can be tried."
        )
    pattern = re.compile(rf"^(?:{described.national_number_pattern})$", re.MULTILINE)
    return sorted(
        match[0]
        for length in described.possible_length
        for match in pattern.finditer(_all_numbers(length))
    )


@cache
def _all_numbers(length: int) -> str:
    """Return all numbers of `length` digits, one on each line, for a single pattern search."""
    return "\n".join(map(f"%0{length}d".__mod__, range(10**length)))
