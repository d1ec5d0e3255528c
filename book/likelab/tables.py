"""Tables of results: HTML on a page and in a notebook, aligned text elsewhere."""

import re
from html import escape
from numbers import Integral, Real

LONG = 10  # rows from which a page lets its readers sort


class Table:
    """Rows with a caption; as the last line of a cell it shows itself."""

    def __init__(self, rows, caption, digits=2):
        """rows: [{column: value}], in which the first column names the row. A column that a row lacks is "–" there.

        digits: decimals of floats, for all columns or as {column: decimals}, else 2. Whole numbers get their thousands
        apart; texts stay as they are. Raises ValueError where there are no rows, or no caption.
        """
        if not rows or not caption:
            raise ValueError("a table needs a row at least, and a caption that says of what and in which units")
        self.caption = _spaced(caption)
        self.columns = list(dict.fromkeys(column for row in rows for column in row))
        decimals = digits if isinstance(digits, dict) else dict.fromkeys(self.columns, digits)
        self.cells = [[_shown(row.get(c), decimals.get(c, 2)) for c in self.columns] for row in rows]
        # A column of numbers is aligned to the right, where their digits stand below one another.
        found = [[row.get(column) for row in rows if row.get(column) is not None] for column in self.columns]
        self.numeric = [all(_is_number(_plain(value)) for value in values) for values in found]

    def __repr__(self):
        lines = [self.columns, *self.cells]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.columns))]
        aligned = [
            "  ".join(
                text.rjust(width) if number else text.ljust(width)
                for text, width, number in zip(line, widths, self.numeric, strict=True)
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.caption, "", *aligned])

    def _repr_html_(self):
        def row(cells):
            parts = []
            for k, (text, number) in enumerate(zip(cells, self.numeric, strict=True)):
                kind, scope = ("th", "col") if cells is self.columns else ("td", "") if k else ("th", "row")
                look = "right" if number else "left"
                scope = f' scope="{scope}"' if scope else ""
                parts.append(f'<{kind}{scope} style="text-align: {look}">{escape(text)}</{kind}>')
            return f"<tr>{''.join(parts)}</tr>"

        long = " data-sortable" if len(self.cells) >= LONG else ""
        return (
            f'<div class="results" role="region" aria-label="{escape(self.caption)}" tabindex="0">'
            f'<table class="table"{long}><caption>{escape(self.caption)}</caption>'
            f"<thead>{row(self.columns)}</thead><tbody>{''.join(map(row, self.cells))}</tbody></table></div>"
        )


def _is_number(value):
    """Whether it is a number, or a text that is one with its unit: "12.5%"."""
    return isinstance(value, Real) or re.fullmatch(r"[-−+]?[\d.,]+ ?%", str(value)) is not None


def _plain(value):
    """A number of NumPy's or torch's as Python's."""
    return value.item() if hasattr(value, "item") else value


def _shown(value, digits):
    value = _plain(value)
    if value is None:
        return "–"
    if not isinstance(value, Real):
        return _spaced(str(value))
    return (f"{value:,}" if isinstance(value, Integral) else f"{value:,.{digits}f}").replace("-", "−")


def _spaced(text):
    """The text with a space that no line breaks at between a number and "%"."""
    return re.sub(r"(?<=\d)%", "\N{NO-BREAK SPACE}%", text)
