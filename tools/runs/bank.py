"""Train the reference runs of the bank: `make bank`.

    python -m tools.runs.bank               what is missing, damaged, or was made by other code
    python -m tools.runs.bank glow vae-1    some, whether they are there or not
    python -m tools.runs.bank --list        what there is to train, and what is there
    python -m tools.runs.bank --confirm     keep what was made by other code where today's gives the same scores
    python -m tools.runs.bank --cluster --partition gpu --gpus 1    the same runs as jobs of Slurm, by submitit
    torchrun --nproc_per_node=2 -m tools.runs.bank --train glow     one run, trained by several processes together

Each run trains in a process of its own, one a core, or one after the other on a GPU where there is one. A run that
is finished is kept, so that whatever was interrupted goes on where it was. Logs: _build/bank.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from multiprocessing.pool import ThreadPool

import joblib
import torch

from likelab import bank, training
from likelab.errors import DataError
from tools.chapter import chapters
from tools.runs.confirm import confirm
from tools.runs.recipes import RUNS, state
from tools.runs.train import train

LOGS = chapters.ROOT / "_build" / "bank"
IN_ORDER = os.environ | {"PYTHONUNBUFFERED": "1"}  # a log ends with what was said last: why a run has failed


def command(name, threads, processes=1):
    """The command line that trains one run, with torchrun where several processes train it."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    return [sys.executable, *torchrun, "-m", "tools.runs.bank", "--train", name, "--threads", str(threads)]


def here(names, jobs, threads=None):
    """Train the runs on this machine, `jobs` at a time; a line when one begins and ends. Returns how many failed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    threads, began = threads or max(1, joblib.cpu_count() // jobs), time.monotonic()

    def work(name):
        print(f"{minutes(began)}  {name} begins", flush=True)
        log = LOGS / f"{name}.log"
        with open(log, "w", encoding="utf-8") as file:
            ended = subprocess.run(command(name, threads), cwd=chapters.ROOT, env=IN_ORDER, stdout=file, stderr=file)
        status = ended.returncode
        print(f"{minutes(began)}  {name} {outcome(name, status, log)}", flush=True)
        return status != 0

    with ThreadPool(jobs) as pool:
        return sum(pool.imap_unordered(work, names))


def on_cluster(names, *, partition=None, gpus=0, threads=1, limit=360, cluster="slurm", poll=10):
    """Submit each run as a job, and wait for all; a job that is preempted is queued again. Returns how many failed.

    limit: minutes after which a job is stopped. cluster: of submitit's executors, "local" in tests. poll: seconds.
    """
    try:
        import submitit
    except ImportError:
        raise SystemExit("--cluster needs submitit, which is not installed: pip install submitit") from None
    if cluster == "slurm" and not shutil.which("sbatch"):
        raise SystemExit("--cluster needs Slurm, and there is no sbatch on this machine: `make bank` trains here")
    executor, jobs, failed, began = submitit.AutoExecutor(LOGS, cluster=cluster), {}, 0, time.monotonic()
    executor.update_parameters(timeout_min=limit, cpus_per_task=threads * max(1, gpus), gpus_per_node=gpus or None)
    executor.update_parameters(mem_gb=8, slurm_partition=partition, stderr_to_stdout=True)
    for name in names:
        executor.update_parameters(name=f"bank-{name}")
        again = submitit.helpers.FunctionSequence()  # submitit queues it again after a preemption
        again.add(submitit.helpers.CommandFunction(command(name, threads, gpus), cwd=chapters.ROOT))
        job = executor.submit(again)
        jobs[job] = name
        print(f"{minutes(began)}  {name} is job {job.job_id}", flush=True)
    print("Waiting; Ctrl-C ends the waiting, not the jobs (scancel does).", flush=True)
    for job in submitit.helpers.as_completed(list(jobs), poll_frequency=poll):
        status = job.exception() is not None
        failed += status
        print(f"{minutes(began)}  {jobs[job]} {outcome(jobs[job], status, job.paths.stdout)}", flush=True)
    return failed


def outcome(name, status, log):
    """How a run ended, in words."""
    if status:
        said = log.read_text("utf-8", "replace").split("\n") if log.exists() else []
        last = next((line for line in reversed(said) if line.strip()), "it left no word")
        return f"FAILED: {last} (all of it: {log})"
    card = bank.card(name)
    inside, outside, auroc = (card["results"][key] for key in ("inside", "outside", "auroc"))
    if "accuracy" in inside:
        told = f"accuracy {inside['accuracy']:.3f}, sure by {inside['confidence']:.3f} and {outside['confidence']:.3f}"
    else:
        told = f"inside {inside['bits_per_dim']:.3f}, outside {outside['bits_per_dim']:.3f} bits/dim"
    return f"done in {card['seconds'] / 60:.1f} min: {told}, AUROC {auroc:.3f}"


def minutes(began):
    return f"{(time.monotonic() - began) / 60:6.1f} min"


def positive(text):
    """An argument that is a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="RUN")
    parser.add_argument("--list", action="store_true", help="say what there is, train nothing")
    parser.add_argument("--confirm", action="store_true", help="score old runs (or those named) with today's code")
    parser.add_argument("--jobs", type=positive, help="runs at a time (default: one a core; one on a GPU)")
    parser.add_argument("--threads", type=positive, help="threads of a run (default: the cores shared out; 1 in a job)")
    parser.add_argument("--train", metavar="RUN", help="train one run in this process, or in those of torchrun")
    parser.add_argument("--cluster", action="store_true", help="as jobs of Slurm; needs submitit")
    parser.add_argument("--partition", help="of the cluster")
    parser.add_argument("--gpus", type=positive, default=0, help="of a job; with several they train one run together")
    parser.add_argument("--limit", type=positive, default=360, help="minutes of a job (default: %(default)s)")
    options = parser.parse_args(arguments)
    asked = [*options.names, *([options.train] if options.train else [])]
    if unknown := set(asked) - set(RUNS):
        parser.error(f"no run is called {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    try:
        return act(options)
    except (DataError, training.TrainingError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped; runs that were finished are kept, and `make bank` goes on with the others")


def act(options):
    """Do what was asked. Returns how many runs failed."""
    if options.train:
        return train(options.train, options.threads)
    states = {name: state(name) for name in options.names or RUNS}
    if options.list:
        for name, found in states.items():
            print(f"{name:20} {found}")
        return 0
    if options.confirm:
        failed = 0
        for name in options.names or [name for name, found in states.items() if found == "old"]:
            confirmed, words = confirm(name)
            failed += not confirmed
            print(f"{name:20} {words}", flush=True)
        return failed
    names = options.names or [name for name, found in states.items() if found != "there"]
    if not names:
        print(f"all {len(states)} runs are there, and of today's code")
        return 0
    if old := [name for name in names if states[name] == "old"]:
        print(f"{len(old)} runs were made by other code: --confirm keeps those whose scores are the same by today's")
    if options.cluster:
        wanted = {"partition": options.partition, "gpus": options.gpus, "limit": options.limit}
        return on_cluster(names, **wanted, threads=options.threads or 1)
    jobs = min(len(names), options.jobs or (1 if torch.cuda.is_available() else joblib.cpu_count()))
    print(f"{len(names)} runs to train, {jobs} at a time", flush=True)
    return here(names, jobs, options.threads)


if __name__ == "__main__":
    sys.exit(main())
