"""Run chapters as a reader would, from top to bottom in a new kernel, and compare their claims (nbval).

    python -m tools.chapter.run_chapters                     every chapter once; 02 and 07 on both pairs of data sets
    python -m tools.chapter.run_chapters --all               every chapter on both
    python -m tools.chapter.run_chapters book/05_glow.ipynb  some chapters

The pair is the real one where its files are at hand, else the stand-ins. Claim lines must be the stored ones,
but for numbers and names of data sets (nbval_sanitize.cfg). Nothing is stored, nothing downloaded.
"""

import os
import sys
import time
from pathlib import Path
from subprocess import PIPE, STDOUT, run

from tools.chapter import chapters, rules

SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")
CELL_TIMEOUT = 900  # seconds
ON_BOTH_PAIRS = ("02_", "07_")  # the shortest way to the anomaly, and the anomaly


def real_at_hand():
    """Whether the files of the real pair are on this machine. Raises SystemExit for a wrong LIKELAB_DATA."""
    from likelab import data

    try:
        return all(data._find(name, split) for name, split in data.PAIR)
    except data.DataError as error:
        raise SystemExit(str(error)) from error


def plan(paths, real, everything):
    """(chapter, pair) for each run; `real` says whether the real images are at hand."""
    runs = []
    for path in paths:
        twice = real and (everything or path.name.startswith(ON_BOTH_PAIRS))
        runs.append((path, "real" if real else "standin"))
        runs += [(path, "standin")] * twice
    return runs


def verdict(path, pair):
    """Run one chapter on one pair: (passed, what nbval said)."""
    if findings := rules.order(chapters.read(path)):
        return (
            False,
            f"nothing to compare with: {findings[0]}",
        )  # nbval would pass a claim that was never stored
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--color=no", "-q"]
    command += [f"--nbval-sanitize-with={SANITIZE}", f"--nbval-cell-timeout={CELL_TIMEOUT}"]
    command += ["-p", "no:cacheprovider", str(path)]
    environment = os.environ | chapters.KERNEL | {"LIKELAB_PAIR": pair}
    done = run(command, env=environment, stdout=PIPE, stderr=STDOUT, encoding="utf-8")
    return done.returncode == 0, done.stdout


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--all", action="store_true", help="every chapter on both pairs")
    options = parser.parse_args()
    real, rows = real_at_hand(), []
    if not real:
        print("The real images are not at hand: stand-ins only.")
    for path, pair in plan(chapters.chosen(options.chapters), real, options.all):
        print(f"{path.name} on the {pair} pair …", flush=True)
        start = time.perf_counter()
        passed, text = verdict(path, pair)
        rows.append((path.name, pair, time.perf_counter() - start, "passed" if passed else "FAILED"))
        if not passed:
            print(text, flush=True)
    print(f"\n{'chapter':32s} {'pair':8s} {'seconds':>8s}")
    for name, pair, seconds, result in rows:
        print(f"{name:32s} {pair:8s} {seconds:8.1f}  {result}")
    failed = sum(result == "FAILED" for *_, result in rows)
    print(f"\n{len(rows) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
