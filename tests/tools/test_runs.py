"""Training the bank: what is there, what is trained anew, what is kept, and by how many processes."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from likelab import bank, data, training
from tests.conftest import ROOT
from tools.runs import bank as tool
from tools.runs import bench, confirm, recipes, train
from tools.runs.recipes import RUNS, state

TINY = {"shape": [3, 8, 8], "channels": 4, "blocks": 1}
SETS = ("cifar10", "svhn")
TINY_RUNS = {
    "tiny": ({"model": "pixelcnn", "architecture": TINY, "batch_size": 4, "lr": 1e-3}, 4, 0, SETS),
    "flow": (
        {"model": "glow", "architecture": {"shape": [3, 8, 8], "steps": [1], "hidden": 4}, "batch_size": 8, "lr": 1e-3},
        *(4, 0, SETS),
    ),
    "closed": ({"model": "gaussian", "architecture": {"shape": [3, 8, 8]}, "ridges": [1, 3]}, 0, 0, SETS),
    "labelled": (
        {
            **{"model": "classifier", "architecture": {"shape": [3, 8, 8], "widths": [4]}},
            **{"batch_size": 8, "lr": 0.1, "decay": 1e-3},
        },
        *(4, 0, SETS),
    ),
}


def images(n, seed):
    """uint8 (n, 3, 8, 8)."""
    return torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def tiny_set(name, split):
    """In the place of `data.load`: 40 images of noise."""
    seed = 2 * (name == "svhn") + (split == "test")
    return data.ImageSet(name, split, images(40, seed), torch.arange(40) % 10, 40, real=True, official=True)


def use_tiny_runs(patch, folder):
    """Small runs, small images for them, and a folder of their own."""
    patch.setattr(bank, "FOLDER", folder)
    patch.setattr(data, "load", tiny_set)
    for name, run in TINY_RUNS.items():
        patch.setitem(RUNS, name, run)


@pytest.fixture(scope="module")
def filled(tmp_path_factory, one_thread):
    """A bank with all small runs; it is only read."""
    folder = tmp_path_factory.mktemp("bank")
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_runs(patch, folder)
        for name in TINY_RUNS:
            train.train(name, 1)
    return folder


@pytest.fixture
def folder(filled, tmp_path, monkeypatch):
    """A copy of that bank."""
    monkeypatch.setattr(tool, "LOGS", tmp_path / "logs")
    use_tiny_runs(monkeypatch, tmp_path / "bank")
    shutil.copytree(filled, tmp_path / "bank")
    return tmp_path / "bank"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """So little work is slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def told(name):
    return json.loads((bank.FOLDER / f"{name}.json").read_text("utf-8"))


def rewrite(name, **values):
    """Change a card."""
    (bank.FOLDER / f"{name}.json").write_text(json.dumps(told(name) | values), "utf-8")


# --- One run ---


@pytest.mark.parametrize("name", TINY_RUNS)
def test_a_run_is_trained_and_tells_what_it_is(folder, name):
    card, sets = bank.card(name), recipes.images_of(name)[1]
    assert state(name) == "there"
    assert {role: len(values) for role, values in bank.stored(name).items()} == {
        "train": 36,
        "validation": 4,
        "inside": 40,
        "outside": 40,
    }
    assert card["data"]["trained on"] == "cifar10 train, 36 of 40 images"
    assert (folder / f"{name}.pt").exists() == (name != "closed")
    if name == "closed":
        assert card["ridge"] in (1, 3) and card["weights"] is None
        return
    loaded = bank.load(name)
    assert card["parameters"] == sum(p.numel() for p in loaded.parameters())
    assert card["best_step"] in card["history"]["steps"] and bank.watched(name)[0].tolist() == list(range(5))
    again = bank.evaluate(loaded, sets["outside"].images)
    assert np.allclose(again, bank.stored(name)["outside"], atol=1e-5)
    if name != "labelled":
        assert card["results"]["outside"]["bits_per_dim"] == pytest.approx(again.mean().item(), abs=1e-4)


def test_a_labelled_run_keeps_logits_and_tells_how_often_they_are_right(folder):
    card, held = bank.card("labelled"), bank.stored("labelled")
    assert {role: values.shape for role, values in held.items()}["inside"] == (40, 10)
    assert bank.watched("labelled")[1]["outside"].shape == (5, 40, 10)
    told = card["results"]
    assert told["inside"]["accuracy"] == np.mean(held["inside"].argmax(1) == np.arange(40) % 10)
    shares = np.exp(held["outside"]) / np.exp(held["outside"]).sum(1, keepdims=True)
    assert told["outside"].keys() == {"images", "confidence"}, "labels of the outside set are of other things"
    assert told["outside"]["confidence"] == pytest.approx(shares.max(1).mean(), abs=6e-5)
    assert "accuracy" in tool.outcome("labelled", 0, None)


@pytest.mark.parametrize("written", range(4))
def test_a_disk_that_fills_up_leaves_the_run_that_was_there(folder, monkeypatch, written):
    """Full after that many of the four files: keys, weights, scores, card."""
    before, left, fsync = contents(folder), [written], os.fsync

    def full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setitem(RUNS, "tiny", (*TINY_RUNS["tiny"][:2], 5, TINY_RUNS["tiny"][3]))  # another seed
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemExit) as stopped:
        tool.main(["--train", "tiny", "--threads", "1"])
    assert "No space left" in str(stopped.value) and "\n" not in str(stopped.value)
    assert contents(folder) == before


# --- What is there, and what is not ---

SPOILT = {
    "an empty card": (lambda: (bank.FOLDER / "tiny.json").write_bytes(b""), "damaged"),
    "half a card": (lambda: cut("tiny.json"), "damaged"),
    "a card with the markers of a merge": (lambda: merge("tiny.json"), "damaged"),
    "a list for a card": (lambda: (bank.FOLDER / "tiny.json").write_text("[1]"), "damaged"),
    "a card of something else": (lambda: (bank.FOLDER / "tiny.json").write_text('{"model": 3}'), "damaged"),
    "a card in another encoding": (lambda: (bank.FOLDER / "tiny.json").write_bytes(b"\xff\xfe{"), "damaged"),
    "a folder for a card": (lambda: replace_by_folder("tiny.json"), "damaged"),
    "a card without digests": (lambda: rewrite("tiny", keys=None), "damaged"),
    "altered weights": (lambda: (bank.FOLDER / "tiny.pt").write_bytes(b"altered"), "damaged"),
    "no weights told of": (lambda: rewrite("tiny", weights=None), "damaged"),
    "no scores": (lambda: (bank.FOLDER / "tiny.npz").unlink(), "damaged"),
    "half of the scores": (lambda: cut("tiny.npz"), "damaged"),
    "altered keys": (lambda: next(bank.FOLDER.glob("*.keys")).write_bytes(b"x" * 960), "damaged"),
    "another architecture": (lambda: rewrite("tiny", architecture=TINY | {"channels": 5}), "old"),
    "another recipe": (lambda: rewrite("tiny", recipe={"steps": 1}), "old"),
    "another model": (lambda: rewrite("tiny", model="glow"), "old"),
    "older code": (lambda: rewrite("tiny", code="another"), "old"),
    "no code told of": (lambda: rewrite("tiny", code=None), "old"),
    "no card": (lambda: (bank.FOLDER / "tiny.json").unlink(), "missing"),
}


def cut(name):
    path = bank.FOLDER / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def merge(name):
    path = bank.FOLDER / name
    card = path.read_text("utf-8")
    path.write_text(f"<<<<<<< HEAD\n{card}=======\n{card}>>>>>>> other\n", "utf-8")


def replace_by_folder(name):
    (bank.FOLDER / name).unlink()
    (bank.FOLDER / name).mkdir()


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_spoilt_is_listed_and_trained_anew(folder, monkeypatch, capsys, what):
    """The remedy that the library names for a spoilt file is `make bank`, and it works."""
    spoil, expected = SPOILT[what]
    spoil()
    assert tool.main(["--list", "tiny"]) == 0
    assert capsys.readouterr().out.split() == ["tiny", expected]
    asked = []
    monkeypatch.setattr(tool, "here", lambda names, *_: asked.extend(names))
    for name in set(RUNS) - set(TINY_RUNS):
        monkeypatch.delitem(RUNS, name)
    tool.main([])
    assert asked == ([*TINY_RUNS] if what == "altered keys" else ["tiny"])  # that file is shared


def test_what_was_damaged_is_whole_again(folder):
    for name in ("tiny.json", "flow.pt", "closed.npz"):
        cut(name)
    for name in TINY_RUNS:
        train.train(name, 1)
    assert [state(name) for name in TINY_RUNS] == ["there"] * 4


def test_where_all_is_there_nothing_is_trained(folder, monkeypatch, capsys):
    monkeypatch.setattr(tool, "here", lambda *_: pytest.fail("trained"))
    for name in set(RUNS) - set(TINY_RUNS):
        monkeypatch.delitem(RUNS, name)
    assert tool.main([]) == 0 and "all 4 runs are there" in capsys.readouterr().out


def test_a_card_with_other_line_ends_is_no_other_card(folder):
    path = folder / "tiny.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert state("tiny") == "there"


def test_code_that_a_model_is_built_upon_counts(tmp_path, monkeypatch):
    """The local PixelCNN inherits from the PixelCNN, which takes functions from the VAE's module."""
    models = tmp_path / "likelab" / "models"
    models.mkdir(parents=True)
    for path in [*bank.FOLDER.parent.glob("likelab/*.py"), *bank.FOLDER.parent.glob("likelab/models/*.py")]:
        (tmp_path / path.relative_to(bank.FOLDER.parent)).write_bytes(path.read_bytes())
    monkeypatch.setattr(recipes.chapters, "BOOK", tmp_path)
    used = [{"model": name} for name in ("pixelcnn_local", "pixelcnn", "vae", "glow")]
    before = [recipes.code_digest(recipe) for recipe in used]
    assert len(set(before)) == 4
    (models / "pixelcnn.py").write_text((models / "pixelcnn.py").read_text("utf-8") + "\nnew = 1\n", "utf-8")
    assert [a == recipes.code_digest(b) for a, b in zip(before, used, strict=True)] == [False, False, True, True]


def test_an_unknown_run_is_named(capsys):
    for arguments in (["poem"], ["--train", "poem"], ["--list", "poem"], ["--jobs", "0"]):
        with pytest.raises(SystemExit):
            tool.main(arguments)
        assert ("poem" in (said := capsys.readouterr().err) and "glow_cv" in said) or "above 0" in said


# --- Keeping what was made by other code ---


@pytest.mark.parametrize("name", TINY_RUNS)
def test_a_run_whose_scores_are_the_same_is_kept(folder, capsys, name):
    rewrite(name, code="another")
    before = contents(folder)
    assert tool.main(["--confirm", name]) == 0
    assert state(name) == "there" and "confirmed, the largest change of 120 scores is" in capsys.readouterr().out
    card, confirmed = told(name), told(name).pop("confirmed")
    assert confirmed["largest change"] <= 2e-4 and len(confirmed["date"]) == 10
    assert {key for key in card if card[key] != json.loads(before[f"{name}.json"]).get(key)} == {"code", "confirmed"}
    after = contents(folder)
    assert {file for file in after if after[file] != before[file]} == {f"{name}.json"} and after.keys() == before.keys()


def test_scores_that_have_moved_are_told_and_nothing_is_changed(folder, monkeypatch, capsys):
    rewrite("tiny", code="another")
    before, evaluate = contents(folder), training.evaluate
    for change in (1e-3, np.nan):  # of one image of forty
        monkeypatch.setattr(
            training, "evaluate", lambda m, x, by=change: evaluate(m, x) + by * (torch.arange(len(x)) == 1)
        )
        assert tool.main(["--confirm"]) == 1
        assert "scores have moved" in (said := capsys.readouterr().out) and ("1.0e-03" in said or "nan" in said)
    assert contents(folder) == before and state("tiny") == "old"


def test_images_that_are_drawn_a_little_otherwise_are_left_out(folder, monkeypatch, capsys):
    """Stand-ins on another machine: two images of forty are not those that were scored."""
    rewrite("tiny", code="another")
    drawn = tiny_set("svhn", "test")
    drawn.images[[3, 5], 0, 0, 0] ^= 1
    monkeypatch.setattr(data, "load", lambda *of: drawn if of == ("svhn", "test") else tiny_set(*of))
    assert tool.main(["--confirm", "tiny"]) == 0 and told("tiny")["confirmed"]["scores"] == "118 of 120"
    assert "of 118 scores" in capsys.readouterr().out


def test_a_card_is_told_more_of_its_own_images_and_nothing_of_others(folder, monkeypatch):
    """A data set that has grown since, and one that is found not to be the published one."""
    before = told("tiny")["data"]
    train_set = tiny_set("cifar10", "train")
    grown = dataclasses.replace(train_set, images=torch.cat([train_set.images, images(20, 9)]), labels=torch.zeros(60))
    other = dataclasses.replace(tiny_set("svhn", "test"), official=False, provenance="cut anew")
    sets = {("cifar10", "train"): grown, ("svhn", "test"): other}
    monkeypatch.setattr(data, "load", lambda *of: sets.get(of) or tiny_set(*of))
    assert confirm.confirm("tiny")[0]
    assert told("tiny")["data"] == before | {"outside": before["outside"] + ", not the published file: cut anew"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _: cut("tiny.json"), "damaged: train it"),
        (lambda _: (bank.FOLDER / "tiny.json").unlink(), "missing: train it"),
        (lambda _: rewrite("tiny", recipe={}), "another recipe than in its card: train it"),
        (
            lambda patch: patch.setattr(data, "load", lambda *of: tiny_set(*of[::-1])),
            "0 of the 120 images of its scores are here",
        ),
        (lambda _: weights_of("flow"), "not those of today's model"),
    ],
    ids=["damaged", "missing", "another recipe", "other images", "another model's weights"],
)
def test_what_cannot_be_confirmed_is_told(folder, monkeypatch, capsys, spoil, words):
    spoil(monkeypatch)
    before = contents(folder)
    assert tool.main(["--confirm", "tiny"]) == 1
    assert words in capsys.readouterr().out and contents(folder) == before


def weights_of(other):
    rewrite("tiny", weights=bank.save_weights(bank.FOLDER / "tiny.pt", bank.load(other).state_dict()))


# --- Runs side by side ---


def pretend(monkeypatch, **scripts):
    """Let each run be a line of Python instead of a training."""
    monkeypatch.setattr(tool, "command", lambda name, *_: [sys.executable, "-c", scripts[name]])


def test_runs_side_by_side_and_one_that_fails(folder, monkeypatch, capsys):
    pretend(monkeypatch, tiny="pass", flow="import sys; print('first'); sys.exit('the disk is full')")
    assert tool.here(["tiny", "flow"], 2) == 1
    said = capsys.readouterr().out
    assert "tiny done in " in said and "flow FAILED: the disk is full" in said
    assert (tool.LOGS / "flow.log").read_text().splitlines() == ["first", "the disk is full"]


def test_the_command_of_a_run_is_the_tools_own(monkeypatch):
    asked = []
    monkeypatch.setattr(tool, "train", lambda *options: asked.append(options))
    for processes in (1, 3):
        line = tool.command("glow-1", 2, processes)
        assert ("--nproc_per_node=3" in line) == (processes == 3)
        assert line[0] == sys.executable and line[-6:-4] == ["-m", "tools.runs.bank"]
        tool.main(line[-4:])
    assert asked == [("glow-1", 2)] * 2


@pytest.mark.slow
def test_jobs_of_submitit(folder, monkeypatch, capsys):
    """By its executor for one machine: each run a job, one of them fails."""
    pretend(monkeypatch, tiny="pass", flow="import sys; sys.exit('the disk is full')")
    assert tool.on_cluster(["tiny", "flow"], cluster="local", poll=0.1) == 1
    said = capsys.readouterr().out
    assert "tiny is job" in said and "tiny done in " in said and "flow FAILED: " in said
    assert any("the disk is full" in path.read_text() for path in tool.LOGS.glob("*.out"))


SBATCH = """#!/bin/sh
cp "$1" "{folder}/submitted"
export SLURM_JOB_ID=12 SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
export SLURM_JOB_NODELIST=here
sh "$1" >/dev/null 2>"{folder}/said" &
echo $! >"{folder}/process"
echo Submitted batch job 12
"""
SRUN = """#!/bin/sh
log=$(echo "$3" | sed "s/%j/12/; s/%t/0/") # srun --unbuffered --output LOG COMMAND
shift 3
exec "$@" >"$log" 2>&1
"""
SACCT = """#!/bin/sh
kill -0 "$(cat "{folder}/process")" 2>/dev/null && state=RUNNING || state=COMPLETED
echo "JobID|State|NodeList
12|$state|here"
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the commands that stand in for Slurm's are shell scripts")
def test_jobs_of_slurm(folder, tmp_path, monkeypatch, capsys):
    """Slurm's commands are stood in for: what is submitted asks for what was wanted, and runs."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, script in {"sbatch": SBATCH, "srun": SRUN, "sacct": SACCT}.items():
        (commands / name).write_text(script.replace("{folder}", str(tmp_path)))
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    pretend(monkeypatch, tiny="print('it ran')")
    assert tool.on_cluster(["tiny"], partition="gpu", gpus=2, threads=3, limit=20, poll=0.1) == 0
    assert "tiny is job 12" in (said := capsys.readouterr().out) and "tiny done" in said
    asked = (tmp_path / "submitted").read_text()
    for line in ("--partition=gpu", "--gpus-per-node=2", "--cpus-per-task=6", "--time=20", "--job-name=bank-tiny"):
        assert f"#SBATCH {line}\n" in asked


def test_without_submitit_or_slurm_one_line_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="pip install submitit|no sbatch on this machine"):
        tool.main(["--cluster", "glow"])
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(SystemExit, match="pip install submitit"):
        tool.main(["--cluster", "glow"])


def main(folder):
    """What each of two processes does in the next test."""
    bank.FOLDER, data.load = Path(folder), tiny_set
    RUNS.update(TINY_RUNS)
    tool.main(["--train", "tiny"])
    print(f"ended as {os.environ['RANK']}", flush=True)


@pytest.mark.slow
def test_two_processes_train_one_run_and_one_stores_it(folder):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, "-m", "tests.tools.test_runs", str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "book"), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(done.stdout.split("\n")[:2]) == ["ended as 0", "ended as 1"]
    assert state("tiny") == "there" and bank.card("tiny")["machine"].startswith("2 processes, each 1 thread of ")
    together = bank.stored("tiny")
    train.train("tiny", 1)
    for role, values in bank.stored("tiny").items():
        assert np.allclose(together[role], values, atol=1e-4), role


# --- A price of the rate ---


PRICED = {recipe["beta"]: name for name, (recipe, *_) in RUNS.items() if "beta" in recipe}


def test_a_price_multiplies_the_rate_and_nothing_else():
    torch.manual_seed(0)
    vae = bank.build("vae", {"shape": [3, 8, 8], "latents": 6, "hidden": 8, "blocks": 1})
    vae.initialise(images(50, 0))
    vae.eval()  # where an image's noise is its own
    rate, distortion = vae.rate_and_distortion(images(4, 1))
    assert rate.min() > 0
    for beta in (0, 0.1, 1, 16):
        expected = -distortion - beta * rate
        assert torch.allclose(train.Priced(vae, beta).log_prob(images(4, 1)), expected)
    assert torch.allclose(train.Priced(vae, 1).log_prob(images(4, 1)), vae.log_prob(images(4, 1)))


def test_a_higher_price_trains_a_smaller_rate():
    """The wrapped model itself is trained, and the weighted sum is what falls."""
    found = {}
    for beta in (0.1, 10):
        torch.manual_seed(0)
        vae = bank.build("vae", {"shape": [3, 8, 8], "latents": 6, "hidden": 8, "blocks": 1})
        smooth = images(200, 0) // 8 + torch.arange(200, dtype=torch.uint8)[:, None, None, None]
        training.fit(train.Priced(vae, beta), smooth[:150], smooth[150:], steps=60, lr=1e-2, flip=False)
        found[beta] = train.rate_and_distortion(vae, smooth[150:])
    assert found[10]["rate"] < 0.8 * found[0.1]["rate"] and found[10]["distortion"] > found[0.1]["distortion"]


@pytest.mark.parametrize("beta", PRICED)
def test_rate_and_distortion_of_a_run_are_its_bound(beta):
    """In its card, for all images of a role; and of images that it is asked about now."""
    card = bank.card(PRICED[beta])
    for role in bank.ROLES:
        result = card["results"][role]
        total = (result["rate"] + result["distortion"]) / (3072 * np.log(2))
        assert total == pytest.approx(result["bits_per_dim"], abs=1.5e-4)
    net, few = bank.load(PRICED[beta]), data.load("leaves", "test").images[:40]
    with torch.no_grad():
        rate, distortion = net.rate_and_distortion(few)
    assert rate.min() > 0
    assert np.allclose((rate + distortion) / (3072 * np.log(2)), training.evaluate(net, few), rtol=1e-5)


def test_a_cheaper_rate_is_spent_and_every_run_is_best_at_its_own_price():
    assert list(PRICED) == sorted(PRICED) and 1 in PRICED
    for role in bank.ROLES:
        results = {beta: bank.card(name)["results"][role] for beta, name in PRICED.items()}
        rates, distortions = ([r[part] for r in results.values()] for part in ("rate", "distortion"))
        assert sorted(rates, reverse=True) == rates and sorted(distortions) == distortions
        for beta in PRICED:
            cost = {b: r["distortion"] + beta * r["rate"] for b, r in results.items()}
            assert min(cost, key=cost.get) == beta


# --- Members of ensembles, and backgrounds ---


def test_a_run_of_scores_only_keeps_no_weights_and_says_so(folder, monkeypatch):
    monkeypatch.setitem(RUNS, "tiny", (TINY_RUNS["tiny"][0] | recipes.SCORES_ONLY, *TINY_RUNS["tiny"][1:]))
    (folder / "tiny.pt").unlink()
    train.train("tiny", 1)
    assert state("tiny") == "there" and not (folder / "tiny.pt").exists()
    assert len(bank.stored("tiny")["outside"]) == 40
    with pytest.raises(ValueError, match="tiny keeps its scores only, which bank.stored gives"):
        bank.load("tiny")
    rewrite("tiny", code="another")
    assert confirm.confirm("tiny") == (False, "it keeps its scores only: train it")


class Seen(torch.nn.Module):
    """Remembers the images that it is asked about."""

    shape = (3, 8, 8)

    def log_prob(self, images, *, generator=None):
        self.images = images
        return images.flatten(1).sum(1) * 1.0


def test_a_background_model_sees_a_share_of_numbers_replaced():
    plain, seen = images(400, 1) // 2, Seen()  # below 128, so that half of the replacements show
    mutated = train.Mutated(seen, 0.2)
    mutated.train().log_prob(plain, generator=torch.Generator().manual_seed(3))
    first = seen.images
    assert (first >= 128).float().mean() == pytest.approx(0.1, abs=0.005)
    assert (first != plain).float().mean() == pytest.approx(0.2 * 255 / 256, abs=0.005)
    mutated.log_prob(plain, generator=torch.Generator().manual_seed(4))
    assert not torch.equal(seen.images, first), "other mutations at each step"
    mutated.eval().log_prob(plain)
    first = seen.images
    mutated.log_prob(plain)
    assert torch.equal(seen.images, first), "always the same ones in evaluation"


# --- The bench ---


TINY_CONTESTANTS = {
    "tiny PixelCNN": (TINY_RUNS["tiny"][0], None),
    "another": (TINY_RUNS["flow"][0], None),
}


def test_the_bench_in_small(monkeypatch, capsys):
    """Speeds, a race as long as the time allows, if only one step, and two ways to sample."""
    part = tiny_set("cifar10", "train")
    monkeypatch.setattr(data, "pair", lambda: data.Pair(part, part[:5], part, tiny_set("svhn", "test"), real=True))
    monkeypatch.setattr(bench, "CONTESTANTS", TINY_CONTESTANTS)
    monkeypatch.setattr(bench, "SAMPLED", TINY)
    monkeypatch.setattr(bench.joblib, "cpu_count", lambda: 1)
    bench.main(["--minutes", "0.0001"])
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith("  ")]
    assert [row.split("  ")[1].strip() for row in rows] == [*TINY_CONTESTANTS] * 2
    assert all("training" in row and "scoring" in row for row in rows[:2])
    assert all("AUROC" in row and "steps in" in row for row in rows[2:])
    assert "4 images of 8×8 from a PixelCNN: naive" in said


def test_the_bench_names_what_it_knows(capsys):
    for arguments in (["--only", "poem"], ["--minutes", "0"], ["--minutes", "nan"]):
        with pytest.raises(SystemExit):
            bench.main(arguments)
        assert "minutes are above 0" in (said := capsys.readouterr().err) and "Glow of chapter 05" in said


# --- The bank of today ---


@pytest.mark.parametrize("name", RUNS)
def test_the_bank_is_complete_and_of_today(name):
    """Every run is there, was trained by the code and the recipe that stand here, and can be loaded."""
    assert state(name) == "there", (
        f"make bank BANK={name}, or where scores stay: python -m tools.runs.bank --confirm {name}"
    )
    card = bank.card(name)
    if recipes.keeps_weights(name):
        assert sum(p.numel() for p in bank.load(name).parameters()) == card["parameters"]
    if card["model"] != "gaussian":
        assert len(bank.watched(name)[0]) == 9
    found = bank.stored(name)
    if card["model"] == "classifier":
        assert card["results"]["inside"]["accuracy"] > 0.55
        found = {role: 1 - torch.tensor(values).softmax(1).amax(1).numpy() for role, values in found.items()}
    else:
        for role, values in found.items():
            assert values.mean() == pytest.approx(card["results"][role]["bits_per_dim"], abs=1e-3)
    ranked, asked = np.sort(found["inside"]), found["outside"]
    counted = sum(np.searchsorted(ranked, asked, side) for side in ("left", "right")).mean() / 2 / len(ranked)
    assert counted == pytest.approx(card["results"]["auroc"], abs=6e-5), "AUROC by counting pairs"


def test_there_is_no_file_that_no_card_tells_of():
    cards = [bank.card(name) for name in RUNS]
    told = {f"{name}.{suffix}" for name in RUNS for suffix in ("json", "pt", "npz")}
    told -= {f"{card['name']}.pt" for card in cards if card["weights"] is None}
    assert {file.name for file in bank.FOLDER.iterdir()} == told | {bank.keys_path(card["keys"]).name for card in cards}


def test_the_bank_is_small():
    assert sum(file.stat().st_size for file in bank.FOLDER.iterdir()) < 40e6


if __name__ == "__main__":
    main(sys.argv[1])
