"""Run chapters as a reader would, from top to bottom in a new kernel, and compare their claims (nbval).

    python -m tools.chapter.run_chapters                     every chapter once; 02 and 07 on both pairs of data sets
    python -m tools.chapter.run_chapters --all               every chapter on both
    python -m tools.chapter.run_chapters book/05_glow.ipynb  some chapters
    python -m tools.chapter.run_chapters --jobs 1            one after the other, each with all processors

The pair is the real one where its files are at hand, else the stand-ins. Claim lines must be the stored ones,
but for numbers and names of data sets (nbval_sanitize.cfg); on the images of the stored outputs their numbers too,
within what each claim allows. Nothing is stored, nothing downloaded.
Several chapters run side by side, one for each processor, which takes less time than giving all processors to one.
The minutes of a chapter that runs alone are those of a reader. A chapter whose process takes more memory
than MEMORY_LIMIT fails.
"""

import functools
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, STDOUT

from joblib import cpu_count  # of those that this process may use: affinity, and the share of a container

from likelab import claims
from tools.chapter import chapters, claimed, execute, peak, rules

SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")
CELL_TIMEOUT = 900  # seconds
MEMORY_LIMIT = 1024  # MiB of resident memory: what small hubs give
MOST_JOBS = 4  # chapters at a time: beyond that the longest one is waited for
ON_BOTH_PAIRS = ("02_", "07_")  # the shortest way to the anomaly, and the anomaly


@dataclass
class Result:
    """What a run of a chapter came to; peak is in MiB, `said` the words of nbval or of a rule that was broken."""

    passed: bool
    said: str
    peak: float
    seconds: float
    claims: dict = field(default_factory=dict)  # as `claimed.read` gives them


def real_at_hand():
    """Whether the files of the real pair are on this machine. Raises SystemExit for a wrong LIKELAB_DATA."""
    from likelab import data

    try:
        return all(data.at_hand(name, split) for name, split in data.PAIR)
    except data.DataError as error:
        raise SystemExit(str(error)) from error


@functools.cache
def images():
    """What the real pair is on this machine, as `execute.real_pair` describes it; nothing where it is not at hand."""
    return execute.real_pair() if real_at_hand() else {}


def plan(paths, real, everything):
    """(chapter, pair) for each run; `real` says whether the real images are at hand."""
    runs = []
    for path in paths:
        twice = real and (everything or path.name.startswith(ON_BOTH_PAIRS))
        runs.append((path, "real" if real else "standin"))
        runs += [(path, "standin")] * twice
    return runs


def run(path, pair, threads=None):
    """Run one chapter on one pair, with as many threads as PyTorch and NumPy choose or as are given: a Result."""
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--color=no", "-q"]
    command += [f"--nbval-sanitize-with={SANITIZE}", f"--nbval-cell-timeout={CELL_TIMEOUT}"]
    command += ["-p", "no:cacheprovider", str(path)]
    environment = os.environ | chapters.KERNEL | {"LIKELAB_PAIR": pair}
    if threads:
        environment |= {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS")}
    Path(chapters.KERNEL["IPYTHONDIR"]).mkdir(parents=True, exist_ok=True)  # else IPython warns
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        told, record = Path(folder) / "peak", Path(folder) / "claims"
        environment |= {claims.RECORD: str(record)}
        measured = [sys.executable, "-P", peak.__file__, told, *command]
        done = subprocess.run(measured, env=environment, stdout=PIPE, stderr=STDOUT, encoding="utf-8", errors="replace")
        most = float(told.read_text("utf-8")) if told.exists() else 0.0  # somebody ended even the process that counts
        found = claimed.read(record)
    return Result(done.returncode == 0, done.stdout, most, time.perf_counter() - start, found)


def verdict(path, pair, threads=None):
    """The Result of `run`, not passed either where claims were never stored or where it took too much memory."""
    result, nb = run(path, pair, threads), chapters.read(path)
    if findings := rules.order(nb):  # nbval passes a claim that has no stored output
        result.passed = False
        result.said += f"nothing to compare with: {findings[0]}\n"
    if pair == "real" and result.claims and (findings := claimed.moved(nb, result.claims, images())):
        result.passed = False
        result.said += "\n".join(findings) + "\n"
    if result.peak > MEMORY_LIMIT:
        result.passed = False
        result.said += (
            f"{path.name} took {result.peak:,.0f} MiB of memory at its peak, and may take {MEMORY_LIMIT:,}: "
            "let its cells work in smaller parts, or free what they no longer need.\n"
        )
    return result


def run_all(runs, jobs):
    """The results of runs, in their order, of which `jobs` go side by side; each is told when it has ended."""
    threads = max(1, cpu_count() // jobs) if jobs > 1 else None

    def one(path, pair):
        result = verdict(path, pair, threads)
        word = "passed" if result.passed else "FAILED"
        print(f"{path.name} on the {pair} pair: {word} in {result.seconds:.0f} s, {result.peak:,.0f} MiB", flush=True)
        if not result.passed:
            print(result.said, flush=True)
        return result

    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(one, *zip(*runs, strict=True)))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--all", action="store_true", help="every chapter on both pairs")
    parser.add_argument("--jobs", type=int, help=f"runs side by side; else one for each processor, up to {MOST_JOBS}")
    options = parser.parse_args()
    real = real_at_hand()
    if not real:
        print("The real images are not at hand: stand-ins only.")
    runs = plan(chapters.chosen(options.chapters), real, options.all)
    jobs = max(1, min(options.jobs or min(cpu_count(), MOST_JOBS), len(runs)))
    print(
        f"{len(runs)} runs, {jobs} at a time …" if jobs > 1 else f"{len(runs)} runs, one after the other …", flush=True
    )
    results = run_all(runs, jobs)
    print(f"\n{'chapter':32s} {'pair':8s} {'minutes':>8s} {'peak':>10s}")
    for (path, pair), result in zip(runs, results, strict=True):
        word = "passed" if result.passed else "FAILED"
        print(f"{path.name:32s} {pair:8s} {result.seconds / 60:8.1f} {result.peak:6,.0f} MiB  {word}")
    failed = sum(not result.passed for result in results)
    print(f"\n{len(results) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    chapters.command(main)
