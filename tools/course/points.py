"""Write points into a learning platform's own export, which is then imported there.

    python -m tools.course.points submissions-marked/grades.csv gradebook.csv "A1 (4711)"    Canvas: the column's name
    python -m tools.course.points submissions-marked/grades.csv worksheet.csv Grade          Moodle's grading worksheet

A row of the export belongs to the submission whose name holds the row's number as a word of its own: Canvas names files
`doejane_ID_…`, Moodle folders `Jane Doe_PARTICIPANT_…`. Names of people are never compared. Points are those of the
program and those that somebody entered for the texts. The result lies beside the export, as NAME-filled.csv, with every
other cell as it was; what does not match is said, and which texts have no points yet.
"""

import csv
import re
from pathlib import Path

from likelab.errors import DataError
from tools.chapter import chapters
from tools.course import grade

NUMBERS = ("ID", "Identifier")  # columns of Canvas and of Moodle


def read(path):
    """Rows of a CSV file. Raises DataError where there is none."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError.about(path, "a CSV file in UTF-8", type(error).__name__, "Export it anew.") from error


def totals(rows):
    """{submission: points} of grades.csv, by program and by hand, of those that could be marked; what is still missing.

    The latter in sentences. Raises DataError for another table, and for points that are no number.
    """
    head, found, missing = rows[0] if rows else [], {}, {}
    if not {"submission", "points by program", "notes"} <= set(head):
        raise DataError.about("the first file", "grades.csv", ", ".join(head), "Name what `make grade` wrote.")
    by_hand = [name for name in head if "(by hand, of " in name]
    for row in (dict(zip(head, row, strict=True)) for row in rows[1:] if row):
        if "NOT MARKED" in row["notes"]:
            missing.setdefault("not marked by the program, and left out", []).append(row["submission"])
            continue
        for name in by_hand:
            if not row[name].strip():
                missing.setdefault(f"{name}: no points yet, which counts 0", []).append(row["submission"])
        given = [row[name] for name in ("points by program", *by_hand) if row[name].strip()]
        try:
            found[row["submission"]] = f"{sum(float(points.replace(',', '.')) for points in given):g}"
        except ValueError as error:
            where = f"the row of {row['submission']}"
            raise DataError.about(where, "points", given, "Correct them in grades.csv.") from error
    return found, [f"{what}, for {len(whom)}: {', '.join(whom)}" for what, whom in missing.items()]


def filled(export, points, column):
    """The export's rows with points in a column, and what did not match, in sentences.

    Raises DataError where the export lacks the column, or one with numbers.
    """
    head = export[0]
    numbers = next((name for name in NUMBERS if name in head), None)
    if numbers is None or column not in head:
        expected = f"columns {' or '.join(NUMBERS)}, and {column}"
        raise DataError.about("the export", expected, ", ".join(head), "Name a column that it has.")
    place, rows, left, said = head.index(column), [head], dict(points), []
    for row in export[1:]:
        number = re.sub(r"^Participant\s+", "", row[head.index(numbers)].strip()) if len(row) == len(head) else ""
        mine = [name for name in points if number.isdigit() and number in re.split(r"[^0-9A-Za-z]+", name)]
        if len(mine) > 1:
            said.append(f"{number} is in the names of {len(mine)} submissions: {', '.join(mine)}")
        if len(mine) == 1:
            row = [*row[:place], points[mine[0]], *row[place + 1 :]]
            left.pop(mine[0], None)
        rows.append(row)
    return rows, said + [f"no row of the export belongs to {name}" for name in left]


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("grades", type=Path)
    parser.add_argument("export", type=Path)
    parser.add_argument("column")
    options = parser.parse_args()
    found, missing = totals(read(options.grades))
    rows, said = filled(read(options.export), found, options.column)
    target = options.export.with_name(f"{options.export.stem}-filled.csv")
    grade.table(rows, target, guard=False)
    print("\n".join([*said, *missing, f"{target} written; import it there"]))
    return bool(said + missing)


if __name__ == "__main__":
    chapters.command(main)
