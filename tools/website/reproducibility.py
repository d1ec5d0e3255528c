"""Write book/reproducibility.md from the bank's cards and the claims that the chapters' stored outputs state.

    python -m tools.website.reproducibility

What is measured is read, never typed; what was reported is quoted with its source. A verdict is computed: a row holds
a comparison of what is measured with what was reported, or has none and says so.
"""

import json
import re

import numpy as np

from likelab import files
from likelab.errors import DataError
from tools.chapter import chapters

CLOSE = 0.1  # bits/dim within which means count as the same
SIMILAR = 0.2  # part of a reported variance within which one counts as the same

GITHUB = "https://github.com"
NOTES = f"{GITHUB}/ameroyer/ameroyer.github.io/blob/6dea681d42ba9c41e81799e50bc070926f022dc6/src/content/posts/"
NOTES += "2019-05-06-do_deep_generative_models_know_what_they_dont_know.md"
SLIDES = f"{GITHUB}/enalisnick/enalisnick.github.io/blob/43b2118a9742d58fae4eab647b73b2e065c465e1/old_site/"
SLIDES += "Nalisnick_INNF_talk.pdf"

HEAD = f"""# Reproducibility

What the paper on the anomaly reports, row by row, and what this book measured. This page is written by
`tools/website/reproducibility.py` from the stored outputs of the chapters and the cards of the bank; no number in the
column *here* was typed. The paper is {{cite:t}}`nalisnick2019`.

**Read it with care.** On colour images the runs of this book saw at most 3,600 training images, on FashionMNIST and
MNIST 59,000 of the 60,000; the models are small, and trained for minutes, as the table of runs says. The paper trained
larger models on whole training sets. So absolute bits per dimension are expected to differ, and what counts is order
and sign. `make bank` makes the runs anew, from whatever copy of the data is there.

**Verdicts** are computed. A mean, or a difference of means, *agrees* if it is within {CLOSE} bits per dimension of the
reported one; a variance, if it is within {100 * SIMILAR:.0f} % of it. An order *agrees* if the means have it and the
AUROC is on its side of one half. *Not compared* is what this book states without a number, or did not attempt.

**Sources.** The paper itself could not be opened while this page was made. *Table*: a picture of the paper's table in
[Royer's notes of 2019]({NOTES}). *Notes*: the text of the same notes. *Slides*: histograms in
[a talk by the first author]({SLIDES}). *Memory*: not checked.

| | verdict | as reported | here | source |
|---|---|---|---|---|
"""


def measured():
    """All numbers by name: of the cards "glow.inside", "glow.gap", …, and of a claim a list, "07.13"."""
    values = {}
    for path in sorted((chapters.BOOK / "bank").glob("*.json")):
        result = json.loads(path.read_text("utf-8"))["results"]
        if "bits_per_dim" not in result["inside"]:
            continue  # a classifier's
        for role in ("train", "inside", "outside"):
            values[f"{path.stem}.{role}"] = result[role]["bits_per_dim"]
        values[f"{path.stem}.gap"] = result["inside"]["bits_per_dim"] - result["outside"]["bits_per_dim"]
        values[f"{path.stem}.overfit"] = result["inside"]["bits_per_dim"] - result["train"]["bits_per_dim"]
        values[f"{path.stem}.auroc"] = result["auroc"]
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as held:
            gaps = held["watched: inside"].mean(1) - held["watched: outside"].mean(1) if held["steps"].size else []
        values[f"{path.stem}.least gap"] = min(gaps[1:], default=np.nan)  # the first is before any training
    for number, (_, value) in claims().items():
        parts = [part.split(" ")[-1].replace(",", "").replace("−", "-") for part in value.split(", ")]
        values[number] = [float(part) for part in parts if re.fullmatch(r"-?[\d.]+(e-?\d+)?", part)]
    return values


def claims():
    """Claims by number, from the stored outputs: (statement, value)."""
    found = {}
    for path in chapters.paths():
        for cell in chapters.code_cells(chapters.read(path)):
            for output in cell.outputs:
                for line in re.findall(r"^Claim (.+)$", output.get("text", ""), re.M):
                    number, statement, value = re.fullmatch(r"(\d\d\.\d+) holds: (.*) — (.*)", line).groups()
                    found[number] = (statement, value)
    return found


def mean(name, reported):
    """A row about a mean in bits/dim, or a difference of means."""
    return f"{{{name}:.3f}} bits/dim", lambda v: abs(v[name] - reported) < CLOSE


def likelier(name):
    """A row about outside images that need fewer bits than inside images."""
    here = f"inside {{{name}.inside:.3f}}, outside {{{name}.outside:.3f}} bits/dim, AUROC {{{name}.auroc:.3f}}"
    return here, lambda v: v[f"{name}.gap"] > 0 and v[f"{name}.auroc"] < 0.5


def of_claim(number, condition):
    """A row about the numbers that a claim states: condition(list of them) tells whether they agree."""
    return f"{{{number}}}", lambda v: condition(v[number])


def not_compared(why):
    return why, None


# (what, as reported, source, (here, comparison or None))
ROWS = [
    ("Glow on FashionMNIST, its training images", "2.902 bits/dim", "table", mean("glow_fashionmnist.train", 2.902)),
    ("… FashionMNIST test images", "2.958 bits/dim", "table", mean("glow_fashionmnist.inside", 2.958)),
    ("… MNIST test images", "1.833 bits/dim", "table", mean("glow_fashionmnist.outside", 1.833)),
    ("Glow on MNIST, MNIST test images", "1.262 bits/dim", "table", mean("glow_mnist.inside", 1.262)),
    ("Glow on CIFAR-10, its training images", "3.386 bits/dim", "table", mean("glow.train", 3.386)),
    ("… CIFAR-10 test images", "3.464 bits/dim", "table", mean("glow.inside", 3.464)),
    ("… SVHN test images", "2.389 bits/dim", "table", mean("glow.outside", 2.389)),
    ("Glow on SVHN, SVHN test images", "2.057 bits/dim", "table", mean("glow_svhn.inside", 2.057)),
    ("The gap, CIFAR-10 to SVHN, Glow", "1.075 bits/dim", "table", mean("glow.gap", 1.075)),
    ("The gap, FashionMNIST to MNIST, Glow", "1.125 bits/dim", "table", mean("glow_fashionmnist.gap", 1.125)),
    ("Glow: SVHN likelier than CIFAR-10", "yes", "slides", likelier("glow")),
    ("Glow: MNIST likelier than FashionMNIST", "yes", "slides", likelier("glow_fashionmnist")),
    (
        "Glow: CIFAR-10 training and test images",
        "nearly the same histogram",
        "slides",
        ("test minus training {glow.overfit:.3f} bits/dim", lambda v: abs(v["glow.overfit"]) < CLOSE),
    ),
    ("VAE: SVHN likelier than CIFAR-10", "yes", "slides", likelier("vae")),
    ("PixelCNN: SVHN likelier than CIFAR-10", "yes", "slides", likelier("pixelcnn")),
    (
        "Histograms overlap most under the VAE",
        "yes",
        "slides",
        (
            "AUROC of VAE {vae.auroc:.3f}, PixelCNN {pixelcnn.auroc:.3f}, Glow {glow.auroc:.3f}; near ½ is overlap",
            lambda v: v["vae.auroc"] > max(v["pixelcnn.auroc"], v["glow.auroc"]),
        ),
    ),
    (
        "Trained on SVHN, CIFAR-10 is not preferred",
        "yes",
        "notes",
        (
            "inside {glow_svhn.inside:.3f}, outside {glow_svhn.outside:.3f} bits/dim, AUROC {glow_svhn.auroc:.3f}",
            lambda v: v["glow_svhn.gap"] < 0 and v["glow_svhn.auroc"] > 0.5,
        ),
    ),
    ("Glow with constant volume: SVHN likelier than CIFAR-10", "yes", "notes", likelier("glow_cv")),
    (
        "An ensemble does not cure it",
        "SVHN stays likelier",
        "notes",
        of_claim("07.13", lambda areas: max(areas) < 0.5),
    ),
    (
        "The effect along training",
        "present throughout",
        "memory",
        (
            "smallest gap at any evaluation: VAE {vae.least gap:.3f}, PixelCNN {pixelcnn.least gap:.3f}, "
            "Glow {glow.least gap:.3f} bits/dim",
            lambda v: min(v[f"{name}.least gap"] for name in ("vae", "pixelcnn", "glow")) > 0,
        ),
    ),
    (
        "Constant images are the likeliest",
        "yes",
        "memory",
        (
            "{07.11} against SVHN's {gaussian.outside:.2f}, {vae.outside:.2f}, {pixelcnn.outside:.2f}, "
            "{glow.outside:.2f} bits/dim, under Gaussian, VAE, PixelCNN and Glow",
            lambda v: all(
                constant < v[f"{name}.outside"]
                for constant, name in zip(v["07.11"], ("gaussian", "vae", "pixelcnn", "glow"), strict=True)
            ),
        ),
    ),
    ("Noise is the least likely", "yes", "memory", not_compared("claim 07.11 says so, without a number of noise")),
    (
        "VAE with importance sampling",
        "shows it",
        "memory",
        of_claim("07.14", lambda areas: max(areas) < 0.5),
    ),
    ("CelebA to SVHN", "SVHN likelier", "slides", not_compared("CelebA is not among the sets of this book")),
    ("ImageNet to CIFAR-10, CIFAR-100, SVHN", "all likelier", "slides", not_compared("nor is ImageNet")),
    (
        "The volume term brings most of SVHN's advantage",
        "yes",
        "notes",
        of_claim("08.1", lambda shares: min(shares) > 0.5),
    ),
    (
        "Constant volume: the volume is one number, the anomaly stays",
        "yes",
        "notes",
        of_claim("08.4", lambda areas: max(areas) < 0.5),
    ),
    (
        "CIFAR-10 with less contrast can pass SVHN",
        "yes",
        "memory",
        of_claim("09.5", lambda differences: max(differences) < 0),
    ),
    (
        "Variances of CIFAR-10 minus SVHN, by channel",
        "12.3, 6.5, 14.5",
        "memory",
        of_claim("09.3", lambda drops: np.allclose(drops[:3], (12.3, 6.5, 14.5), rtol=SIMILAR, atol=0)),
    ),
    (
        "The second-order expansion",
        "gives the sign",
        "notes",
        of_claim("09.1", lambda gaps: gaps[0] * gaps[1] > 0),
    ),
]


# The same of later papers, whose settings are others than ours: what they report is quoted for its direction.
LATER_ROWS = [
    (
        "One temperature repairs the calibration of a classifier on images like those in training",
        "yes",
        "{cite:t}`guo2017`",
        of_claim("01.4", lambda errors: errors[0] < 0.05),
    ),
    (
        "WAIC of an ensemble of Glows, CIFAR-10 to SVHN",
        "AUROC 1.00; 0.14 where others did it over",
        "{cite:t}`choi2018`, as quoted",
        of_claim("07.13", lambda areas: areas[-1] > 0.9),
    ),
    (
        "Input complexity is better than the size of the file alone, CIFAR-10 to SVHN",
        "0.950 against 0.923",
        "{cite:t}`serra2020`, as quoted",
        of_claim("11.1", lambda areas: areas[0] > areas[1]),
    ),
    (
        "Ratio to a background of mutated images, CIFAR-10 to SVHN",
        "AUROC about 0.93",
        "{cite:t}`ren2019`, from memory",
        of_claim("11.5", lambda areas: max(areas) > 0.9),
    ),
    (
        "Deep detectors lose more than kNN when fewer anomalies are known",
        "yes",
        "{cite:t}`skvara2018`",
        of_claim("12.3", lambda lost: lost[0] < min(lost[1:])),
    ),
    (
        "kNN is not beaten where few or no anomalies are known",
        "yes",
        "{cite:t}`skvara2018`",
        of_claim("12.2", lambda places: max(places[-5:]) == 1),
    ),
    (
        "Other units for the same images can turn the ranking of a density",
        "yes",
        "{cite:t}`lelan2021`",
        of_claim("13.1", lambda areas: areas[1] > areas[0] + 0.1),
    ),
]


def by_number(item):
    """Chapter and number of a claim: 07.2 before 07.10."""
    return [int(part) for part in item[0].split(".")]


def verdict(condition, values):
    if condition is None:
        return "not compared"
    return "agrees" if condition(values) else "**differs**"


def filled(here, values, stated):
    """The text of a row with the numbers that it asks for: "{glow.gap:.3f}" of a card, "{07.13}" of a claim."""
    here = re.sub(r"\{(\d\d\.\d+)\}", lambda m: f"{stated[m[1]][1]} (claim {m[1]})", here)
    return re.sub(r"\{([^:}]+):([^}]+)\}", lambda m: format(values[m[1]], m[2]), here)


def of_role(card, role):
    """What came out for a set of images, in a cell of the table of runs."""
    found = card["results"][role]
    if "bits_per_dim" in found:
        return f"{found['bits_per_dim']:.3f}"
    return f"{100 * found['accuracy']:.1f}\N{NO-BREAK SPACE}%" if "accuracy" in found else ""


def table(rows, values, stated):
    """The lines of a table of what was reported and what was found. Raises DataError as `page` does."""
    lines = []
    for what, reported, source, (here, condition) in rows:
        try:
            cells = (what, verdict(condition, values), reported, filled(here, values, stated), source)
        except KeyError as error:
            missing, remedy = error.args[0], "Run make execute for a claim, make bank for a run; then do this again."
            found = f"no claim {missing}" if missing[0].isdigit() else f"no {missing} in the bank"
            raise DataError.about("book/reproducibility.md", f"a row on {what!r}", found, remedy) from error
        lines.append(f"| {' | '.join(cells)} |\n")
    return lines


def page():
    """The page as text. Raises DataError where a run or a claim that a row needs is missing."""
    values, stated = measured(), claims()
    lines = [HEAD]
    lines += table(ROWS, values, stated)
    lines.append("\n## Later papers\n\n| | verdict | as reported | here | source |\n|---|---|---|---|---|\n")
    lines += table(LATER_ROWS, values, stated)
    lines.append(
        "\n## The runs of the bank\n\nIn bits per dimension; of a classifier its accuracy, and AUROC by confidence.\n\n"
    )
    lines.append("| run | trained on | inside | outside | AUROC | weights | steps | minutes | machine |\n")
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|---|\n")
    notes = {}  # what is said of runs: their names
    for path in sorted((chapters.BOOK / "bank").glob("*.json")):
        card = json.loads(path.read_text("utf-8"))
        steps = f"{card['recipe']['steps']:,}" if "steps" in card["recipe"] else "closed form"
        trained_on, _, cut = card["data"]["trained on"].removesuffix(" images").partition(" images, ")
        lines.append(
            f"| {path.stem} | {trained_on} | {of_role(card, 'inside')} | {of_role(card, 'outside')} "
            f"| {card['results']['auroc']:.3f} | {card['parameters']:,} | {steps} | {card['seconds'] / 60:.1f} "
            f"| {card['machine']} |\n"
        )
        for note in filter(None, (cut, card.get("note"))):
            notes.setdefault(note, []).append(f"`{path.stem}`")
    lines += [f"\n{', '.join(runs)}: {note.rstrip('.')}.\n" for note, runs in notes.items()]
    lines.append("\n## All claims\n\n| claim | statement | value |\n|---|---|---|\n")
    lines += [
        f"| {number} | {statement} | {value} |\n"
        for number, (statement, value) in sorted(stated.items(), key=by_number)
    ]
    return "".join(lines)


def main():
    files.write(chapters.BOOK / "reproducibility.md", page())
    print("book/reproducibility.md written")


if __name__ == "__main__":
    chapters.command(main)
