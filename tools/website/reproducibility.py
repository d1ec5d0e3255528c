"""Write book/reproducibility.md from the bank's cards and the claims that the chapters' stored outputs state.

    python -m tools.website.reproducibility

What is measured is read, never typed; what was reported is quoted with its certainty. A verdict is computed: a row
holds a condition on the measured values.
"""

import json
import re

from likelab import files
from tools.chapter import chapters

CERTAINTY = {
    "notes": "quoted in later notes",
    "memory": "from memory, not checked",
    "slides": "read off the author's slides",
    "post": "told in a later post",
}
CLOSE = 0.1  # bits/dim within which a mean counts as the same

HEAD = """# Reproducibility

What the paper {cite:p}`nalisnick2019` reports, and what this book measured. This page is written by
`tools/website/reproducibility.py` from the stored outputs of the chapters and the cards of the bank; no number in the
column *here* was typed.

**Read it with care.** The runs of this book saw at most 3,600 training images, small models and minutes on a CPU; the
paper's saw 50,000 and more, and trained for days. So absolute bits per dimension are expected to differ, and what
counts is order and sign. A mean *agrees* if it is within {close} bits per dimension of the reported one.
`make bank` makes the runs anew, from the first 4,000 images of whatever copy of the data is there. The tables of the
paper could not be opened while this page was made; the last column says where a value comes from.

| | verdict | as reported | here | certainty |
|---|---|---|---|---|
"""


def cards():
    """Values of all cards by dotted name: "glow.inside", "glow.gap", "glow.auroc"."""
    values = {}
    for path in sorted((chapters.BOOK / "bank").glob("*.json")):
        result = json.loads(path.read_text("utf-8"))["results"]
        for role in ("train", "inside", "outside"):
            values[f"{path.stem}.{role}"] = result[role]["bits_per_dim"]
        values[f"{path.stem}.gap"] = result["inside"]["bits_per_dim"] - result["outside"]["bits_per_dim"]
        values[f"{path.stem}.overfit"] = result["inside"]["bits_per_dim"] - result["train"]["bits_per_dim"]
        values[f"{path.stem}.auroc"] = result["auroc"]
    return values


def claims():
    """Claims by number, from the stored outputs: (statement, value)."""
    found = {}
    for path in chapters.paths():
        for cell in chapters.code_cells(chapters.read(path)):
            for output in cell.outputs:
                for line in re.findall(r"^Claim (.+)$", output.get("text", ""), re.M):
                    number, statement, value = re.fullmatch(r"(\d\d\.\d+) holds: (.*) \((.*?)\)", line).groups()
                    found[number] = (statement, value)
    return found


def mean(name, reported):
    """A row about a mean in bits/dim."""
    return f"{{{name}:.3f}} bits/dim", lambda v: abs(v[name] - reported) < CLOSE


def likelier(name):
    """A row about outside images that need fewer bits than inside images."""
    here = f"inside {{{name}.inside:.3f}}, outside {{{name}.outside:.3f}} bits/dim, AUROC {{{name}.auroc:.3f}}"
    return here, lambda v: v[f"{name}.gap"] > 0 and v[f"{name}.auroc"] < 0.5


def claim(number):
    """A row that a claim decides: claims hold, or the chapter would have stopped."""
    return f"claim {number}", lambda v: True


def missing(why):
    return f"not attempted: {why}", None


# (what, as reported, certainty, (here, condition))
ROWS = [
    ("Glow on FashionMNIST, its training images", "2.902 bits/dim", "memory", mean("glow_fashionmnist.train", 2.902)),
    ("… FashionMNIST test images", "2.958 bits/dim", "memory", mean("glow_fashionmnist.inside", 2.958)),
    ("… MNIST test images", "1.833 bits/dim", "memory", mean("glow_fashionmnist.outside", 1.833)),
    ("Glow on MNIST, MNIST test images", "1.262 bits/dim", "memory", mean("glow_mnist.inside", 1.262)),
    ("Glow on CIFAR-10, its training images", "3.386 bits/dim", "memory", mean("glow.train", 3.386)),
    ("… CIFAR-10 test images", "3.46 bits/dim", "notes", mean("glow.inside", 3.464)),
    ("… SVHN test images", "2.39 bits/dim", "notes", mean("glow.outside", 2.389)),
    ("Glow on SVHN, SVHN test images", "2.057 bits/dim", "memory", mean("glow_svhn.inside", 2.057)),
    ("The gap, CIFAR-10 to SVHN, Glow", "1.08 bits/dim", "notes", mean("glow.gap", 1.075)),
    ("The gap, FashionMNIST to MNIST, Glow", "1.13 bits/dim", "memory", mean("glow_fashionmnist.gap", 1.125)),
    ("Glow: SVHN likelier than CIFAR-10", "yes, clearly apart", "slides", likelier("glow")),
    ("Glow: MNIST likelier than FashionMNIST", "yes", "slides", likelier("glow_fashionmnist")),
    (
        "Glow: CIFAR-10 training and test images",
        "nearly the same histogram",
        "slides",
        ("test minus training {glow.overfit:.3f} bits/dim", lambda v: abs(v["glow.overfit"]) < CLOSE),
    ),
    ("VAE: SVHN likelier than CIFAR-10", "yes, much overlap", "slides", likelier("vae")),
    ("PixelCNN: SVHN likelier than CIFAR-10", "yes, a clear shift", "slides", likelier("pixelcnn")),
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
        "post",
        (
            "inside {glow_svhn.inside:.3f}, outside {glow_svhn.outside:.3f} bits/dim, AUROC {glow_svhn.auroc:.3f}",
            lambda v: v["glow_svhn.auroc"] > 0.5,
        ),
    ),
    ("Glow with constant volume: SVHN likelier than CIFAR-10", "yes", "post", likelier("glow_cv")),
    ("An ensemble does not cure it", "yes", "post", claim("07.13")),
    ("The effect along training", "present throughout", "memory", claim("07.12")),
    ("Constant images are the likeliest, noise the least likely", "yes", "memory", claim("07.11")),
    ("VAE with importance sampling", "shows it", "memory", claim("07.14")),
    ("CelebA to SVHN", "SVHN likelier", "slides", missing("CelebA is not among the sets of this book")),
    ("ImageNet to CIFAR-10, CIFAR-100, SVHN", "all likelier", "slides", missing("ImageNet is not among them either")),
    ("The volume term brings most of SVHN's advantage", "yes", "post", claim("08.1")),
    ("Constant volume: the volume is one number, the anomaly stays", "yes", "post", claim("08.4")),
    ("Less contrast raises the likelihood", "yes", "memory", claim("09.5")),
    ("Variances of CIFAR-10 minus SVHN, by channel", "12.3, 6.5, 14.5", "memory", claim("09.3")),
    ("The second-order expansion", "gives the sign", "post", claim("09.1")),
]


def by_number(item):
    """Chapter and number of a claim: 07.2 before 07.10."""
    return [int(part) for part in item[0].split(".")]


def page():
    """The page as text. Raises KeyError where a run or a claim that a row needs is missing."""
    values, stated = cards(), claims()
    lines = [HEAD.replace("{close}", str(CLOSE))]
    for what, reported, certainty, (here, condition) in ROWS:
        if here.startswith("claim "):
            number = here.removeprefix("claim ")
            here = f"{stated[number][1]} (claim {number})"
        else:
            here = re.sub(r"\{([^:}]+):([^}]+)\}", lambda m: format(values[m[1]], m[2]), here)
        verdict = "–" if condition is None else "agrees" if condition(values) else "**differs**"
        lines.append(f"| {what} | {verdict} | {reported} | {here} | {CERTAINTY[certainty]} |\n")
    lines.append("\n## The runs of the bank\n\nOne thread of a CPU each, unless it says otherwise.\n\n")
    lines.append("| run | trained on | weights | steps | minutes | machine |\n|---|---|---|---|---|---|\n")
    for path in sorted((chapters.BOOK / "bank").glob("*.json")):
        card = json.loads(path.read_text("utf-8"))
        steps = f"{card['recipe']['steps']:,}" if "steps" in card["recipe"] else "closed form"
        lines.append(
            f"| {path.stem} | {card['data']['trained on']} | {card['parameters']:,} | {steps} "
            f"| {card['seconds'] / 60:.1f} | {card['machine']} |\n"
        )
    notes = {
        c["note"] for p in sorted((chapters.BOOK / "bank").glob("*.json")) if "note" in (c := json.loads(p.read_text()))
    }
    lines += [f"\n`glow_svhn`: {note}\n" for note in notes]
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
