# %% [markdown]
# # A3 · Catch it if you can
#
# A density model finds house numbers likelier than the photographs it was trained on. So does a program that was never trained at all, the one that makes files smaller. In this assignment you build a score that catches what likelihood misses, and you evaluate it so that a stranger would believe you: tuned on what may be seen, tested once, in both directions, and on images that were made to break it.
#
# <div class="admonition tip">
# <p class="admonition-title"><strong>You will</strong></p>
#
# - measure a detector by its AUROC and by a threshold, and know which end of a score is the anomalous one (chapter 07);
# - compare it with the size of a file, the baseline that costs nothing (chapters 10 and 11);
# - find test images that were seen in training, and choose between scores without looking at the test;
# - design an anomaly score under rules, and explain where it fails (chapter 11).
#
# **Time** three to six hours, most of them for the score. **Needs** chapters 07, 10 and 11. **Points** 25 for code, marked by a program, and 5 for a text, marked by a person. **Cohort** @COHORT@: images and the conventions in bold type are this cohort's own.
#
# </div>
#
# **How it is marked.** Every item has a visible check, which stands below it and carries points, and hidden checks, which carry the rest. Each answer is marked alone, so call none of your other answers from it. Arguments that are arrays of numbers are torch tensors, and they must stay as they are. What you give back may be a tensor, a NumPy array or numbers. A call may take five seconds.
#
# **What help is allowed.** The book, papers, the documentation of libraries, and talking with others about ideas. You may ask a language model to explain a concept or an error message; you may not hand in code or text that it wrote, and you name in the last cell what you asked it. You must be able to explain every line.

# %% tags=["setup"]

# %% tags=["given:tools"]
import zlib

import torch

from likelab import standin


def near(answer, expected, tolerance=1e-5):
    """Whether an answer has the shape and the values that are expected."""
    answer, expected = (torch.as_tensor(value).detach().double() for value in (answer, expected))
    return answer.shape == expected.shape and torch.allclose(answer, expected, rtol=tolerance, atol=tolerance)


# %% [markdown]
# The images are the book's synthetic stand-ins, drawn anew for your cohort: *Leaves* in the part of photographs, *Plates* in the part of house numbers. What you are marked with are others of the same kind.

# %% tags=["given:images"]
leaves, plates = (torch.from_numpy(draw(300, COHORT)[0]) for draw in (standin.leaves, standin.plates))
train, validation, test = leaves[:200], leaves[200:250], leaves[250:]

# %% [markdown]
# Here is a likelihood to begin with, the simplest that knows of neighbours: how often each difference between a pixel and its left neighbour occurs.


# %% tags=["given:likelihood"]
def difference_bits(train, images):
    """Bits per difference of each image, by the frequencies of differences in `train`.

    (M, C, H, W), (N, …) -> (N,)
    """

    def differences(some):
        return some[..., 1:].int() - some[..., :-1].int() + 255

    counts = torch.bincount(differences(train).flatten(), minlength=511).double() + 1
    return -torch.log2(counts / counts.sum())[differences(images)].mean((1, 2, 3))


# %% [markdown]
# ## Measure
#
# ### 1 · AUROC (3 points)
#
# In this cohort **anomalies are expected to have the @ANOMALOUS@ score**. Give the probability that an outside image and an inside image, drawn at random, are told apart the right way round; where both have the same score, that **@TIES_WORDS@**.


# %% tags=["item:auroc"]
def auroc(inside, outside):
    """Probability that an outside score is the more anomalous one; for ties see above.

    (N,), (M,) -> a number
    """
    # BEGIN SOLUTION
    difference = outside.double()[:, None] - inside.double()[None]
    difference = difference if ANOMALOUS == "higher" else -difference
    return float(((difference > 0).double() + TIES * (difference == 0).double()).mean())
    # END SOLUTION


# %% tags=["check:auroc"]
answer = auroc(torch.tensor([1.0, 5.0]), torch.tensor([4.0, 6.0]))
assert near(answer, THREE_OF_FOUR), "of the four pairs, three have the outside score above the inside score"

# %% [markdown]
# ### 2 · A threshold (3 points)
#
# An alarm needs a threshold, and the rule for it must not look at anomalies. Take the scores of validation images, all inside. There is an alarm where a score is **@ALARM_WORDS@** the threshold, on the side of the anomalies. The threshold is one of the validation scores: of those that give an alarm @RULE_WORDS@, the one that gives the most alarms on the validation images.


# %% tags=["item:threshold"]
def threshold(validation_scores, rate):
    """The score that decides on an alarm. (N,), a share -> a number."""
    # BEGIN SOLUTION
    ordered = torch.sort(TOWARD * validation_scores.double()).values
    slack = -1e-12 if RULE == "under, beyond" else 1e-12
    for candidate in ordered.unique():
        alarms = ordered >= candidate if RULE == "at most, at" else ordered > candidate
        if alarms.double().mean() <= rate + slack:
            return TOWARD * float(candidate)
    # END SOLUTION


# %% tags=["check:threshold"]
scores_of_ten = torch.tensor([3.0, 1.0, 2.0, 4.0, 7.0, 6.0, 5.0, 9.0, 8.0, 10.0])
assert near(threshold(scores_of_ten, 0.2), CUT), "a share of two in ten"

# %% [markdown]
# ## The baseline that costs nothing
#
# ### 3 · The size of a file (3 points)
#
# Compress each image alone by `zlib.compress(…, 9)` and give the bits of the result for each of the image's numbers. The bytes are the grey levels, **@LAYOUT_WORDS@**.


# %% tags=["item:code"]
def code_bits(images):
    """Bits of each compressed image for each of its numbers.

    uint8 (N, C, H, W) -> (N,)
    """
    # BEGIN SOLUTION
    places = {"rows of pixels": (0, 2, 3, 1), "planes": (0, 1, 2, 3), "columns of pixels": (0, 3, 2, 1)}[LAYOUT]
    laid_out = images.permute(*places).contiguous().numpy()
    lengths = [len(zlib.compress(image.tobytes(), 9)) for image in laid_out]
    return torch.tensor(lengths, dtype=torch.float64) * 8 / images[0].numel()
    # END SOLUTION


# %% tags=["check:code"]
empty = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
assert near(code_bits(empty), [8 * len(zlib.compress(bytes(192), 9)) / 192]), "a black image"

# %% [markdown]
# ### 4 · How typical (2 points)
#
# A first remedy: an image is strange if its bits are unusual, whether they are few or many. Give the distance of each image's bits from **@CENTRE_WORDS@**, larger for stranger images.


# %% tags=["item:typical"]
def typicality(train_bits, bits):
    """Distance of bits (N,) from the centre of the training images' (M,). -> (N,)"""
    # BEGIN SOLUTION
    if CENTRE == "midpoint":
        middle = (train_bits.min() + train_bits.max()) / 2
    else:
        middle = train_bits.double().mean() if CENTRE == "mean" else train_bits.double().quantile(0.5)
    return (bits - middle).abs()
    # END SOLUTION


# %% tags=["check:typical"]
of_training = torch.tensor([1.0, 1.0, 1.0, 5.0, 2.0], dtype=torch.float64)
assert near(typicality(of_training, torch.tensor([6.0], dtype=torch.float64)), [AWAY]), "the distance from the centre"

# %% [markdown]
# ## Honesty
#
# ### 5 · What was seen before (4 points)
#
# Some images of a test set were seen in training, as they are or changed. A test image leaks if an image of `train` equals it in every number, or equals it **@COPY_WORDS@**. Find those that leak.


# %% tags=["item:leaks"]
def leaked(train, test):
    """Which test images were seen in training.

    uint8 (M, C, H, W), (N, C, H, W) -> bool (N,)
    """
    # BEGIN SOLUTION
    copies = {
        "turned": lambda some: some.flip(2, 3),
        "brighter": lambda some: (some.int() + 1).clamp(max=255).to(torch.uint8),
        "mirrored": lambda some: some.flip(3),
        "colours": lambda some: some.flip(1),
    }
    known = {image.numpy().tobytes() for image in train.contiguous()}
    also = copies[COPY](test).contiguous()
    pairs = zip(test.contiguous(), also, strict=True)
    return torch.tensor([bool({a.numpy().tobytes(), b.numpy().tobytes()} & known) for a, b in pairs])
    # END SOLUTION


# %% tags=["check:leaks"]
mixed = torch.cat([leaves[250:253], leaves[7:8]])
assert near(leaked(train, mixed), [0, 0, 0, 1]), "the fourth image is in the training set as it is"

# %% [markdown]
# ### 6 · Choose, then test (3 points)
#
# You have tried `K` scores in `D` directions (Leaves against Plates, Plates against Leaves, …). `validation` and `test`, both (K, D), hold their AUROCs on validation and on test images. Choose the score that does best on validation images **@CHOICE_WORDS@**, and report of this one, on test images, the AUROC **@CHOICE_WORDS@**. Between equals the first is chosen.


# %% tags=["item:choose"]
def report(validation, test):
    """The test AUROC that may be reported, of the score that validation images choose.

    (K, D), (K, D) -> a number
    """
    # BEGIN SOLUTION
    summary = {
        "worst": lambda table: table.min(1).values,
        "mean": lambda table: table.mean(1),
        "middle": lambda table: (table.min(1).values + table.max(1).values) / 2,
    }[CHOICE]
    return float(summary(test)[int(summary(validation).argmax())])
    # END SOLUTION


# %% tags=["check:choose"]
on_validation = torch.tensor([[0.9, 0.2], [0.8, 0.7]], dtype=torch.float64)
on_test = torch.tensor([[0.99, 0.95], [0.5, 0.6]], dtype=torch.float64)
assert near(report(on_validation, on_test), REPORT), "the second score is chosen, whatever the test says"

# %% [markdown]
# ## The score
#
# ### 7 · Catch it (7 points)
#
# Design an anomaly score. The rules:
#
# - it sees the training images, all inside, and nothing else: no outside image, no label, no test image but the one that it scores, no model trained on other images, as those of the book's bank are;
# - so the score of an image depends neither on which other images are scored with it nor on any other image of this notebook, nor on chance (fix the seed of what you draw). The program tries that: it runs your notebook once more, with other images in place of these;
# - choose between ideas on `validation`, and on images that you make from it; `plates` and `test` are for one look at the end;
# - the same function is marked with *Leaves* inside and with *Plates* inside, on images that it has not seen;
# - **an anomaly has the @ANOMALOUS@ score**.
#
# What it has to catch, each with an AUROC of 0.85:
#
# | | points |
# |---|---|
# | *Plates* among *Leaves* (the visible check: most of them) | 1 |
# | the rules are kept | 1 |
# | *Plates* among *Leaves*, and *Leaves* among *Plates* | 1 |
# | among *Leaves*: *Leaves* with noise (standard deviation 40 grey levels), and *Leaves* with three tenths of their contrast | 1 |
# | among *Leaves*: *Leaves* that were blurred, then covered with specks until their files were as long as before | 1 |
# | among *Leaves*: *Leaves* that were blurred, then given a patch of noise until their files were as long as before | 1 |
# | among *Plates*: *Plates* treated in these last two ways | 1 |
#
# The distance of a file's length from the usual (items 3 and 4) is a better score than one would think, and the last three rows were made to break it.


# %% tags=["item:score"]
def score(train, images):
    """How anomalous each image is, for one who knows `train`.

    uint8 (M, C, 32, 32), (N, C, 32, 32) -> (N,)
    """

    # BEGIN SOLUTION
    def features(some):
        y = some.double() / 255
        across, down = (y.diff(dim=axis).abs().flatten(1) for axis in (3, 2))
        parts = [across.mean(1), down.mean(1), across.median(1).values, down.median(1).values]
        parts += [(y[:, a] - y[:, b]).flatten(1).std(1) for a, b in ((0, 1), (2, 1))]
        for _ in range(4):  # an octave, and what is left of the image
            coarse = torch.nn.functional.avg_pool2d(y, 2)
            parts.append((y - torch.nn.functional.interpolate(coarse, scale_factor=2)).flatten(1).std(1))
            y = coarse
        return torch.log(torch.stack([*parts, y.flatten(1).std(1)], 1) + 2e-3)

    known, asked = features(train), features(images)
    away = asked - known.mean(0)
    inverse = torch.linalg.inv(torch.cov(known.T) + 1e-6 * torch.eye(known.shape[1], dtype=torch.float64))
    squared = (away @ inverse * away).sum(1)
    return squared if ANOMALOUS == "higher" else -squared
    # END SOLUTION


# %% tags=["check:score"]
of_test = torch.as_tensor(score(train, test)).double()
assert of_test.shape == (50,) and of_test.isfinite().all(), "one finite number an image"
of_plates = torch.as_tensor(score(train, plates[:50])).double()
assert LOWER.median() < HIGHER.median(), "most Plates should look anomalous"

# %% [markdown]
# ## In words
#
# ### 8 · Where it fails (5 points, marked by a person)
#
# Find images that your score does not catch, or inside images that it wrongly calls anomalous, and explain in 200 to 400 words why, as a cause and not as a number. Say which assumption of the score is broken, what you would have to know about the anomalies to repair it, and what that knowledge would cost in the other direction. Two points for a failure that is shown, two for a cause that could be refuted (say by which experiment), one for the price of the repair.

# %% [markdown] tags=["text:failure"]
# *Write here, in place of this line.*

# %% [markdown]
# ### Help that you used
#
# Name the people you talked with and the programs you asked, and what for. This does not cost points.

# %% [markdown] tags=["text:help"]
# *Write here, in place of this line.*
