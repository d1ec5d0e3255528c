"""The one training loop of the book: a budget in steps, a seed, and the best weights on validation images."""

import contextlib
import copy
import ctypes
import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from likelab import bits


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the step and what to try."""


@dataclass
class History:
    """What a training run looked like, in bits per dimension."""

    steps: list = field(default_factory=list)  # steps at which the validation images were evaluated
    train: list = field(default_factory=list)  # mean loss of the batches since the evaluation before
    validation: list = field(default_factory=list)
    best_step: int = 0
    seconds: float = 0.0


def learning_rate(step, steps, peak, warmup):
    """Linear warm-up, then half a cosine down to zero."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def accelerator():
    """The device to train on: a GPU where torch can use one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextlib.contextmanager
def placed(model, device):
    """Inside, the model is on `device`; afterwards, also after an error, it is back where it was."""
    home = next(model.parameters()).device
    model.to(device)
    try:
        yield
    finally:
        model.to(home)


def keep_memory():
    """Ask the C library (glibc) to keep freed memory; elsewhere do nothing.

    By default it may hand large blocks back to the system, which clears them again, page by page, when the next
    operation asks. Training allocates the same blocks at every step, so much of its time can go there.
    """
    mmap_threshold, trim_threshold = -3, -1  # names of <malloc.h>
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 32 << 20)
        mallopt(trim_threshold, 1 << 30)


class Gradients:
    """Called with a batch, leave the gradient of its mean bits per dimension in the parameters; return that mean.

    halves: on a CPU with two threads or more, both halves of a batch are worked on at once, each with half of the
    threads and noise of its own. Whether that is faster depends on the model and the batch: measure both.
    """

    def __init__(self, model, generator, halves=False):
        self.model, self.parameters = model, [p for p in model.parameters() if p.requires_grad]
        self.device, self.threads = self.parameters[0].device, torch.get_num_threads()
        self.generators, self.pool = [generator], None
        if halves and self.device.type == "cpu" and self.threads > 1:
            seed = torch.randint(2**62, (), generator=generator).item()
            self.generators.append(torch.Generator().manual_seed(seed))
            self.pool = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=[self.threads // 2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pool:
            self.pool.shutdown()
            torch.set_num_threads(self.threads)  # some of what a thread of the pool sets is set for all

    def __call__(self, batch):
        parts = batch.chunk(len(self.generators))
        run = self.pool.map if self.pool else map
        losses, gradients = zip(*run(self.part, parts, self.generators, [len(batch)] * len(parts)), strict=True)
        total = list(gradients[0])
        for more in gradients[1:]:
            torch._foreach_add_(total, more)
        for parameter, gradient in zip(self.parameters, total, strict=True):
            parameter.grad = gradient
        return sum(losses)

    def part(self, images, generator, count):
        """(loss, its gradients) of some of `count` images."""
        log_prob = self.model.log_prob(images.to(self.device), generator=generator)
        loss = bits.per_dim(log_prob, images[0].numel()).sum() / count
        return loss.item(), torch.autograd.grad(loss, self.parameters, materialize_grads=True)


@torch.no_grad()
def evaluate(model, images, batch_size=100):
    """Bits per dimension of uint8 images (N, C, H, W), image by image: (N,) on the CPU."""
    model.eval()
    log_prob = torch.cat([model.log_prob(batch).cpu() for batch in images.split(batch_size)])
    return bits.per_dim(log_prob, images[0].numel())


def fit(
    model,
    train,
    validation,
    *,
    steps,
    batch_size=16,
    lr=2e-3,
    warmup=50,
    clip=None,
    flip=True,
    halves=False,
    seed=0,
    evaluations=8,
    watch=None,
):
    """Maximise model.log_prob on train; end with the weights that were best on validation.

    train, validation: uint8 (N, C, H, W). Each step draws batch_size images with replacement, mirrors half of them
    (flip), and takes an Adam step on their mean bits per dimension, the gradient's norm clipped to `clip` if given;
    `halves` is that of `Gradients`. The validation images are evaluated `evaluations` times, evenly spread.
    `watch(step, model)` is called at the start and at each evaluation. A model with an `initialise(images)` method
    sees 256 training images first. A model on the CPU is trained on a GPU where there is one; `watch` is given a copy
    on the CPU then, and the model is back there at the end. Returns a History. Raises TrainingError where the loss is
    not finite.
    """
    for images in (train, validation):
        bits.check_images(images)
    keep_memory()
    home = next(model.parameters()).device
    device = accelerator() if home.type == "cpu" else home
    generator = torch.Generator().manual_seed(seed)
    began = time.perf_counter()
    if hasattr(model, "initialise"):
        first = torch.randint(len(train), (256,), generator=generator)
        model.initialise(train[first].to(home), generator=generator)
    if watch:
        watch(0, model)
    marks = {round(steps * (k + 1) / evaluations) for k in range(evaluations)}
    history, best, recent = History(), None, []
    model.train()
    title = "training" if device.type == "cpu" else f"training on {device.type}"
    bar = tqdm(range(steps), desc=title, unit="step", mininterval=1, file=sys.stderr, dynamic_ncols=True)
    with placed(model, device), Gradients(model, generator, halves) as gradients:
        optimiser = torch.optim.Adam(gradients.parameters, lr=lr, fused=True)
        for step in bar:
            batch = train[torch.randint(len(train), (batch_size,), generator=generator)]
            if flip:
                mirrored = torch.rand(batch_size, generator=generator) < 0.5
                batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
            loss = gradients(batch)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss became {loss} at step {step} of {steps} (learning rate "
                    f"{optimiser.param_groups[0]['lr']:.1e}): lower lr, lengthen warmup, or clip the gradient"
                )
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(gradients.parameters, clip)
            optimiser.param_groups[0]["lr"] = learning_rate(step, steps, lr, warmup)
            optimiser.step()
            recent.append(loss)
            if step + 1 in marks:
                value = evaluate(model, validation).mean().item()
                model.train()
                history.steps.append(step + 1)
                history.train.append(sum(recent) / len(recent))
                history.validation.append(value)
                recent = []
                bar.set_postfix_str(f"validation {value:.2f} bits/dim")
                if best is None or value < best[0]:
                    best = (value, {k: v.detach().clone() for k, v in model.state_dict().items()})
                    history.best_step = step + 1
                if watch:
                    watch(step + 1, model if device == home else copy.deepcopy(model).to(home))
    model.load_state_dict(best[1])
    model.eval()
    history.seconds = time.perf_counter() - began
    return history
