"""Points and hidden checks of A3. `student` answers from the submission's process, `master` is the solution."""

import functools
import io
import math
import zlib

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from likelab import bits, standin
from tools.course.assignment import hidden

VISIBLE = {"auroc": 1, "threshold": 1, "code": 1, "typical": 1, "leaks": 1, "choose": 1, "score": 1}
TEXTS = {"failure": 5}
GOOD = 0.85  # the AUROC that a score has to reach


def draw(seed):
    return np.random.default_rng(seed)


def agree(student, master, name, *arguments, tolerance=1e-5):
    """Assert that both give the same, shape for shape."""
    assert master.near(getattr(student, name)(*arguments), getattr(master, name)(*arguments), tolerance)


@functools.cache
def images(kind, cohort):
    """200 training and 60 test images of a stand-in that no student has seen."""
    made = torch.from_numpy(getattr(standin, kind)(260, 7_000_000 + cohort)[0])
    return made[:200], made[200:]


@hidden("auroc", 1, "Scores that are equal")
def equal_scores(student, master):
    inside, outside = (torch.from_numpy(draw(seed).integers(0, 4, size)).double() for seed, size in ((1, 30), (2, 50)))
    agree(student, master, "auroc", inside, outside)


@hidden("auroc", 1, "Sets of different sizes, and scores of any size and sign")
def scores_of_any_size(student, master):
    rng = draw(3)
    agree(student, master, "auroc", torch.from_numpy(rng.normal(0, 1, 70)), torch.from_numpy(rng.normal(-1, 2, 41)))
    agree(student, master, "auroc", torch.from_numpy(rng.normal(-9e5, 1, 9)), torch.from_numpy(rng.normal(-9e5, 2, 9)))
    agree(student, master, "auroc", *(torch.from_numpy(rng.normal(0, 1e-6, size)) for size in (30, 20)))


@hidden("threshold", 1, "Other shares, very small and very large")
def other_shares(student, master):
    scores = torch.from_numpy(draw(4).normal(0, 1, 200))
    for rate in (0.006, 0.05, 0.123, 0.5, 0.99):
        agree(student, master, "threshold", scores, rate)


@hidden("threshold", 1, "Equal scores: the share must not be passed by all of them together")
def equal_scores_at_the_threshold(student, master):
    scores = torch.from_numpy(draw(5).integers(0, 6, 100)).double()
    for rate in (0.3, 0.5, 0.8):
        agree(student, master, "threshold", scores, rate)


@hidden("code", 2, "Images of other shapes and contents: in which order do the bytes stand?")
def files_of_images(student, master):
    some, _ = images("leaves", master.COHORT)
    agree(student, master, "code_bits", some[:5])
    agree(student, master, "code_bits", torch.from_numpy(draw(6).integers(0, 9, (3, 1, 20, 12)).astype(np.uint8)))
    agree(student, master, "code_bits", some[5:9, :, :16])
    large = draw(6).integers(0, 3, (2, 3, 64, 64)).astype(np.uint8)  # here the compressor's level shows
    agree(student, master, "code_bits", torch.from_numpy(large))


@hidden("typical", 1, "Which centre, and bits below it as well as above")
def bits_on_both_sides(student, master):
    rng = draw(7)
    agree(student, master, "typicality", torch.from_numpy(rng.gamma(2, 1, 101)), torch.from_numpy(rng.gamma(2, 1, 40)))


def changes(known):
    """Images changed in each way, so that the cohort's way leads from them to the known ones."""
    brighter = (known.int() - 1).clamp(min=0).to(torch.uint8)  # a grey level brighter, it is the known one
    return {"turned": known.flip(2, 3), "brighter": brighter, "mirrored": known.flip(3), "colours": known.flip(1)}


def with_copies(master, changed):
    """A training set, and test images of which some are in it, as they are or changed."""
    train, test = images("plates", master.COHORT)
    known = train[:8].clone()
    return train, torch.cat([test[:6], changes(known)[master.COPY] if changed else known, test[6:9]])


@hidden("leaks", 1, "Images that are in the training set as they are")
def plain_copies(student, master):
    agree(student, master, "leaked", *with_copies(master, False))


@hidden("leaks", 1, "Images that came into the training set changed")
def changed_copies(student, master):
    agree(student, master, "leaked", *with_copies(master, True))


@hidden("leaks", 1, "Images that are only similar do not leak: equal means: in every number")
def near_copies(student, master):
    train, test = with_copies(master, True)
    test[6:10, 1, 5, 5] ^= 64
    test[10:14, 1] = test[10:14, 1].roll(1, 2)  # the same numbers, elsewhere
    agree(student, master, "leaked", train, test)
    known = train[20:23]
    others = [some for way, some in changes(known).items() if way != master.COPY]  # other ways do not count
    others += [known.rot90(quarters, (2, 3)) for quarters in (1, 3)]
    others += [known.flip(2), known.transpose(2, 3), test[:3], test[:3]]
    agree(student, master, "leaked", train, torch.cat(others))


@hidden("choose", 1, "Between equals the first is chosen, and no others are equal")
def equals(student, master):
    rng = draw(10)
    for _ in range(5):
        quarters = torch.from_numpy(rng.integers(1, 4, (8, 2)) / 4)
        close = torch.from_numpy(rng.uniform(0.7, 0.70002, (8, 2)))
        for validation in (quarters, close):
            agree(student, master, "report", validation, torch.from_numpy(rng.uniform(0, 1, (8, 2))))


@hidden("choose", 1, "Does the test have a say in which score is chosen? In which of the directions is it read?")
def choices(student, master):
    rng = draw(8)
    for shape in ((5, 2), (20, 3), (8, 6)):
        agree(student, master, "report", *(torch.from_numpy(rng.uniform(0, 1, shape)) for _ in range(2)))


def caught(student, master, kind, outside):
    """AUROC of the student's score, between the test images of `kind` and others."""
    train, test = images(kind, master.COHORT)
    inside, other = (torch.as_tensor(student.score(train, some)).double().numpy() for some in (test, outside))
    assert inside.shape == (len(test),) and other.shape == (len(outside),)
    return bits.auroc(master.TOWARD * inside, master.TOWARD * other)


OTHER_SETS = """
from likelab import bank, standin
bank.FOLDER /= "closed"  # its models were trained on other images
for each_name in ("leaves", "plates"):
    setattr(standin, each_name, lambda n, seed, draw=getattr(standin, each_name): draw(n, seed + 1))
"""


@hidden("score", 1, "A score depends on the training images and on its own image, on no other, not on the notebook's")
def alone_as_in_company(student, master):
    train, test = images("leaves", master.COHORT)
    together = torch.as_tensor(student.score(train, test[:12])).double()
    unit = min(1, together.abs().max().item()) or 1  # beside small scores, such as densities, a tolerance is large

    def same(some, again):
        return master.near(some / unit, torch.as_tensor(again).double() / unit, 1e-4)

    assert same(together[3:4], student.score(train, test[3:4]))
    with student.again(OTHER_SETS) as elsewhere:
        assert same(together, elsewhere.score(train, test[:12]))


@hidden("score", 1, "Both directions: Plates among Leaves, Leaves among Plates")
def both_directions(student, master):
    for inside, outside in (("leaves", "plates"), ("plates", "leaves")):
        assert caught(student, master, inside, images(outside, master.COHORT)[1]) >= GOOD


def to_images(values):
    return torch.from_numpy(values).round().clamp(0, 255).to(torch.uint8)


@hidden("score", 1, "Leaves with noise on them, Leaves whose contrast was taken down")
def noisy_and_flat_images(student, master):
    test = images("leaves", master.COHORT)[1].double().numpy()
    for changed in (test + draw(9).normal(0, 40, test.shape), 127.5 + 0.3 * (test - 127.5)):
        assert caught(student, master, "leaves", to_images(changed)) >= GOOD


def lengths(some):
    """Mean logarithm of the lengths of two files of each image. uint8 (N, 3, H, W) -> (N,)."""
    found = []
    for image in some.permute(0, 2, 3, 1).contiguous().numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        found.append(math.log(len(zlib.compress(image.tobytes(), 9)) * len(file.getvalue())) / 2)
    return np.array(found)


@functools.cache
def as_long(kind, spoilt_by, cohort):
    """Test images of `kind` that were blurred, then spoilt in so many pixels that their files are as long as before."""
    test, rng = images(kind, cohort)[1], draw(9)
    soft = ndimage.gaussian_filter(test.double().numpy(), (0, 0, 2, 2))
    if spoilt_by == "specks":
        spoilt, order = rng.integers(0, 256, test.shape), rng.uniform(0, 1, (len(test), 1, 32, 32))
    else:
        spoilt, from_middle = soft + rng.normal(0, 60, test.shape), np.abs(np.arange(32) - 15.5) / 16
        order = np.maximum(from_middle[:, None], from_middle)
    few, many = np.zeros((2, len(test), 1, 1, 1))
    many += 1
    for _ in range(8):
        share = (few + many) / 2
        made = to_images(np.where(order < share, spoilt, soft))
        longer = (lengths(made) > lengths(test))[:, None, None, None]
        few, many = np.where(longer, few, share), np.where(longer, share, many)
    return made


@hidden("score", 1, "Blurred Leaves with specks, of the same file length")
def specks(student, master):
    assert caught(student, master, "leaves", as_long("leaves", "specks", master.COHORT)) >= GOOD


@hidden("score", 1, "Blurred Leaves with a patch of noise, of the same file length")
def patches(student, master):
    assert caught(student, master, "leaves", as_long("leaves", "patch", master.COHORT)) >= GOOD


@hidden("score", 1, "Blurred Plates with specks or a patch of noise, of the same file length")
def plates_of_the_same_length(student, master):
    for spoilt_by in ("specks", "patch"):
        assert caught(student, master, "plates", as_long("plates", spoilt_by, master.COHORT)) >= GOOD
