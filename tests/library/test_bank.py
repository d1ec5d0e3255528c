"""The bank's files: what is not exactly as its card says ends in one error, and nothing but tensors is ever loaded."""

import hashlib
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from likelab import bank, bits, data, training
from likelab.errors import DataError
from likelab.models.glow import squeeze
from tools.runs import bank as trainer
from tools.website import reproducibility


def model(width=4):
    torch.manual_seed(width)
    return torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.BatchNorm1d(width))


def write(path, value):
    """Save any value as torch does, and return its digest: a file that its own card vouches for."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    path.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pt"


def check_refused(path, digest, *words, into=None):
    into = into or model()
    before = {name: value.clone() for name, value in into.state_dict().items()}
    with pytest.raises(DataError) as caught:
        bank.load_weights(path, digest, into)
    message = str(caught.value)
    assert all(word in message for word in (str(path), "expected", "found", "make bank", *words)), message
    assert all(torch.equal(value, before[name]) for name, value in into.state_dict().items())


def test_weights_come_back_as_they_were(path):
    saved, loaded = model(), model()
    with torch.no_grad():
        for value in saved.state_dict().values():
            value.copy_(torch.randn(value.shape) * 9)
    digest = bank.save_weights(path, saved.state_dict())
    assert bank.load_weights(path, digest, loaded) is loaded
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in saved.state_dict().items())


def test_the_same_weights_make_the_same_file(path, tmp_path):
    first = bank.save_weights(path, model().state_dict())
    assert first == bank.save_weights(tmp_path / "another.pt", model().state_dict())
    assert first == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_view_does_not_bring_along_what_it_is_a_view_of(path):
    bank.save_weights(path, {"part": torch.zeros(1_000_000)[:10]})
    assert path.stat().st_size < 5_000


def test_only_tensors_are_saved(path):
    with pytest.raises(TypeError, match="'steps'"):
        bank.save_weights(path, {"weight": torch.zeros(3), "steps": 100})
    assert not path.exists()


def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch):
    digest = bank.save_weights(path, model().state_dict())

    def full(self, content):
        with open(self, "wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        bank.save_weights(path, model(5).state_dict())
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    bank.load_weights(path, digest, model())


def test_a_missing_file(path):
    check_refused(path, "0" * 64, "No such file")


@pytest.mark.parametrize("where", [0, 500, -1])
def test_an_altered_file(path, where):
    digest = bank.save_weights(path, model().state_dict())
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    check_refused(path, digest, digest[:12])


def test_an_altered_file_is_not_even_opened(path, monkeypatch):
    digest = bank.save_weights(path, model().state_dict())
    path.write_bytes(path.read_bytes() + b"!")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was interpreted"))
    check_refused(path, digest)


def test_noise_in_a_file_that_its_card_vouches_for(path):
    """Whatever torch makes of it, the outcome is the model or the one error."""
    bank.save_weights(path, model().state_dict())
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        changed = bytearray(content)
        for where in rng.integers(0, len(content), 3):
            changed[where] = rng.integers(256)
        path.write_bytes(changed)
        try:
            bank.load_weights(path, hashlib.sha256(changed).hexdigest(), model())
        except DataError:
            refused += 1
    assert refused > 30


def test_a_truncated_file(path):
    digest = bank.save_weights(path, model().state_dict())
    content = path.read_bytes()
    for keep in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:keep])
        check_refused(path, digest, f"({keep:,} bytes)")
        check_refused(path, hashlib.sha256(content[:keep]).hexdigest(), "a file of tensors")


@pytest.mark.parametrize("version", [2, 0, "1", None, [1], True, torch.ones(2)])
def test_another_format(path, version):
    digest = write(path, {"format": version, "weights": model().state_dict()})
    check_refused(path, digest, "format 1", f"format {version}", "Update the book")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.update(surprise=torch.zeros(3)), "also surprise"),
        (lambda weights: weights.pop("0.bias"), "no 0.bias"),
        (lambda weights: weights.update({"0.bias": torch.zeros(5)}), "0.bias torch.float32 (5,) instead of"),
        (lambda weights: weights.update({"0.bias": torch.zeros(4).double()}), "torch.float64 (4,)"),
        (lambda weights: weights.update({"0.bias": 3}), "something else among them"),
        (lambda weights: weights.update({"0.bias": "text"}), "something else among them"),
        (lambda weights: weights.update({"0.bias": torch.ones(4).to_sparse()}), "something else among them"),
        (lambda weights: weights.clear(), "and 4 more differences"),
    ],
    ids=["unexpected", "missing", "another shape", "another type", "a number", "a text", "sparse", "nothing"],
)
def test_the_weights_of_another_model(path, change, words):
    weights = dict(model().state_dict())
    change(weights)
    check_refused(path, write(path, {"format": 1, "weights": weights}), words)


@pytest.mark.parametrize("held", [{}, [], torch.zeros(3), {"format": 1}, {"format": 1, "weights": [torch.zeros(1)]}])
def test_a_file_of_something_else(path, held):
    check_refused(path, write(path, held))


class Harmful:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("place", ["beside the weights", "among them", "instead of all", "a plain pickle"])
def test_code_in_a_weight_file_does_not_run(path, tmp_path, place):
    """Not even where the card vouches for the file."""
    harmful = Harmful(tmp_path / "harm")
    if place == "a plain pickle":
        path.write_bytes(pickle.dumps(harmful, protocol=2))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        weights = {**model().state_dict(), **({"0.bias": harmful} if place == "among them" else {})}
        beside = {"harm": harmful} if place == "beside the weights" else {}
        digest = write(path, harmful if place == "instead of all" else {"format": 1, "weights": weights, **beside})
    check_refused(path, digest, "a file of tensors and nothing else")
    assert not (tmp_path / "harm").exists()


# --- Runs ----------------------------------------------------------------------------------------------


ARCHITECTURE = {"shape": [3, 8, 8], "channels": 4, "blocks": 1}


def images(n, seed):
    return torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A bank of one run, "tiny": an untrained PixelCNN that has seen three images of each role."""
    monkeypatch.setattr(bank, "FOLDER", tmp_path)
    bank._scores.cache_clear()
    torch.manual_seed(0)
    net = bank.build("pixelcnn", ARCHITECTURE)
    arrays = {"steps": np.array([0, 5])}
    for k, role in enumerate(bank.ROLES):
        arrays[f"watched: {role}"] = np.zeros((2, 3), np.float32)
        arrays[f"bits: {role}"] = training.evaluate(net, images(3, k)).numpy()
    card = {"model": "pixelcnn", "architecture": ARCHITECTURE}
    card["keys"] = bank.save_keys({role: images(3, k) for k, role in enumerate(bank.ROLES)})
    card["weights"] = bank.save_weights(tmp_path / "tiny.pt", net.state_dict())
    card["scores"] = bank.save_scores(tmp_path / "tiny.npz", **arrays)
    (tmp_path / "tiny.json").write_text(json.dumps(card))
    return tmp_path


def test_a_run_comes_back(run):
    net = bank.load("tiny")
    assert not net.training and bank.card("tiny")["model"] == "pixelcnn"
    found = bank.stored("tiny")
    assert list(found) == list(bank.ROLES)
    assert np.allclose(found["outside"], training.evaluate(net, images(3, 3)))
    steps, along = bank.watched("tiny")
    assert steps.tolist() == [0, 5] and along["inside"].shape == (2, 3)


def test_scores_are_joined_by_pixels_and_the_rest_is_computed(run, monkeypatch):
    wanted = torch.cat([images(3, 2)[[2, 0]], images(2, 99), images(3, 0)])
    truth = training.evaluate(bank.load("tiny"), wanted).numpy()
    evaluated = []
    monkeypatch.setattr(
        training, "evaluate", lambda net, x, true=training.evaluate: evaluated.append(x) or true(net, x)
    )
    assert np.allclose(bank.scores("tiny", wanted), truth, rtol=1e-6)
    assert len(evaluated) == 1 and torch.equal(evaluated[0], images(2, 99))
    assert np.allclose(bank.scores("tiny", images(3, 1)), training.evaluate(bank.load("tiny"), images(3, 1)))
    assert len(evaluated) == 2, "nothing was new"


def test_runs_of_the_same_images_share_their_keys_and_others_do_not_touch_them(run):
    before = keys_file(run).read_bytes()
    assert np.array_equal(np.frombuffer(before, "<u8")[3:6], bank.keys(images(3, 1)))
    same = bank.save_keys({role: images(3, k) for k, role in enumerate(bank.ROLES)})
    assert same == bank.card("tiny")["keys"] == hashlib.sha256(before).hexdigest()
    bank.save_keys({role: images(3, 9 + k) for k, role in enumerate(bank.ROLES)})
    assert len(list(run.glob("*.keys"))) == 2 and bank.keys_path(same).read_bytes() == before


def test_keys_tell_images_apart_by_one_grey_level():
    one = images(1, 0)
    other = one.clone()
    other[0, 2, 7, 7] ^= 1
    assert bank.keys(one) == bank.keys(one.clone()) != bank.keys(other)


def test_names():
    class Standins:
        real = False

    assert [bank.stem("glow"), bank.stem("glow", None, 2), bank.stem("vae", Standins)] == [
        "glow",
        "glow-2",
        "vae-standin",
    ]


def keys_file(folder):
    (path,) = folder.glob("*.keys")
    return path


def swap_first_keys(path):
    """The scores of two images exchanged: nothing but the digest tells."""
    held = np.frombuffer(path.read_bytes(), "<u8")
    path.write_bytes(held[[1, 0, *range(2, len(held))]].tobytes())


def other_keys(folder):
    """A file of keys that the card vouches for, with fewer of them than there are scores."""
    card = json.loads((folder / "tiny.json").read_text())
    card["keys"] = bank.save_keys({role: images(1 + 2 * (k > 0), k) for k, role in enumerate(bank.ROLES)})
    (folder / "tiny.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda folder: (folder / "tiny.json").unlink(), ("tiny.json", "the card of a run", "There are none")),
        (lambda folder: (folder / "tiny.json").write_text("{"), ("tiny.json", "no JSON")),
        (lambda folder: (folder / "tiny.json").write_text("[]"), ("tiny.json", "something else")),
        (lambda folder: (folder / "tiny.npz").unlink(), ("tiny.npz", "a file of scores", "No such file")),
        (lambda folder: (folder / "tiny.npz").write_bytes(b"x"), ("tiny.npz", "SHA-256")),
        (lambda folder: keys_file(folder).unlink(), (".keys", "the keys of a run's images", "No such file")),
        (lambda folder: swap_first_keys(keys_file(folder)), (".keys", "SHA-256")),
        (lambda folder: other_keys(folder), (".keys", "12 scores of tiny", "80 bytes")),
    ],
    ids=[
        *("no card", "half a card", "another card", "no scores", "altered scores"),
        *("no keys", "keys in another order", "the keys of fewer images"),
    ],
)
def test_a_spoilt_run(run, spoil, words):
    spoil(run)
    with pytest.raises(DataError) as caught:
        bank.scores("tiny", images(1, 0))
    assert all(word in str(caught.value) for word in (*words, "make bank")), str(caught.value)


def test_scores_are_never_unpickled(run):
    content = io.BytesIO()
    np.savez(content, **{"bits: train": np.array([Harmful(run / "harm")], dtype=object)})
    (run / "tiny.npz").write_bytes(content.getvalue())
    card = json.loads((run / "tiny.json").read_text()) | {"scores": hashlib.sha256(content.getvalue()).hexdigest()}
    (run / "tiny.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match="arrays of numbers"):
        bank.stored("tiny")
    assert not (run / "harm").exists()


@pytest.mark.parametrize("name", trainer.RUNS)
def test_the_bank_is_complete_and_of_today(name):
    """Every run is there, was trained by the code and the recipe that stand here, and can be loaded."""
    assert trainer.state(name) == "there", f"make bank BANK={name}"
    card = bank.card(name)
    if not name.startswith("gaussian"):
        assert sum(p.numel() for p in bank.load(name).parameters()) == card["parameters"]
        assert len(bank.watched(name)[0]) == 9
    for role, values in bank.stored(name).items():
        assert values.mean() == pytest.approx(card["results"][role]["bits_per_dim"], abs=1e-3)
    found = bank.stored(name)
    difference = found["outside"][:, None] - found["inside"][None, :]
    counted = (difference > 0).mean() + 0.5 * (difference == 0).mean()
    assert counted == pytest.approx(card["results"]["auroc"], abs=6e-5), "AUROC by counting pairs"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder, card: (folder / "vae-1.pt").write_bytes(b"altered"),
        lambda folder, card: (folder / "vae-1.npz").unlink(),
        lambda folder, card: swap_first_keys(keys_file(folder)),
        lambda folder, card: card.pop("keys"),
        lambda folder, card: card["architecture"].update(latents=8),
        lambda folder, card: card["recipe"].update(steps=1),
        lambda folder, card: card.update(code="another"),
    ],
    ids=[
        "altered weights",
        "no scores",
        "altered keys",
        "a card without keys",
        "another architecture",
        "another recipe",
        "older code",
    ],
)
def test_what_its_card_does_not_tell_of_is_trained_anew(tmp_path, monkeypatch, spoil):
    for suffix in (".json", ".pt", ".npz"):
        (tmp_path / f"vae-1{suffix}").write_bytes((bank.FOLDER / f"vae-1{suffix}").read_bytes())
    keys = bank.keys_path(bank.card("vae-1")["keys"])
    (tmp_path / keys.name).write_bytes(keys.read_bytes())
    monkeypatch.setattr(bank, "FOLDER", tmp_path)
    assert trainer.state("vae-1") == "there" and trainer.state("vae-2") == "missing"
    card = json.loads((tmp_path / "vae-1.json").read_text("utf-8"))
    spoil(tmp_path, card)
    (tmp_path / "vae-1.json").write_text(json.dumps(card), "utf-8")
    assert trainer.state("vae-1") == "old"


@pytest.fixture(scope="module")
def standins():
    sets = [data.load(name, split) for name, split in (("leaves", "train"), ("leaves", "test"), ("plates", "test"))]
    return data.Pair(sets[0][:3600], sets[0][3600:], sets[1][:1000], sets[2][:1000], real=False)


def test_the_gaussian_is_fitted_anew_to_what_its_card_says(standins):
    with pytest.raises(ValueError, match="fitted, not stored"):
        bank.load("gaussian")
    images = standins.outside.images[:50]
    again = training.evaluate(bank.load("gaussian", standins), images)
    assert np.allclose(again, bank.scores("gaussian", images, standins), atol=1e-4)


def test_scores_of_a_trained_glow_by_the_change_of_variables_written_out(standins):
    """In float64, link by link, with SciPy's normal density; the book folds links and works in float32."""
    images = torch.cat([standins.inside.images[:3], standins.outside.images[:3]])
    for run in ("glow", "glow_fixed", "glow_cv"):
        flow = bank.load(run, standins).double()
        with torch.no_grad():
            h = bits.dequantise(images).double() / 256 - 0.5
            log_p = np.full(len(images), -3072 * np.log(256))
            for k, level in enumerate(flow.levels):
                h = squeeze(h)
                for step in level:
                    for link in (step.norm, step.mix, step.coupling):
                        h, log_det = link.forward_and_log_det(h)
                        log_p += log_det.numpy()
                if k < len(flow.splits):
                    h, z = h.chunk(2, 1)
                    mean, log_scale = flow.splits[k].mean_and_log_scale(h)
                    log_p += stats.norm(mean, log_scale.exp() * flow.sigma).logpdf(z).sum((1, 2, 3))
                else:
                    log_p += stats.norm(0, flow.sigma).logpdf(h).sum((1, 2, 3))
        again = -log_p / (3072 * np.log(2))
        assert np.allclose(again, bank.scores(run, images, standins), atol=1e-5), run


def test_scores_of_a_trained_pixelcnn_by_multiplying_conditionals(standins):
    """Pixel by pixel, what is not yet written being zero; the book computes all conditionals in one pass."""
    images = torch.cat([standins.inside.images[:1], standins.outside.images[:1]])
    for run in ("pixelcnn", "pixelcnn_local"):
        net = bank.load(run, standins)
        truth, written = net.scaled(images), torch.zeros(2, 3, 32, 32)
        log_p = torch.zeros(2, dtype=torch.float64)
        with torch.no_grad():
            for i in range(32):
                for j in range(32):
                    for c in range(3):
                        written[:, c, i, j] = truth[:, c, i, j]
                    log_p += net.log_conditionals(written)[:, :, i, j].double().sum(1)
        again = bits.per_dim(log_p, 3072).numpy()
        assert np.allclose(again, bank.scores(run, images, standins), atol=1e-5), run


PRICED = {recipe["beta"]: name for name, (recipe, *_) in trainer.RUNS.items() if "beta" in recipe}


def test_a_price_multiplies_the_rate_and_nothing_else():
    torch.manual_seed(0)
    vae = bank.build("vae", {"shape": [3, 8, 8], "latents": 6, "hidden": 8, "blocks": 1})
    vae.initialise(images(50, 0))
    rate, distortion = vae.rate_and_distortion(images(4, 1))
    assert rate.min() > 0
    for beta in (0, 0.1, 1, 16):
        expected = -distortion - beta * rate
        assert torch.allclose(trainer.priced(vae, beta).log_prob(images(4, 1)), expected)
    assert torch.allclose(trainer.priced(vae, 1).log_prob(images(4, 1)), vae.log_prob(images(4, 1)))


def test_a_higher_price_trains_a_smaller_rate():
    """The wrapped model itself is trained, and the weighted sum is what falls."""
    found = {}
    for beta in (0.1, 10):
        torch.manual_seed(0)
        vae = bank.build("vae", {"shape": [3, 8, 8], "latents": 6, "hidden": 8, "blocks": 1})
        smooth = images(200, 0) // 8 + torch.arange(200, dtype=torch.uint8)[:, None, None, None]
        training.fit(trainer.priced(vae, beta), smooth[:150], smooth[150:], steps=60, lr=1e-2, flip=False)
        found[beta] = trainer.rate_and_distortion(vae, smooth[150:])
    assert found[10]["rate"] < 0.8 * found[0.1]["rate"] and found[10]["distortion"] > found[0.1]["distortion"]


@pytest.mark.parametrize("beta", PRICED)
def test_rate_and_distortion_of_a_run_are_its_bound(beta, standins):
    """In its card, for all images of a role; and of images that it is asked about now."""
    card = bank.card(PRICED[beta])
    for role in bank.ROLES:
        result = card["results"][role]
        total = (result["rate"] + result["distortion"]) / (3072 * np.log(2))
        assert total == pytest.approx(result["bits_per_dim"], abs=1.5e-4)
    net, few = bank.load(PRICED[beta]), standins.inside.images[:40]
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


def test_there_is_no_file_that_no_card_tells_of():
    cards = [bank.card(name) for name in trainer.RUNS]
    told = {f"{name}.{suffix}" for name in trainer.RUNS for suffix in ("json", "pt", "npz")}
    told -= {f"{card['name']}.pt" for card in cards if card["weights"] is None}
    assert {file.name for file in bank.FOLDER.iterdir()} == told | {bank.keys_path(card["keys"]).name for card in cards}


def test_the_bank_is_small():
    assert sum(file.stat().st_size for file in bank.FOLDER.iterdir()) < 25e6


# --- The page that tells of it ---


def test_the_reproducibility_page_is_of_today():
    assert reproducibility.PAGE.read_text("utf-8") == reproducibility.page(), (
        "run python -m tools.website.reproducibility"
    )


def test_the_page_has_a_row_for_each_claim_and_run():
    text = reproducibility.page()
    assert len(reproducibility.ROWS) >= 20
    assert all(f"| {name} |" in text for name in (*trainer.RUNS, *reproducibility.claims()))
