"""Exported from book/01_confident_and_wrong.ipynb, the chapter that explains it: edit that, then `make export`."""

import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from likelab import bits, data, training


class ResidualPair(nn.Module):
    """x plus what two convolutions make of x, then max(·, 0). He et al. 2016.

    With batch normalisation.
    """

    def __init__(self, width: int):
        super().__init__()
        convolutions = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)]
        norms = [nn.BatchNorm2d(width) for _ in range(2)]
        self.inner = nn.Sequential(convolutions[0], norms[0], nn.ReLU(), convolutions[1], norms[1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return F.relu(x + self.inner(x))


class Classifier(nn.Module):
    """Three stages, each of which halves the image; a mean over places, the features;
    one layer, the logits.

    shape: (C, H, W) of an image; classes: how many there are; widths: channels of the
    stages.
    """

    def __init__(
        self,
        shape: tuple = (3, 32, 32),
        classes: int = 10,
        widths: tuple = (32, 48, 64),
    ):
        super().__init__()
        self.shape, stages = tuple(shape), []
        for before, width in zip((shape[0], *widths), widths, strict=False):
            halve = nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False)
            stages += [halve, nn.BatchNorm2d(width), nn.ReLU(), ResidualPair(width)]
        self.stages = nn.Sequential(*stages)
        self.last = nn.Linear(widths[-1], classes)
        self.to(memory_format=torch.channels_last)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees: uint8 (N, C, H, W) -> (N, F), F the last width."""
        x = bits.as_images(images, self.shape).to(self.last.weight.device).float() / 127.5 - 1
        return self.stages(x.contiguous(memory_format=torch.channels_last)).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """A logit for each class: uint8 (N, C, H, W) -> (N, classes)."""
        return self.last(self.features(images))

    @torch.no_grad()
    def logits(self, images: Tensor, batch_size: int = 100) -> Tensor:
        """The same in evaluation mode, batch by batch, on the CPU; for measuring."""
        mode = self.training
        self.eval()
        try:
            return torch.cat([self(batch).cpu() for batch in bits.as_images(images).split(batch_size)])
        finally:
            self.train(mode)


def augment_images(images: Tensor, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift each image by up to four pixels, mirror half of them (flip), change its
    light, and cut a hole into it.

    uint8 (N, C, H, W) -> the same. Light: contrast by a factor of 0.6 to 1.4 and
    brightness by up to 40 grey levels. The hole is a grey square of 12 pixels, which
    may reach over the edge. DeVries & Taylor 2017.
    """
    n, _, height, width = images.shape
    top, left = torch.randint(9, (2, n, 1), generator=generator)
    rows, columns = top + torch.arange(height), left + torch.arange(width)
    if flip:
        columns = torch.where(torch.rand(n, 1, generator=generator) < 0.5, columns.flip(1), columns)
    framed = F.pad(images.float(), (4, 4, 4, 4), mode="reflect")
    x = framed[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    contrast, brightness = torch.rand(2, n, 1, 1, 1, generator=generator) - 0.5
    x = 128 + (1 + 0.8 * contrast) * (x - 128) + 80 * brightness
    middle = torch.rand(2, n, 1, generator=generator)
    covered = [(torch.arange(side) - at * side).abs() < 6 for side, at in zip((height, width), middle, strict=True)]
    x = x.masked_fill((covered[0][:, :, None] & covered[1][:, None, :])[:, None], 128)
    return x.round().clamp(0, 255).to(torch.uint8)


def fit_classifier(
    model: Classifier,
    train: data.ImageSet,
    validation: data.ImageSet,
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 0.1,
    decay: float = 5e-4,
    flip: bool = True,
    seed: int = 0,
    evaluations: int = 8,
    watch=None,
) -> training.History:
    """Minimise the cross-entropy of labels by SGD with momentum; keep the weights that
    name most of validation rightly.

    decay: of the weights. The other options, and where it trains, are as for
    `training.fit`. The history has the loss of the batches in nats, and the share of
    the validation images that was named wrongly; of equals the last is best. Raises
    training.TrainingError where the loss is not finite.
    """
    generator, history, best = (
        torch.Generator().manual_seed(seed),
        training.History(),
        math.inf,
    )
    marks, recent, began = (
        {round(steps * (k + 1) / evaluations) for k in range(evaluations)},
        [],
        time.perf_counter(),
    )
    home = model.last.weight.device
    with training.placed(model, training.accelerator() if home.type == "cpu" else home):
        device = model.last.weight.device
        optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=decay)
        if watch:
            watch(0, model)
        for step in tqdm(range(steps), "training", unit="step", mininterval=1, file=sys.stderr):
            model.train()
            chosen = torch.randint(len(train), (batch_size,), generator=generator)
            logits = model(augment_images(train.images[chosen], flip, generator))
            loss = F.cross_entropy(logits, train.labels[chosen].to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.param_groups[0]["lr"] = training.learning_rate(step, steps, lr, warmup=50)
            optimiser.step()
            recent.append(loss.item())
            if not math.isfinite(recent[-1]):
                raise training.TrainingError(f"the loss became {recent[-1]} at step {step} of {steps}: lower lr")
            if step + 1 in marks:
                wrong = (model.logits(validation.images).argmax(1) != validation.labels).double().mean().item()
                history.steps.append(step + 1)
                history.train.append(sum(recent) / len(recent))
                history.validation.append(wrong)
                recent = []
                if wrong <= best:
                    best, history.best_step = wrong, step + 1
                    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
                if watch:
                    watch(step + 1, model)
        model.load_state_dict(weights)
    model.eval()
    history.seconds = time.perf_counter() - began
    return history
