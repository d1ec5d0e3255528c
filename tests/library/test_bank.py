"""The bank: what is not exactly as its card says ends in one error, and nothing but tensors is ever loaded."""

import hashlib
import io
import json
import os
import pickle

import numpy as np
import pytest
import torch
from scipy import stats

from likelab import bank, bits, data, training
from likelab.errors import DataError
from likelab.models.glow import squeeze


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


def test_a_full_disk_is_named_and_leaves_the_old_file(path, monkeypatch):
    digest = bank.save_weights(path, model().state_dict())

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="weights.pt: .* No space left"):
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
        (lambda weights: weights.update(another=torch.zeros(3)), "also another"),
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
    assert all(np.array_equal(bank.seen("tiny")[role], bank.keys(images(3, k))) for k, role in enumerate(bank.ROLES))


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


def test_scores_of_arrays_and_of_no_images(run):
    assert np.array_equal(bank.scores("tiny", images(3, 1).numpy()), bank.stored("tiny")["validation"])
    assert bank.scores("tiny", images(3, 1)[:0]).shape == (0,)
    with pytest.raises(TypeError, match="uint8"):
        bank.scores("tiny", images(3, 1).float())


def test_a_classifiers_logits_are_looked_up_and_the_rest_is_computed(run):
    torch.manual_seed(0)
    net = bank.build("classifier", architecture := {"shape": [3, 8, 8], "widths": [4]}).eval()
    held = {role: bank.evaluate(net, images(3, k)).numpy() for k, role in enumerate(bank.ROLES)}
    weights = bank.save_weights(run / "tiny.pt", net.state_dict())
    kept = held | {"inside": held["inside"] + 1}  # so that one sees which were looked up
    scores = bank.save_scores(run / "tiny.npz", **{f"logits: {role}": values for role, values in kept.items()})
    change(run / "tiny.json", model="classifier", architecture=architecture, weights=weights, scores=scores)
    found = bank.scores("tiny", torch.cat([images(3, 2)[[2, 0]], images(2, 99)]))
    assert found.dtype == np.float32 and found.shape == (4, 10)
    assert np.array_equal(found[:2], kept["inside"][[2, 0]])
    assert np.allclose(found[2:], net.logits(images(2, 99)), atol=1e-5)
    assert bank.scores("tiny", images(3, 1)[:0]).shape == (0, 10)
    assert np.array_equal(bank.stored("tiny")["inside"], kept["inside"])


def test_a_card_with_other_line_ends_is_the_same_card(run):
    path = run / "tiny.json"
    path.write_text(json.dumps(bank.card("tiny"), indent=1), newline="\n")
    before, content = bank.card("tiny"), path.read_bytes()
    path.write_bytes(content.replace(b"\n", b"\r\n"))
    assert content.count(b"\n") > 5 and bank.card("tiny") == before


def test_what_was_fitted_cannot_be_watched(run):
    card = bank.card("tiny")
    card["scores"] = bank.save_scores(run / "tiny.npz", steps=np.array([]))
    (run / "tiny.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="closed form"):
        bank.watched("tiny")


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


def merge(path):
    """What git leaves where two branches have changed a file."""
    card = path.read_text()
    path.write_text(f"<<<<<<< HEAD\n{card}\n=======\n{card}\n>>>>>>> branch\n")


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


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
        (lambda folder: (folder / "tiny.json").write_text(""), ("tiny.json", "no JSON")),
        (lambda folder: (folder / "tiny.json").write_bytes(b"\xff\xfe{"), ("tiny.json", "no JSON")),
        (lambda folder: (folder / "tiny.json").write_text("[" * 100_000), ("tiny.json", "no JSON")),
        (lambda folder: merge(folder / "tiny.json"), ("tiny.json", "no JSON")),
        (lambda folder: change(folder / "tiny.json", keys=3), ("tiny.json", "no keys in it")),
        (lambda folder: change(folder / "tiny.json", model="poem"), ("tiny.json", "no known model in it")),
        (lambda folder: (folder / "tiny.json").write_text("[]"), ("tiny.json", "something else")),
        (lambda folder: (folder / "tiny.npz").unlink(), ("tiny.npz", "a file of scores", "No such file")),
        (lambda folder: (folder / "tiny.npz").write_bytes(b"x"), ("tiny.npz", "SHA-256")),
        (lambda folder: keys_file(folder).unlink(), (".keys", "the keys of a run's images", "No such file")),
        (lambda folder: swap_first_keys(keys_file(folder)), (".keys", "SHA-256")),
        (lambda folder: other_keys(folder), (".keys", "12 scores of tiny", "80 bytes")),
    ],
    ids=[
        *("no card", "half a card", "empty card", "a card in another encoding", "a card without end"),
        *("a card with the markers of a merge", "a number for the keys", "a model that is not known"),
        *("another card", "no scores", "altered scores"),
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


@pytest.fixture(scope="module")
def standins():
    sets = [data.load(name, split) for name, split in (("leaves", "train"), ("leaves", "test"), ("plates", "test"))]
    return data.Pair(sets[0][:3600], sets[0][3600:], sets[1][:1000], sets[2][:1000], real=False)


def test_the_gaussian_is_fitted_anew_with_the_ridge_of_its_card(run):
    told = {"model": "gaussian", "architecture": {"shape": [3, 8, 8]}, "weights": None, "ridge": 3}
    change(run / "tiny.json", **told)
    with pytest.raises(ValueError, match="fitted, not stored"):
        bank.load("tiny")
    seen = data.ImageSet("", "train", images(50, 7), torch.zeros(50), 50, real=True)
    loaded = bank.load("tiny", data.Pair(seen, seen, seen, seen, real=True))
    wanted = bank.build("gaussian", told["architecture"]).fit(images(50, 7))
    wanted.ridge.fill_(3)
    assert np.allclose(training.evaluate(loaded, images(4, 1)), training.evaluate(wanted, images(4, 1)))


@pytest.mark.slow
def test_the_gaussian_gives_the_scores_of_the_bank(standins):
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
    """Each from an image of which nothing later is written yet, at twenty places; the book has all in one pass."""
    images = torch.cat([standins.inside.images[:1], standins.outside.images[:1]])
    places = torch.randint(3 * 32 * 32, (20,), generator=torch.Generator().manual_seed(0)).tolist()
    for run in ("pixelcnn", "pixelcnn_local"):
        net = bank.load(run, standins)
        truth = net.scaled(images)
        in_order = truth.permute(0, 2, 3, 1).flatten(1)  # row by row, pixel by pixel, colour by colour
        with torch.no_grad():
            conditionals = net.log_conditionals(truth)
            for place in [0, *places, 3 * 32 * 32 - 1]:
                written = torch.zeros_like(in_order)
                written[:, : place + 1] = in_order[:, : place + 1]
                alone = net.log_conditionals(written.reshape(2, 32, 32, 3).permute(0, 3, 1, 2))
                row, column, colour = np.unravel_index(place, (32, 32, 3))
                assert torch.allclose(alone[:, colour, row, column], conditionals[:, colour, row, column], atol=1e-4)
        again = bits.per_dim(conditionals.double().sum((1, 2, 3)), 3072).numpy()
        assert np.allclose(again, bank.scores(run, images, standins), atol=1e-5), run
