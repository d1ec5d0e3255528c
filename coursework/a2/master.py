# %% [markdown]
# # A2 · Change of variables
#
# A flow is a density because somebody kept the books: every stretch of space is paid for in the log-determinant. One forgotten term and the model still trains, still samples, and reports bits that mean nothing. In this assignment you keep the books for a flow whose conventions differ from those of the book, and then use its simplest relative to predict a gap between two sets of images before looking at it.
#
# <div class="admonition tip">
# <p class="admonition-title"><strong>You will</strong></p>
#
# - write a coupling layer, its inverse and both log-determinants (chapter 05);
# - take images to the real line, through channels that mix, and to bits per dimension (chapters 02 and 05);
# - check any log-determinant against automatic differentiation;
# - predict by the second-order argument which of two sets a flow of constant volume prefers, and by how much (chapter 09).
#
# **Time** three to five hours. **Needs** chapters 02, 05 and 09. **Points** 25 for code, marked by a program, and 5 for a text, marked by a person. **Cohort** @COHORT@: conventions in bold type are this cohort's own.
#
# </div>
#
# **How it is marked.** Every item has a visible check, which stands below it and carries points, and hidden checks, which carry the rest: they try other shapes, other inputs and the edges. Each answer is marked alone, so call none of your other answers from it. Arguments are torch tensors in double precision unless the text says otherwise, and they must stay as they are. What you give back may be tensors, NumPy arrays or numbers. A log-determinant is one natural logarithm for each image, of shape (N,).
#
# **What help is allowed.** The book, the documentation of PyTorch and NumPy, and talking with others about ideas. You may ask a language model to explain a concept or an error message; you may not hand in code or text that it wrote, and you name in the last cell what you asked it. You must be able to explain every line.

# %% tags=["setup"]

# %% tags=["given:tools"]
import math

import torch


def near(answer, expected, tolerance=1e-5):
    """Whether an answer has the shape and the values that are expected."""
    answer, expected = (torch.as_tensor(value).detach().double() for value in (answer, expected))
    return answer.shape == expected.shape and torch.allclose(answer, expected, rtol=tolerance, atol=tolerance)


# %% [markdown]
# ## A coupling layer
#
# ### 1 · Forth (4 points)
#
# The layer takes vectors of `D` numbers, `D` even. It keeps half of them as they are: **@KEPT_WORDS@**. From these a network computes, for each of the other numbers in their order, a raw scale $r$ and a shift $t$; both are given to you, (N, D/2). The others become
#
# $$@ORDER_FORMULA@, \qquad @SCALE_FORMULA@.$$
#
# Every number stays at its place.


# %% tags=["item:forth"]
def coupling(x, raw, shift):
    """The layer: y (N, D) and the log-determinant (N,).

    x (N, D), raw scales and shifts (N, D/2).
    """
    # BEGIN SOLUTION
    places = torch.arange(x.shape[1])
    half = x.shape[1] // 2
    kept = {"odd": places % 2 == 1, "even": places % 2 == 0, "first": places < half, "second": places >= half}[KEPT]
    scale = {
        "softplus": lambda: torch.nn.functional.softplus(raw) + 0.5,
        "sigmoid": lambda: 2 * torch.sigmoid(raw) + 1,
        "tanh": lambda: 3 * torch.exp(torch.tanh(raw)),
    }[SCALE]()
    y = x.clone()
    y[:, ~kept] = scale * (x[:, ~kept] + shift) if ORDER == "shift first" else scale * x[:, ~kept] + shift
    return y, torch.log(scale).sum(1)
    # END SOLUTION


# %% tags=["check:forth"]
row = torch.tensor([ROW], dtype=torch.float64)
y, log_det = coupling(row, torch.zeros(1, 2, dtype=torch.float64), torch.full((1, 2), 2.0, dtype=torch.float64))
assert near(y, [MOVED]), "the ones are kept, the fours are moved"
assert near(log_det, [2 * math.log(SCALE_AT_ZERO)]), "two numbers are stretched"

# %% [markdown]
# ### 2 · Back (3 points)
#
# The same layer the other way: from `y` to `x`, with the log-determinant of the way back.


# %% tags=["item:back"]
def uncoupling(y, raw, shift):
    """The layer's inverse: x (N, D) and its log-determinant (N,).

    y (N, D), raw scales and shifts (N, D/2).
    """
    # BEGIN SOLUTION
    places = torch.arange(y.shape[1])
    half = y.shape[1] // 2
    kept = {"odd": places % 2 == 1, "even": places % 2 == 0, "first": places < half, "second": places >= half}[KEPT]
    scale = {
        "softplus": lambda: torch.nn.functional.softplus(raw) + 0.5,
        "sigmoid": lambda: 2 * torch.sigmoid(raw) + 1,
        "tanh": lambda: 3 * torch.exp(torch.tanh(raw)),
    }[SCALE]()
    x = y.clone()
    x[:, ~kept] = y[:, ~kept] / scale - shift if ORDER == "shift first" else (y[:, ~kept] - shift) / scale
    return x, -torch.log(scale).sum(1)
    # END SOLUTION


# %% tags=["check:back"]
x, log_det = uncoupling(
    torch.tensor([MOVED], dtype=torch.float64),
    torch.zeros(1, 2, dtype=torch.float64),
    torch.full((1, 2), 2.0, dtype=torch.float64),
)
assert near(x, [ROW]), "the way back leads back"
assert near(log_det, [-2 * math.log(SCALE_AT_ZERO)]), "two numbers are squeezed"

# %% [markdown]
# ## From grey levels to a density
#
# ### 3 · To the real line (4 points)
#
# Dequantised images have numbers from 0 to **@LEVELS@**. Divide them by @LEVELS@, map the interval from 0 to 1 to the one from **@EDGE@** to 1 − @EDGE@, so that its ends stay finite, and take the logit, $\log\frac{v}{1 - v}$. Give the result and the log-determinant of the whole way.


# %% tags=["item:logits"]
def to_logits(images):
    """Dequantised images (N, C, H, W) on the real line; the log-determinant (N,)."""
    # BEGIN SOLUTION
    v = EDGE + (1 - 2 * EDGE) * images / LEVELS
    slope = (1 - 2 * EDGE) / LEVELS / (v * (1 - v))
    return torch.log(v) - torch.log1p(-v), torch.log(slope).flatten(1).sum(1)
    # END SOLUTION


# %% tags=["check:logits"]
middle = torch.full((1, 1, 1, 2), HALF_WAY, dtype=torch.float64)
value, log_det = to_logits(middle)
assert near(value, torch.zeros(1, 1, 1, 2)), "the middle of the interval goes to zero"
assert near(log_det, [2 * math.log(4 * (1 - 2 * EDGE) / LEVELS)]), "a logit has slope 4 in the middle"

# %% [markdown]
# ### 4 · Channels that mix (3 points)
#
# A 1×1 convolution multiplies the channels of each pixel by a square matrix: here, **@MIXING_WORDS@**. Give the result and the log-determinant.


# %% tags=["item:channels"]
def mix(images, weight):
    """A 1×1 convolution of images (N, C, H, W) by weight (C, C).

    -> the same shape, and the log-determinant (N,)
    """
    # BEGIN SOLUTION
    acting = {"weight first": weight, "weight last": weight.T, "inverse": torch.linalg.inv(weight)}[MIXING]
    mixed = torch.einsum("dc,nchw->ndhw", acting, images)
    pixels = images.shape[2] * images.shape[3]
    return mixed, (pixels * torch.linalg.slogdet(acting).logabsdet).expand(len(images))
    # END SOLUTION


# %% tags=["check:channels"]
ones = torch.ones(2, 2, 3, 1, dtype=torch.float64)
value, log_det = mix(ones, torch.tensor([[2.0, 1.0], [0.0, 2.0]], dtype=torch.float64))
assert near(value[0, :, 0, 0], MIXED), "what becomes of a pixel of ones"
assert near(log_det, [STRETCH * math.log(4)] * 2), "three pixels, each stretched or squeezed by 4"

# %% [markdown]
# ### 5 · Bits (3 points)
#
# At its end the flow has turned images with numbers from 0 to @LEVELS@ into latents `z`, (N, D), and `log_det` is the log-determinant of the whole way, (N,). The prior of each latent is **@PRIOR_WORDS@**. Give bits per dimension of whole grey levels. Far from zero, too, where a computer's $\sigma$ and $e$ are 0 or infinite.


# %% tags=["item:bits"]
def flow_bits(z, log_det):
    """Bits per dimension of images, (N,).

    From their latents (N, D) and the log-determinants (N,).
    """
    # BEGIN SOLUTION
    log_prior = {
        "logistic": lambda: torch.nn.functional.logsigmoid(z) + torch.nn.functional.logsigmoid(-z),
        "Laplace": lambda: -z.abs() - math.log(2),
        "wide": lambda: -0.5 * (z / 3) ** 2 - math.log(3 * math.sqrt(2 * math.pi)),
    }[PRIOR]()
    return -(log_prior.sum(1) + log_det) / (z.shape[1] * math.log(2))
    # END SOLUTION


# %% tags=["check:bits"]
at_zero = torch.zeros(1, 5, dtype=torch.float64)
assert near(flow_bits(at_zero, torch.zeros(1, dtype=torch.float64)), [BITS_AT_ZERO]), (
    "the prior at zero, nothing stretched"
)

# %% [markdown]
# ### 6 · Trust, but differentiate (3 points)
#
# Before you believe a log-determinant, compute it by brute force. `f` is a smooth, invertible function from vectors (D,) to vectors (D,). Give the logarithm of the absolute value of the Jacobian's determinant **@WAY_WORDS@**, at the point `x` (for the inverse: at the point `f(x)`).


# %% tags=["item:jacobian"]
def log_det_of(f, x):
    """log |det| of a function's Jacobian at x (D,), a number; which way: above."""
    # BEGIN SOLUTION
    found = torch.linalg.slogdet(torch.autograd.functional.jacobian(f, x)).logabsdet
    return float(found if WAY == "forth" else -found)
    # END SOLUTION


# %% tags=["given:doubled"]
def doubled(x):
    """Twice a vector."""
    return 2 * x


# %% tags=["check:jacobian"]
assert near(log_det_of(doubled, torch.ones(3, dtype=torch.float64)), LOG_DET_OF_DOUBLING), "three numbers, doubled"

# %% [markdown]
# ## A gap, predicted
#
# ### 7 · The second-order argument (5 points)
#
# The simplest flow of constant volume multiplies the channels of each pixel by a matrix $A$, and its prior is a Gaussian with **standard deviation @SIGMA@** in each latent. Let $x_0$ be **@POINT_WORDS@**. Chapter 09 expands $\log p$ to second order around $x_0$, drops the linear term, and finds
#
# $$\text{gap} = \tfrac12 \operatorname{Tr} \big[ H \, (M_q - M_p) \big], \qquad H = -\frac{1}{\sigma^2} J^\top J,$$
#
# with $J$ the Jacobian of the whole flow, and $M_q$, $M_p$ the second moments of outside and inside images around $x_0$: means of $(x - x_0)(x - x_0)^\top$. Give this gap, outside minus inside, **in bits per dimension**: positive where the outside images get the higher log-density. Images are grey levels as they are. A matrix of size D×D is not needed.


# %% tags=["item:gap"]
def second_order_gap(matrix, inside, outside):
    """Predicted gap in bits per dimension, a number.

    matrix: (C, C); inside, outside: uint8 (N, C, H, W), (M, …).
    """
    # BEGIN SOLUTION
    p, q = inside.double(), outside.double()
    around = {
        "colour": lambda: p.mean((0, 2, 3), keepdim=True),
        "image": lambda: p.mean(0, keepdim=True),
        "grey": lambda: torch.tensor(127.5, dtype=torch.float64),
    }[POINT]()

    def moment(some):
        return torch.einsum("dc,nchw->ndhw", matrix, some - around).square().flatten(1).sum(1).mean()

    nats = -(moment(q) - moment(p)) / (2 * SIGMA**2)
    return float(nats / (p[0].numel() * math.log(2)))
    # END SOLUTION


# %% tags=["check:gap"]
plus_minus = torch.tensor([1, -1])[:, None, None, None] * torch.ones(2, 1, 2, 2) + 127.5
narrow, wide = (((plus_minus - 127.5) * width + 127.5).floor().to(torch.uint8) for width in (10, 20))
one = torch.eye(1, dtype=torch.float64)
assert near(second_order_gap(one, narrow, wide), GAP, 0.05), (
    "the outside images vary twice as much: the gap is negative"
)

# %% [markdown]
# ## In words
#
# ### 8 · Which assumption cost most? (5 points, marked by a person)
#
# Take two sets of images that the book does not use as a pair, for example FashionMNIST and MNIST, or the book's *Leaves* and *Plates* after a change of contrast. Predict the gap by item 7 with a matrix of your choice, and measure it with the book's constant-volume Glow, or with another flow. Write 200 to 400 words: the prediction, the measurement, and which assumption of the argument cost most (second order, the dropped linear term, one point of expansion, constant volume), with the experiment that shows it. Two points for prediction and measurement side by side, two for an assumption that was isolated by an experiment, one for saying how sure you are.

# %% [markdown] tags=["text:assumption"]
# *Write here, in place of this line.*

# %% [markdown]
# ### Help that you used
#
# Name the people you talked with and the programs you asked, and what for. This does not cost points.

# %% [markdown] tags=["text:help"]
# *Write here, in place of this line.*
