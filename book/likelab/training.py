"""The one training loop of the book: a budget in steps, a seed, and the best weights on validation images."""

import contextlib
import copy
import math
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Real

import torch
from joblib import cpu_count
from torch import distributed, nn
from tqdm import tqdm

from likelab import bits

FIRST = 256  # images that a data-dependent start sees

# A container with a share of a large machine's processors gets a thread of torch for each of them, which wait for each
# other. joblib knows the share.
torch.set_num_threads(min(torch.get_num_threads(), cpu_count()))


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the step and what to try. `history` tells how far it came."""


@dataclass
class History:
    """What a training run looked like, in bits per dimension."""

    steps: list = field(default_factory=list)  # steps at which the validation images were evaluated
    train: list = field(default_factory=list)  # mean loss of the batches since the evaluation before
    validation: list = field(default_factory=list)
    best_step: int = 0  # 0 while no evaluation was finite
    seconds: float = 0.0


def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def processes() -> tuple[int, int]:
    """(rank, number of processes) where several train together, in torch.distributed's default group; else (0, 1)."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def accelerator() -> torch.device:
    """The device to train on: a GPU where torch can use one (CUDA or ROCm), else the CPU.

    Processes that train together take the GPUs in turn. Apple's GPU has no double precision, which parts of the book
    need, so it is not used.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", processes()[0] % torch.cuda.device_count())


@contextlib.contextmanager
def placed(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside, the model is on `device`; afterwards, also after an error, it is back where it was."""
    home = next(model.parameters()).device
    model.to(device)
    try:
        yield
    finally:
        model.to(home)


@torch.no_grad()
def evaluate(model, images: torch.Tensor, batch_size: int = 100) -> torch.Tensor:
    """Bits per dimension of uint8 images (N, C, H, W), image by image: (N,) on the CPU.

    The model is asked in evaluation mode, and is then in the mode that it was in.
    """
    images, batch_size = bits.as_images(images), bits.whole(batch_size, "batch_size", 1)
    if not len(images):
        return torch.zeros(0)
    mode = getattr(model, "training", False)
    if mode:
        model.eval()
    try:
        log_prob = torch.cat([model.log_prob(batch).cpu() for batch in images.split(batch_size)])
    finally:
        if mode:
            model.train()
    return bits.per_dim(log_prob, images[0].numel())


def fit(
    model: nn.Module,
    train: torch.Tensor,
    validation: torch.Tensor,
    *,
    steps: int,
    batch_size: int = 16,
    lr: float = 2e-3,
    warmup: int = 50,
    clip: float | None = None,
    flip: bool = True,
    seed: int = 0,
    evaluations: int = 8,
    watch=None,
) -> History:
    """Maximise model.log_prob on train; end with the weights that were best on validation, in evaluation mode.

    train, validation: uint8 (N, C, H, W). Each step draws batch_size images with replacement, mirrors half of them
    (flip), and takes an Adam step on their mean bits per dimension, the gradient's norm clipped to `clip` if given.
    The validation images are evaluated `evaluations` times, evenly spread, the last time at the end.
    `watch(step, model)` is called at the start and at each evaluation. A model with a start from data
    (`contracts.DataDependent`) that was not started yet sees 256 training images first.

    A model on the CPU is trained on a GPU where there is one; `watch` is given a copy on the CPU then, and the model is
    back there at the end. Within a process group of torch.distributed each process takes its share of every batch, and
    all end with the same weights.

    Raises ValueError or TypeError before any work where the arguments make no sense, and TrainingError where the loss
    is not finite. After an error, and after Ctrl-C, the model has the best weights so far, and the error a `history`.
    """
    train = bits.as_images(train, getattr(model, "shape", None))
    validation = bits.as_images(validation, train.shape[1:])
    steps, evaluations = bits.whole(steps, "steps", 1), bits.whole(evaluations, "evaluations", 1)
    batch_size, seed = bits.whole(batch_size, "batch_size", 1), bits.whole(seed, "seed")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    _check(model, parameters, train, validation, batch_size, lr, warmup, clip)

    home = parameters[0].device
    device = accelerator() if home.type == "cpu" else home
    rank, ranks = processes()
    generator = torch.Generator().manual_seed(seed)
    noise = generator if ranks == 1 else torch.Generator().manual_seed(seed + 1 + rank)
    history, best, recent, began = History(), None, [], time.perf_counter()
    marks = {round(steps * (k + 1) / evaluations) for k in range(evaluations)}
    title = "training" if device.type == "cpu" else f"training on {device.type}"
    options = {"unit": "step", "mininterval": 1, "file": sys.stderr, "dynamic_ncols": True, "disable": rank > 0}
    gradients = torch.inference_mode(False), torch.enable_grad()  # whatever the session has switched off
    try:
        if hasattr(model, "initialise") and not getattr(model, "initialised", False):
            first = torch.randint(len(train), (FIRST,), generator=generator)
            model.initialise(train[first].to(home), generator=generator)
        if watch:
            watch(0, model)
        model.train()
        with gradients[0], gradients[1], placed(model, device), tqdm(range(steps), title, **options) as bar:
            for tensor in model.state_dict().values() if ranks > 1 else ():
                distributed.broadcast(tensor, 0)
            optimiser = torch.optim.Adam(parameters, lr=lr, fused=True)
            for step in bar:
                batch = train[torch.randint(len(train), (batch_size,), generator=generator)]
                if flip:
                    mirrored = torch.rand(batch_size, **bits.chance(generator)) < 0.5
                    batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
                share = batch[rank::ranks].to(device)
                loss = bits.per_dim(model.log_prob(share, generator=noise), batch[0].numel()).sum() / batch_size
                optimiser.zero_grad()
                loss.backward()
                loss = _summed(loss.detach(), parameters, ranks)
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"the loss became {loss} at step {step} of {steps} (learning rate "
                        f"{optimiser.param_groups[0]['lr']:.1e}): lower lr, lengthen warmup, or clip the gradient"
                    )
                if clip is not None:
                    nn.utils.clip_grad_norm_(parameters, clip)
                optimiser.param_groups[0]["lr"] = learning_rate(step, steps, lr, warmup)
                optimiser.step()
                recent.append(loss)
                if step + 1 in marks:
                    value = evaluate(model, validation).mean().item()
                    history.steps.append(step + 1)
                    history.train.append(sum(recent) / len(recent))
                    history.validation.append(value)
                    recent = []
                    bar.set_postfix_str(f"validation {value:.2f} bits/dim")
                    if not math.isfinite(value):
                        warnings.warn(f"validation is {value} at step {step + 1}: not kept as the best", stacklevel=2)
                    elif best is None or value < best[0]:
                        best = (value, {k: v.detach().clone() for k, v in model.state_dict().items()})
                        history.best_step = step + 1
                    if watch:
                        watch(step + 1, model if device == home else copy.deepcopy(model).to(home))
                        model.train()  # it may have looked in evaluation mode
        if best is None:
            raise TrainingError(f"no evaluation in {steps} steps was finite: lower lr, lengthen warmup, or clip")
    except (Exception, KeyboardInterrupt) as error:
        error.history = history
        raise
    finally:
        if best is not None:
            model.load_state_dict(best[1])
        model.eval()
        history.seconds = time.perf_counter() - began
    return history


def _check(model, parameters, train, validation, batch_size, lr, warmup, clip):
    """Raise ValueError, with the remedy, for what cannot be trained."""
    name = type(model).__name__
    if not list(model.parameters()):
        raise ValueError(f"{name} has no weights to train" + (": call its own fit" if hasattr(model, "fit") else ""))
    if not parameters:
        raise ValueError(f"all weights of {name} are frozen: set requires_grad of those to train")
    if any(parameter.is_inference() for parameter in parameters):
        raise ValueError(f"this {name} was built in torch.inference_mode and cannot be trained: build it outside")
    for images, what in ((train, "training"), (validation, "validation")):
        if not len(images):
            raise ValueError(f"there are no {what} images: give at least one")
    for number, what in ((lr, "lr"), (1 if clip is None else clip, "clip")):
        if not isinstance(number, Real) or not 0 < number < math.inf:
            raise ValueError(f"{what} is {number!r}: give a number above 0")
    if not isinstance(warmup, Real) or not 0 <= warmup < math.inf:
        raise ValueError(f"warmup is {warmup!r}: give a number of steps, 0 or more")
    if batch_size < processes()[1]:
        raise ValueError(f"a batch of {batch_size} has no image for each of {processes()[1]} processes: make it larger")


def _summed(loss, parameters, ranks):
    """The loss of the whole batch, as a number. Sums loss and gradients over the processes, where there are several."""
    if ranks > 1:
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)
        distributed.all_reduce(loss)
    return loss.item()
