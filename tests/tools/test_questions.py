"""Questions people ask, and what running the book takes: messages as the code prints them, numbers as they are."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from likelab import bits, claims, data, download, training
from likelab.models.gaussian import Gaussian
from likelab.models.glow import ActNorm, Conv1x1, Glow
from likelab.models.vae import to_grey_levels
from tools.chapter import chapters, run_chapters, setup_cell

QUESTIONS = (chapters.BOOK / "questions.md").read_text("utf-8")
RUNNING = (chapters.BOOK / "running.md").read_text("utf-8")
SHOWN = re.findall(r"^```text\n(.*?)\n```$", QUESTIONS, re.M | re.S)  # the messages of the page
IMAGES = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)


class Breaks(nn.Module):
    """Gives NaN from a call on, as a model whose training breaks."""

    def __init__(self, call):
        super().__init__()
        self.weight, self.calls, self.call = nn.Parameter(torch.zeros(())), 0, call

    def log_prob(self, images, *, draws=1, generator=None):
        self.calls += self.training
        broken = self.calls > self.call if self.training else self.call > 9
        return self.weight.expand(len(images)) + (float("nan") if broken else 0)


def trained(call):
    training.fit(Breaks(call), IMAGES, IMAGES, steps=100, batch_size=2, lr=5e-3, evaluations=2)


def started(model):
    model.initialise(torch.randint(0, 256, (8, 3, 8, 8), dtype=torch.uint8))
    return model


def started_twice():
    model = started(Glow((3, 8, 8), (1,), 4))
    with pytest.warns(UserWarning) as told:
        started(model)
    raise told[0].message


def singular():
    mix = Conv1x1(2)
    mix.weight.data.zero_()
    mix.inverse_and_log_det(torch.zeros(1, 2, 1, 1))


def left_the_range():
    model = started(Glow((3, 8, 8), (1,), 4))
    next(model.parameters()).data.fill_(float("inf"))
    model.sample(1)


def waiting(capsys, tmp_path, monkeypatch):
    lock = SimpleNamespace(acquire=lambda timeout=None: timeout and throw(download.filelock.Timeout("")), release=int)
    monkeypatch.setattr(download.filelock, "FileLock", lambda path: lock)
    with download._alone(tmp_path / "lock"):
        raise RuntimeError(capsys.readouterr().err.strip())


def throw(error):
    raise error


def paired(value, monkeypatch):
    monkeypatch.setenv("LIKELAB_PAIR", value)
    data.pair.__wrapped__()


def placed(folder, monkeypatch):
    monkeypatch.setenv("LIKELAB_DATA", str(folder))
    data.folder()


def set_up(folder, monkeypatch, release):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    exec(setup_cell.source().replace(f'"{setup_cell.version()}"', f'"{release}"'), {})


RAISED = {
    "the loss became nan": lambda: trained(3),
    "no evaluation in": lambda: trained(200),
    "there is no grey level": lambda: to_grey_levels(torch.tensor([float("nan")])),
    "decoding has left": left_the_range,
    "a 1×1 convolution": singular,
    "3 of 10 outside": lambda: bits.auroc(torch.zeros(5), torch.cat([torch.zeros(7), torch.full((3,), torch.nan)])),
    "actnorm was never": lambda: ActNorm(3).forward_and_log_det(IMAGES.float()),
    "this Glow was": started_twice,
    "images must be uint8": lambda: Gaussian().log_prob(torch.zeros(1, 3, 32, 32)),
    "images must have": lambda: Gaussian().log_prob(torch.zeros(3, 32, 32, dtype=torch.uint8)),
    "images have shape": lambda: Gaussian().log_prob(torch.zeros(1, 1, 28, 28, dtype=torch.uint8)),
    "3 levels halve": lambda: Glow((1, 28, 28)),
    "…: expected the folder": lambda tmp_path, monkeypatch: placed(tmp_path / "none", monkeypatch),
    "LIKELAB_PAIR: expected": lambda monkeypatch: paired("both", monkeypatch),
    "Another process is": waiting,
    "likelab is not beside": lambda tmp_path, monkeypatch: set_up(tmp_path, monkeypatch, "1"),
    "This notebook is of": lambda monkeypatch: set_up(chapters.BOOK, monkeypatch, "0"),
    "Claim 07.2 does not": lambda: claims.check("07.2", "A claim that fails", {"AUROC": 0.5}, False),
}


def test_every_message_of_the_page_is_raised_here():
    begins = {message: [begin for begin in RAISED if message.startswith(begin)] for message in SHOWN}
    assert all(len(found) == 1 for found in begins.values()) and len(SHOWN) == len(RAISED), begins


@pytest.mark.filterwarnings("ignore:validation is nan")
@pytest.mark.parametrize("begin", RAISED)
def test_a_message_of_the_page_is_what_the_code_prints(begin, request):
    shown = next(message for message in SHOWN if message.startswith(begin))
    action = RAISED[begin]
    names = action.__code__.co_varnames[: action.__code__.co_argcount]
    given = {name: request.getfixturevalue(name) for name in names}
    with pytest.raises(Exception) as raised:
        action(**given)
    pattern = ".*".join(map(re.escape, shown.split("…")))  # "…" stands for what differs
    assert re.match(pattern, str(raised.value)), f"shown: {shown}\nprinted: {raised.value}"


def test_each_question_of_our_own_names_its_thread():
    own = re.findall(r"^% own: (.*)$", QUESTIONS, re.M)
    assert len(own) > 40
    assert [line for line in own if not re.fullmatch(r"[\w.-]+/[\w.-]+ \d+(, [\w.-]+/[\w.-]+ \d+)*", line)] == []


def test_questions_are_asked_once():
    asked = re.findall(r"^### (.*)$", QUESTIONS, re.M)
    assert len(asked) == len(set(asked)) > 80


def test_minutes_and_memory_of_every_chapter():
    rows = re.findall(r"^\| (\d\d) \| ([\d.]+) \| (\d+) \|$", RUNNING, re.M)
    assert [row[0] for row in rows] == [path.name[:2] for path in chapters.paths()]
    assert max(float(minutes) for _, minutes, _ in rows) <= 4 and sum(float(row[1]) for row in rows) <= 35
    assert max(int(peak) for *_, peak in rows) <= run_chapters.MEMORY_LIMIT
    assert f"more than {run_chapters.MEMORY_LIMIT:,} MiB" in RUNNING


def test_sizes_of_the_sets_are_those_of_the_published_files():
    told = re.findall(r"^\| (\S+(?:, \w+)?) \| `.*\| (\d+) \|$", RUNNING, re.M)
    begins = {"CIFAR-10": "cifar-10-binary", "SVHN, test": "svhn/test", "SVHN, training": "svhn/train"}
    begins |= {"MNIST": "MNIST", "FashionMNIST": "FashionMNIST"}
    files = {path: size for path, (size, _) in download.CHECKSUMS.items() if path.endswith((".gz", ".mat"))}
    megabytes = {
        name: round(sum(size for path, size in files.items() if path.startswith(begin)) / 1e6)
        for name, begin in begins.items()
    }
    assert dict(told) == {name: str(size) for name, size in megabytes.items()}
    assert all(f"`{name}`" in RUNNING for name in data.SOURCES)
