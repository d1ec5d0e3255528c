"""Results, stated and checked: a claim that does not hold stops the chapter."""

import re

_stated = {}  # id -> statement


class ClaimError(AssertionError):
    """A claim of the book does not hold."""


def check(id, statement, value, holds) -> None:
    """Print `Claim 07.1 holds: STATEMENT (VALUE)`, or raise.

    id: "CC.N", chapter and number, e.g. "07.1"; another statement under the same id is an error.
    statement: one line that is true on the data at hand; units of `value` belong here.
    value: what was measured: a number, a text, or a list or tuple of them; NumPy's and torch's count too.
    holds: True or False (NumPy's and torch's count too).

    Raises ClaimError where `holds` is false, ValueError for a bad id or a statement of several lines,
    TypeError where `holds` is no truth value: a number that happens to be non-zero proves nothing.
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
    if not truth:
        raise ClaimError(f"Claim {id} does not hold: {statement} ({_compact(value)})")
    print(f"Claim {id} holds: {statement} ({_compact(value)})")


def _plain(value):
    """NumPy's and torch's numbers and arrays as Python's numbers and lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def _compact(value):
    """Three significant figures of a float, a whole number with its thousands apart, a text as it is."""
    value = _plain(value)
    if isinstance(value, list | tuple):
        return ", ".join(_compact(item) for item in value)
    if isinstance(value, float):
        return f"{value:,.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:#.3g}".rstrip(".")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
