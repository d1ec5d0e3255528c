"""Results, stated and checked: a claim that does not hold stops the chapter."""

import json
import os
import re

RECORD = "LIKELAB_CLAIMS"  # the variable that names a file to which each claim is added, a line of JSON each
WITHIN = 0.02  # what processors, and versions of torch, change in a number that is computed from the bank
_stated = {}  # id -> statement


class ClaimError(AssertionError):
    """A claim of the book does not hold."""


def check(id, statement, value, holds, *, within: float | None = WITHIN) -> None:
    """Print `Claim 07.1 holds: STATEMENT — NAME NUMBER, NAME NUMBER`, or raise.

    id: "CC.N", chapter and number, e.g. "07.1"; another statement under the same id is an error.
    statement: one sentence that is true on the data at hand.
    value: what was measured, {name: number or text}; a unit that the statement lacks belongs into the name. NumPy's and
    torch's numbers count too.
    holds: True or False (NumPy's and torch's count too).
    within: by what share of itself a number may differ when another machine runs the chapter on the same images, as
    the tests of the book compare them. A model that is trained in the chapter needs more, which its chapter measures
    over seeds; None for numbers that are not to be compared, such as rounding errors.

    Raises ClaimError where `holds` is false, ValueError for a bad id, a statement of several lines, a number without a
    name or a bad `within`, TypeError where `holds` is no truth value: a number that happens to be non-zero proves
    nothing.
    """
    if not re.fullmatch(r"\d\d\.\d+", id):
        raise ValueError(f'"{id}" is not the id of a claim: write "07.1" for the first claim of chapter 07')
    if not statement.strip() or "\n" in statement:
        raise ValueError(f"claim {id}: the statement must be one line of text")
    if _stated.setdefault(id, statement) != statement:
        raise ValueError(f"claim {id} was stated before, in other words: {_stated[id]}")
    truth = _plain(holds)
    if not isinstance(truth, bool):
        raise TypeError(f"claim {id}: `holds` must be True or False, not {type(holds).__name__} {holds!r}")
    if within is not None and not within > 0:
        raise ValueError(f"claim {id}: `within` is a share above 0, or None, not {within}")
    if not isinstance(value, dict) or not all(name.strip() and "," not in name for name in value):
        raise ValueError(f"claim {id}: name its numbers, as {{'Glow': 2.7, 'VAE': 3.6}}, and without commas")
    numbers = {name: _plain(number) for name, number in value.items()}
    told = ", ".join(f"{name} {_compact(number)}" for name, number in numbers.items())
    if path := os.environ.get(RECORD):
        with open(path, "a", encoding="utf-8") as file:
            file.write(
                json.dumps({"id": id, "values": [_stored(number) for number in numbers.values()], "within": within})
                + "\n"
            )
    if not truth:
        raise ClaimError(f"Claim {id} does not hold: {statement} — {told}")
    print(f"Claim {id} holds: {statement} — {told}")


def _plain(value):
    """NumPy's and torch's numbers and arrays as Python's numbers and lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def _stored(value):
    """A number as it is, all else as text."""
    return value if isinstance(value, int | float) else str(value)


def _compact(value):
    """Three significant figures of a float, a whole number with its thousands apart, a text as it is."""
    if isinstance(value, bool | str) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        text = f"{value:,}"
    else:
        text = f"{value:,.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:#.3g}".rstrip(".")
    return text.replace("-", "−")
