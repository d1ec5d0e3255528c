"""What the bank's runs are made from, and whether what is stored was made from it."""

import ast
import hashlib
import json

from likelab import bank, data
from likelab.errors import DataError
from tools.chapter import chapters, digests

# Recipes of the chapters, with more steps. The first seed of a model trains longer than the others.
VAE = {"model": "vae", "architecture": {}, "batch_size": 8, "lr": 2e-3}
PIXELCNN = {"model": "pixelcnn", "architecture": {}, "batch_size": 4, "lr": 5e-3}
GLOW = {"model": "glow", "architecture": {"steps": [12, 6, 4], "hidden": 48}, "batch_size": 16, "lr": 5e-3}
CONSTANT_VOLUME = {"affine": False, "sigma": 1.0, "activation": "SiLU"}
GLOW_CV = GLOW | {"architecture": GLOW["architecture"] | CONSTANT_VOLUME, "lr": 3e-3}
FIXED_PRIOR = GLOW | {"architecture": GLOW["architecture"] | {"hidden": 32, "sigma": 1.0}}  # affine, as in the paper
# FashionMNIST and MNIST, which are small enough to be learned whole: of all their images all but 1,000 are trained on.
WHOLE = {"images": 60_000, "tested": 10_000}
GREY_GLOW = GLOW | WHOLE | {"architecture": {"shape": [1, 28, 28], "steps": [8, 8], "hidden": 48}, "batch_size": 32}
GREY_GLOW_CV = GREY_GLOW | {"architecture": GREY_GLOW["architecture"] | CONSTANT_VOLUME, "lr": 3e-3}
GREY_PIXELCNN = PIXELCNN | WHOLE | {"architecture": {"shape": [1, 28, 28]}, "batch_size": 16, "lr": 4e-3}
GREY_VAE = VAE | WHOLE | {"architecture": {"shape": [1, 28, 28], "latents": 16}, "batch_size": 32}
LOCAL = PIXELCNN | {"model": "pixelcnn_local"}
WIDE = PIXELCNN | {"architecture": {"blocks": 16}, "lr": 2e-3}  # sees 18 rows up, where PixelCNN sees 5
PRICED_VAE = VAE | {"architecture": {"hidden": 16, "blocks": 1}}  # small: there are several of them
CLASSIFIER = {"model": "classifier", "architecture": {}, "batch_size": 64, "lr": 0.1, "decay": 5e-4}
DIFFUSION = {"model": "diffusion", "architecture": {}, "batch_size": 32, "lr": 3e-3}
SMALL_DIFFUSION = DIFFUSION | {"architecture": {"hidden": 48, "wide": 48}}
GREY_DIFFUSION = SMALL_DIFFUSION | WHOLE | {"architecture": {"shape": [1, 28, 28], "hidden": 48, "wide": 48}}
GAUSSIAN = {"model": "gaussian", "architecture": {}, "ridges": [0.5, 1, 1.5, 2, 3]}  # the best on validation images

# Trained on the first, asked about the second.
CIFAR, LEAVES, CLOTHES = ("cifar10", "svhn"), ("leaves", "plates"), ("fashionmnist", "mnist")
IMAGES, TESTED = 4000, 1000  # most of each set, unless a recipe names more
RUNS = {}  # name: (recipe, steps, seed, sets)
SCORES_ONLY = {"weights": False}  # of runs whose weights nobody needs; they would be half of the bank
for name, recipe, longer, shorter in (
    ("vae", VAE, 12_000, 4_000),
    ("pixelcnn", PIXELCNN, 12_000, 4_000),
    ("glow", GLOW, 2_400, 900),
    ("glow_cv", GLOW_CV, 2_400, 900),
):
    RUNS[name] = (recipe, longer, 0, CIFAR)
    RUNS[f"{name}-standin"] = (recipe, shorter, 0, LEAVES)
    for seed in (1, 2, 3):  # an ensemble: its members are trained equally long
        RUNS[f"{name}-{seed}"] = (recipe | SCORES_ONLY, shorter, seed, CIFAR)
    for seed in (1, 2):
        RUNS[f"{name}-standin-{seed}"] = (recipe | SCORES_ONLY, shorter, seed, LEAVES)
for suffix, sets in (("svhn", CIFAR[::-1]), ("plates", LEAVES[::-1])):  # the other way round
    RUNS[f"vae_{suffix}"] = (VAE | SCORES_ONLY, 4_000, 0, sets)
    RUNS[f"pixelcnn_{suffix}"] = (PIXELCNN, 4_000, 0, sets)
    RUNS[f"glow_{suffix}"] = (GLOW, 900 if suffix == "plates" else 1_200, 0, sets)
    RUNS[f"glow_cv_{suffix}"] = (GLOW_CV | SCORES_ONLY, 900, 0, sets)
    RUNS[f"pixelcnn_mutated0.2_{suffix}"] = (PIXELCNN | {"mutated": 0.2}, 4_000, 0, sets)
for rate in (0.1, 0.2, 0.3):  # the background of a likelihood ratio: Ren et al. 2019
    RUNS[f"pixelcnn_mutated{rate}"] = (PIXELCNN | {"mutated": rate}, 12_000, 0, CIFAR)
    RUNS[f"pixelcnn_mutated{rate}-standin"] = (PIXELCNN | {"mutated": rate}, 4_000, 0, LEAVES)
for suffix, sets in (("", CIFAR), ("-standin", LEAVES)):
    RUNS[f"gaussian{suffix}"] = (GAUSSIAN, 0, 0, sets)
    RUNS[f"pixelcnn_local{suffix}"] = (LOCAL, 4_000, 0, sets)
    RUNS[f"pixelcnn_wide{suffix}"] = (WIDE, 4_000 if suffix else 12_000, 0, sets)
    RUNS[f"glow_fixed{suffix}"] = (FIXED_PRIOR, 900 if suffix else 2_400, 0, sets)
RUNS["classifier"] = (CLASSIFIER, 6_000, 0, CIFAR)
RUNS["classifier-1"] = (CLASSIFIER | SCORES_ONLY, 6_000, 1, CIFAR)
RUNS["classifier-2"] = (CLASSIFIER | SCORES_ONLY, 6_000, 2, CIFAR)
RUNS["classifier_svhn"] = (CLASSIFIER, 6_000, 0, CIFAR[::-1])
RUNS["classifier-standin"] = (CLASSIFIER, 6_000, 0, LEAVES)
RUNS["classifier_plates"] = (CLASSIFIER, 6_000, 0, LEAVES[::-1])
for beta in (0.1, 1, 4, 16):  # of a nat of rate, in nats of distortion
    RUNS[f"vae_beta{beta}"] = (PRICED_VAE | {"beta": beta}, 6_000, 0, CIFAR)
RUNS["glow_fashionmnist"] = (GREY_GLOW, 8_000, 0, CLOTHES)
RUNS["glow_fashionmnist-1"] = (GREY_GLOW | SCORES_ONLY, 8_000, 1, CLOTHES)
RUNS["glow_fashionmnist-2"] = (GREY_GLOW | SCORES_ONLY, 8_000, 2, CLOTHES)
RUNS["glow_cv_fashionmnist"] = (GREY_GLOW_CV, 8_000, 0, CLOTHES)
RUNS["pixelcnn_fashionmnist"] = (GREY_PIXELCNN, 12_000, 0, CLOTHES)
RUNS["pixelcnn_mutated0.2_fashionmnist"] = (GREY_PIXELCNN | {"mutated": 0.2}, 12_000, 0, CLOTHES)
RUNS["vae_fashionmnist"] = (GREY_VAE, 12_000, 0, CLOTHES)
RUNS["glow_mnist"] = (GREY_GLOW, 8_000, 0, CLOTHES[::-1])
RUNS["diffusion"] = (DIFFUSION, 16_000, 0, CIFAR)
RUNS["diffusion_svhn"] = (DIFFUSION, 8_000, 0, CIFAR[::-1])
RUNS["diffusion-standin"] = (SMALL_DIFFUSION, 4_000, 0, LEAVES)
RUNS["diffusion_plates"] = (SMALL_DIFFUSION, 4_000, 0, LEAVES[::-1])
RUNS["diffusion_fashionmnist"] = (GREY_DIFFUSION, 12_000, 0, CLOTHES)
CLIP = 10  # largest norm of a gradient


def described(name):
    """What `training.fit` is told, where digits are not mirrored; what wraps the model; the Gaussian's ridges.

    Of a classifier, what `fit_classifier` is told.
    """
    recipe, steps, seed, (inside, _) = RUNS[name]
    if recipe["model"] == "gaussian":
        return {"ridges": recipe["ridges"]}
    told = {"steps": steps, "batch_size": recipe["batch_size"], "lr": recipe["lr"], "clip": CLIP, "seed": seed}
    told |= {"flip": inside not in ("svhn", "mnist", "plates")}
    if "decay" in recipe:
        del told["clip"]
        return told | {"decay": recipe["decay"]}
    return told | {key: recipe[key] for key in ("beta", "mutated") if key in recipe}


def images_of(name):
    """(the images to train on, those to choose weights by and those of each role, {role: data.ImageSet})."""
    recipe, _, _, (inside, outside) = RUNS[name]
    used, tested = data.load(inside, "train")[: recipe.get("images", IMAGES)], recipe.get("tested", TESTED)
    cut = len(used) - min(len(used) // 10, TESTED)
    return used[:cut], {
        "train": used[: min(cut, TESTED)],
        "validation": used[cut:],
        "inside": data.load(inside, "test")[:tested],
        "outside": data.load(outside, "test")[:tested],
    }


def told_of(used, sets):
    """What a card says of a run's images: which sets, how many of how many, and whether they are the published ones."""
    return {"trained on": f"{used.name} train, {used.count}"} | {
        role: f"{part.name} {part.split}, {part.count}" for role, part in sets.items()
    }


def keeps_weights(name):
    """Whether a run's weights are stored: not those of a Gaussian, which is fitted anew, nor of a mere member."""
    recipe = RUNS[name][0]
    return recipe["model"] != "gaussian" and recipe.get("weights", True)


def code_digest(recipe):
    """Digest of the module that defines the run's model, and of the modules of models that this one imports."""
    made = digests.library([ast.parse(f"import likelab.models.{recipe['model']}")], chapters.BOOK)
    of_models = {module: digest for module, digest in made.items() if module.startswith("likelab.models.")}
    return hashlib.sha256(json.dumps(of_models, sort_keys=True).encode()).hexdigest()[:16]


def state(name):
    """What is there of a run.

    "there"; "missing"; "damaged": its card cannot be read, or tells of other files; "old": it was made by other code
    or from another recipe.
    """
    if not (bank.FOLDER / f"{name}.json").exists():
        return "missing"
    try:
        card = bank.card(name)
    except DataError:
        return "damaged"
    paths = {"scores": bank.FOLDER / f"{name}.npz", "keys": bank.keys_path(card["keys"])}
    paths |= {"weights": bank.FOLDER / f"{name}.pt"} if keeps_weights(name) else {}
    if any(not path.exists() or bank.digest_of(path.read_bytes()) != card[key] for key, path in paths.items()):
        return "damaged"
    return "there" if not changed(name, card) and card.get("code") == code_digest(RUNS[name][0]) else "old"


def changed(name, card):
    """What a run would be made with today, and was not, according to its card: some of model, architecture, recipe."""
    recipe = RUNS[name][0]
    wanted = {"model": recipe["model"], "architecture": recipe["architecture"], "recipe": described(name)}
    return [key for key, value in wanted.items() if card.get(key) != value]
