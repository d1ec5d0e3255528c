"""The classifier: what its score of an image depends on, and what its training changes and keeps."""

import pytest
import torch

from likelab import data, training
from likelab.models.classifier import Classifier, augment_images, fit_classifier

SMALL = {"shape": (3, 8, 8), "classes": 2, "widths": (6,)}


def images(n, seed=0, shape=(3, 8, 8)):
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def small():
    torch.manual_seed(0)
    return Classifier(**SMALL)


def bright_or_dark(n, seed):
    """Noise in two classes that differ by 100 grey levels."""
    labels = torch.arange(n) % 2
    shown = (images(n, seed) // 2 + 100 * labels[:, None, None, None]).to(torch.uint8)
    return data.ImageSet("noise", "train", shown, labels, n, real=True)


def test_it_is_small_enough_for_the_bank():
    net = Classifier()
    assert sum(p.numel() for p in net.parameters()) < 300_000
    assert net.features(images(2, shape=(3, 32, 32))).shape == (2, 64)
    assert net(images(2, shape=(3, 32, 32))).shape == (2, 10)


def test_logits_depend_neither_on_the_batch_nor_on_the_mode():
    net, some = small(), images(7)
    with torch.no_grad():
        net(images(50, 1))  # in training mode: the running means move
    found = net.logits(some, batch_size=3)
    assert net.training, "the mode is as it was"
    net.eval()
    with torch.no_grad():
        assert torch.allclose(found, net(some), atol=1e-6)
        assert torch.allclose(found[2:3], net(some[2:3]), atol=1e-6)
        assert torch.allclose(found, net.last(net.features(some)), atol=1e-6)
    assert net.logits(some[:0]).shape == (0, 2)


@pytest.mark.parametrize("wrong", [images(2).float(), images(2, shape=(3, 9, 9)), images(2)[0]])
def test_what_are_no_images_of_its_kind_is_refused(wrong):
    with pytest.raises((TypeError, ValueError), match="images"):
        small()(wrong)


def test_augmented_images_are_shifted_mirrored_and_covered():
    """On an image whose grey level names the column, light left aside: ranks within a row tell what was done."""
    columns = (torch.arange(32) * 3 + 70).expand(1, 3, 32, 32).to(torch.uint8)
    generator = torch.Generator().manual_seed(0)
    many = augment_images(columns.expand(400, -1, -1, -1), True, generator).float()
    hole = (many == 128).all(1)
    assert 30 < hole.sum((1, 2)).float().mean() < 160
    slopes = (many[:, 0, :, -1] - many[:, 0, :, 0]).median(1).values
    assert 0.4 < (slopes < 0).float().mean() < 0.6, "half of them mirrored"
    kept = augment_images(columns.expand(400, -1, -1, -1), False, generator).float()
    assert ((kept[:, 0, :, -1] - kept[:, 0, :, 0]).median(1).values > 0).all(), "digits are not mirrored"
    assert many.mean((1, 2, 3)).std() > 10, "their light differs"


def test_training_learns_and_keeps_the_best_weights():
    net, validation = small(), bright_or_dark(20, 1)
    history = fit_classifier(net, bright_or_dark(60, 0), validation, steps=40, batch_size=16, lr=0.05, flip=False)
    wrong = (net.logits(validation.images).argmax(1) != validation.labels).double().mean().item()
    assert not net.training and wrong < 0.1
    assert wrong == min(history.validation)
    equals = [step for step, share in zip(history.steps, history.validation, strict=True) if share == wrong]
    assert history.best_step == equals[-1]


def test_a_seed_gives_the_same_weights():
    nets = [small() for _ in range(3)]
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        fit_classifier(net, bright_or_dark(60, 0), bright_or_dark(20, 1), steps=4, batch_size=8, seed=seed)
    assert torch.equal(nets[0].last.weight, nets[1].last.weight)
    assert not torch.equal(nets[0].last.weight, nets[2].last.weight)


def test_a_loss_that_is_not_finite_ends_the_training():
    net = small()
    with torch.no_grad():
        net.last.weight.fill_(torch.nan)
    with pytest.raises(training.TrainingError, match="lower lr"):
        fit_classifier(net, bright_or_dark(60, 0), bright_or_dark(20, 1), steps=4, batch_size=8)
