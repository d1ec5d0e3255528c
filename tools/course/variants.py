"""Make a cohort's own assignments: other conventions and constants, so that another year's answers fail.

    python -m tools.course.variants 2027

writes _build/coursework/2027/NAME.ipynb, to hand out. `make grade DIR=… COHORT=2027` marks what comes back with the
same master.
"""

from tools.chapter import chapters
from tools.course import assignment


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("cohort", type=int, help="a year, or any whole number")
    cohort = parser.parse_args().cohort
    folder = chapters.ROOT / "_build" / "coursework" / str(cohort)
    folder.mkdir(parents=True, exist_ok=True)
    for name in assignment.names():
        made = assignment.load(name, cohort)
        chapters.write(assignment.readable(made.notebook()), folder / f"{name}.ipynb")
        print(f"{folder / name}.ipynb written")


if __name__ == "__main__":
    chapters.command(main)
