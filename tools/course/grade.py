"""Mark a folder of submissions.

    python -m tools.course.grade submissions/ --assignment a1 --cohort 2027

A submission is a notebook in the folder, or a folder in it that holds one. Beside it, in submissions-marked/, come

    grades.csv       points an item and in all, a message for each item, what was unusual
    items.csv        of each item: mean, who got all and who got none, what most were told
    texts.md         the free texts, to be marked by a person, whose points go into grades.csv
    feedback/        a page for each student; it names no hidden check's values
    marked/          what has been marked: a run that was stopped goes on from there

Each submission runs in a process of its own, on a copy of its folder (sandbox.py).
"""

import contextlib
import csv
import hashlib
import html
import io
import json
import os
import shutil
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from likelab import files
from likelab.errors import DataError
from tools.chapter import chapters, run_chapters
from tools.course import assignment, sandbox, students, submission

LARGEST = 100 << 20  # bytes of a submission's folder, which is copied


def submissions(folder):
    """{name: path} of what was handed in: notebooks, folders, and files that are neither, which get no points."""
    return {path.name: path for path in sorted(Path(folder).iterdir()) if not path.name.startswith((".", "__"))}


def notebook_of(made, path):
    """The notebook of a submission and what was unusual: (notebook, notes). Raises submission.Unreadable."""
    if path.is_symlink():
        raise submission.Unreadable("it is a link, not a file")
    if path.is_file() and path.suffix != ".ipynb":
        raise submission.Unreadable(f"a file {path.suffix or 'without an ending'}, not a notebook")
    found, said = [path], []
    if path.is_dir():
        found = [p for p in sorted(path.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts and not p.is_symlink()]
    if len(found) > 1:
        ours = [each for each in found if says(each) == made.name]
        said = [f"{len(found)} notebooks in the folder, of {made.name}: {', '.join(p.name for p in ours) or 'none'}"]
        found = ours
    if len(found) != 1:
        raise submission.Unreadable(*said or ["no notebook in it"])
    nb, notes = submission.read(found[0])
    name, _ = submission.origin(nb)
    if name not in (None, made.name):
        raise submission.Unreadable(f"it is assignment {name}, not {made.name}: ASSIGNMENT={name} marks it")
    return nb, [*said, *notes]


def says(path):
    """The assignment that a notebook says it is of, or None."""
    with contextlib.suppress(submission.Unreadable):
        return submission.origin(submission.read(path)[0])[0]


def mark(made, world, path, hide):
    """The marking of one submission; where nothing can be marked, `failed` says why."""
    try:
        nb, notes = notebook_of(made, path)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as top:
            folder = Path(top) / "work"
            if path.is_dir() and sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) < LARGEST:
                shutil.copytree(path, folder, symlinks=True)
            folder.mkdir(exist_ok=True)
            Path(top).chmod(0o755)
            for each in [folder, *folder.rglob("*")]:
                if not each.is_symlink():
                    each.chmod(0o777)
            found = submission.mark(made, world, nb, folder, hide)
        found["notes"] = notes + found["notes"]
        return found | {"failed": ""}
    except submission.Unreadable as error:
        why = str(error)
    except Exception as error:  # whatever it is, it is this submission's alone
        why = f"it could not be marked ({type(error).__name__}: {error})"[:300]
    nothing = {"points": dict.fromkeys(made.items, 0), "messages": {item: [] for item in made.items}}
    return nothing | {"notes": [], "texts": {}, "cohort": None, "failed": why}


def digest(made, path):
    """What a marking depends on: the submission, the master with its checks, the cohort."""
    found = hashlib.sha256(f"{made.name} {made.cohort}".encode())
    parts = sorted(p for p in [path, *path.rglob("*")] if p.is_file() and os.access(p, os.R_OK))
    for part in [*sorted((assignment.FOLDER / made.name).glob("*.py")), *parts]:
        with part.open("rb") as file:
            found.update(part.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def marked(made, folder, out, processes):
    """{name: marking} of all submissions of a folder, several at a time."""
    history = chapters.ROOT / ".git"  # the masters are in there as well
    world, hide = made.world(), [assignment.FOLDER, folder, out, *([history] if history.is_dir() else [])]
    (out / "marked").mkdir(parents=True, exist_ok=True)

    def one(name, path):
        kept, key = out / "marked" / f"{name}.json", digest(made, path)
        try:
            if (before := json.loads(kept.read_text("utf-8")))["key"] == key:
                return before
        except (OSError, ValueError, KeyError, TypeError):
            pass
        found = mark(made, world, path, hide) | {"key": key}
        files.write(kept, json.dumps(found, indent=1))
        return found

    with ThreadPoolExecutor(processes) as pool:
        waiting = {pool.submit(one, name, path): name for name, path in submissions(folder).items()}
        try:
            done = tqdm(as_completed(waiting), total=len(waiting), unit="submission")
            results = {waiting[future]: future.result() for future in done}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return dict(sorted(results.items()))


def by_hand(path):
    """{submission: its row} of a grades.csv that is about to be written anew, with points that somebody entered."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row.get("submission"): row for row in csv.DictReader(file)}


def grades(made, results, kept):
    """Rows of grades.csv; kept: points that are there already, as `by_hand` gives them."""
    heads = [column for item in made.items for column in (item, f"{item}: message")]
    texts = [f"{text} (by hand, of {points})" for text, points in made.texts.items()]
    yield ["submission", "points by program", *heads, *texts, "notes"]
    for name, found in results.items():
        points = [v for item in made.items for v in (found["points"][item], " ".join(found["messages"][item]))]
        texts_points = [kept.get(name, {}).get(text, "") for text in texts]
        notes = [f"NOT MARKED: {found['failed']}"] if found["failed"] else []
        yield [name, sum(found["points"].values()), *points, *texts_points, "; ".join([*notes, *found["notes"]])]


def statistics(made, results):
    """Rows of items.csv, the item that most got wrong first; of submissions that could be marked."""
    yield ["item", "points", "mean", "all points", "no points", "submissions", "what most were told"]
    read = [found for found in results.values() if not found["failed"]]
    rows = []
    for item in made.items:
        got, best = [found["points"][item] for found in read], made.points(item)
        told = Counter(message for found in read for message in found["messages"][item]).most_common(1)
        mean = round(sum(got) / len(got), 2) if got else 0
        most = f"{told[0][0]} ({told[0][1]})" if told else ""
        rows.append([item, best, mean, sum(g == best for g in got), sum(g == 0 for g in got), len(got), most])
    yield from sorted(rows, key=lambda row: row[2] / row[1])


def page(made, name, found):
    """A student's feedback, as HTML."""
    rows = "".join(
        f"<tr><th scope=row>{item}<td>{found['points'][item]} of {made.points(item)}<td>"
        f"{html.escape(' '.join(found['messages'][item]) or 'All right.')}"
        for item in made.items
        if not found["failed"]
    )
    failed = f"<p>Not marked: {html.escape(found['failed'])}." if found["failed"] else ""
    notes = "".join(f"<li>{html.escape(note)}" for note in found["notes"])
    total, best = sum(found["points"].values()), sum(map(made.points, made.items))
    head = f"{made.name}: {total} of {best} points for code"
    return (
        f"<!DOCTYPE html><html lang=en-GB><meta charset=utf-8><title>{html.escape(name)}</title>"
        f"<style>body{{font:1rem/1.5 sans-serif;max-width:50rem;margin:2rem auto}}td,th{{text-align:left;"
        f"vertical-align:top;padding:.2rem 1rem .2rem 0}}</style><h1>{head}</h1>{failed}"
        f"<table><tr><th scope=col>Item<th scope=col>Points<th scope=col>What to look at{rows}</table>"
        f"<ul>{notes}</ul>\n"
    )


def table(rows, path, guard=True):
    """Write rows as CSV that spreadsheets read as UTF-8; guard: so that no cell is taken for a formula."""
    with io.StringIO(newline="") as file:
        for row in rows:
            risky = [guard and str(value)[:1] in ("=", "+", "-", "@") for value in row]
            csv.writer(file).writerow([f"'{value}" if r else value for value, r in zip(row, risky, strict=True)])
        files.write(path, "\ufeff" + file.getvalue())


def grade(made, folder, out, processes):
    """Mark a folder and write all that comes of it. Returns the markings."""
    results = marked(made, folder, out, processes)
    table(grades(made, results, by_hand(out / "grades.csv")), out / "grades.csv")
    table(statistics(made, results), out / "items.csv")
    (out / "feedback").mkdir(exist_ok=True)
    for name, found in results.items():
        files.write(out / "feedback" / f"{name}.html", page(made, name, found))
    texts = [(name, *text) for name, found in results.items() for text in found["texts"].items()]
    files.write(out / "texts.md", "\n".join(f"# {name}\n\n## {text}\n\n{words}\n" for name, text, words in texts))
    return results


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("folder", help="of the submissions")
    parser.add_argument("--assignment", default="a1", choices=assignment.names(), help="without it %(default)s")
    parser.add_argument("--cohort", type=int, default=students.COHORT, help="without it %(default)s, the book's own")
    parser.add_argument("--out", type=Path, help="where to write; else beside the folder")
    parser.add_argument("--processes", type=int, default=run_chapters.cpu_count(), help="submissions at a time")
    options = parser.parse_args()
    folder = Path(options.folder).resolve()
    if not options.folder or not folder.is_dir() or not submissions(folder):
        expected = "a folder with submissions in it"
        raise DataError.about(options.folder or "DIR", expected, "none", "make grade DIR=path/to/submissions")
    if not sandbox.isolation()[0]:
        print("No name spaces here: submissions may read the masters, use the network, write files. Use a container.")
    out = (options.out or folder.with_name(f"{folder.name}-marked")).resolve()
    made = assignment.load(options.assignment, options.cohort)
    print(f"Marking {len(submissions(folder))} submissions as {made.name} of cohort {made.cohort}.", flush=True)
    if findings := students.proved(made):  # this machine, this cohort: before anyone is marked by them
        raise DataError(f"The solution is not marked as one: {findings[0]} Mend that first.")
    results = grade(made, folder, out, options.processes)
    for name, found in results.items():
        if found["failed"]:
            print(f"{name}: {found['failed']}")
        elif found["cohort"] not in (None, made.cohort):
            print(f"{name}: of cohort {found['cohort']}, but marked as {made.cohort}; is COHORT={made.cohort} right?")
    read = [found for found in results.values() if not found["failed"]]
    print(f"{len(read)} of {len(results)} marked. Points: {out / 'grades.csv'}")
    item, best, mean, *_, told = list(statistics(made, results))[1]
    if read and mean < best:
        print(f"Most points were lost in {item}, mean {mean} of {best}: {told}")


if __name__ == "__main__":
    chapters.command(main)
