# %% [markdown]
# # A1 · A likelihood you can trust
#
# Two groups report bits per dimension, and one number is lower. Before anyone calls that progress, the numbers have to mean the same. In this assignment you write the pieces that a likelihood of images is made of, for a model whose conventions differ from those of the book, and you check that the pieces add up to one.
#
# <div class="admonition tip">
# <p class="admonition-title"><strong>You will</strong></p>
#
# - turn what a model reports, in whatever logarithm and on whatever scale, into bits per dimension (chapter 02);
# - cut a logistic distribution into grey levels, with its two open bins at the ends (chapter 03);
# - build the masks of a PixelCNN for any reading order, and find its blind spot (chapter 04);
# - prove on a tiny domain that probabilities sum to one, and say in words when two likelihoods may be compared.
#
# **Time** two to four hours. **Needs** chapters 02 to 04. **Points** 25 for code, marked by a program, and 5 for a text, marked by a person. **Cohort** @COHORT@: conventions in bold type are this cohort's own.
#
# </div>
#
# **How it is marked.** Every item has a visible check, which stands below it and carries points, and hidden checks, which carry the rest: they try other shapes, other inputs and the edges. Each answer is marked alone, so call none of your other answers from it: a mistake then costs you once. Arguments that are arrays of numbers are torch tensors, and they must stay as they are. What you give back may be a tensor, a NumPy array or numbers. Keep the names of the functions; add cells where you like.
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
# ## Units
#
# ### 1 · Bits per dimension (2 points)
#
# A model reports **@BASE_WORD@** of the probability of each image, **@PER_WORDS@**. Turn that into bits per dimension. `reported` has shape (N,), and `shape` is the (C, H, W) of one image; the result has shape (N,).


# %% tags=["item:bits"]
def bits_per_dim(reported, shape):
    """What the model reports, (N,), in bits per dimension, (N,).

    shape: (C, H, W) of an image.
    """
    # BEGIN SOLUTION
    colours, height, width = shape
    parts = {"image": 1, "pixel": height * width, "row": height}[PER]
    in_bits = reported * parts * math.log2(BASE)
    return -in_bits / (colours * height * width)
    # END SOLUTION


# %% tags=["check:bits"]
# A model that knows nothing of 256 grey levels pays 8 bits for each number.
# This is its report of an image (3, 4, 4).
report = torch.tensor([IGNORANT], dtype=torch.float64)
assert near(bits_per_dim(report, (3, 4, 4)), [8.0]), "the ignorant model costs 8 bits a dimension"

# %% [markdown]
# ### 2 · The bits of a density (3 points)
#
# A flow was trained on dequantised images, on a scale of its own: grey level $k$ of **@LEVELS@ levels** became $k + u$ with $u$ uniform in $[0, 1)$, and then the interval from 0 to @LEVELS@ was stretched to the interval from **@LOW@ to @HIGH@**. The flow gives the natural logarithm of its density there. Turn it into bits per dimension of the images with whole grey levels, so that it compares with a model of these. `dims` says how many numbers an image has, $C \cdot H \cdot W$.


# %% tags=["item:density"]
def bits_of_density(log_density, dims):
    """The natural logarithm of the density, in bits per dimension of whole grey levels.

    (N,) -> (N,)
    """
    # BEGIN SOLUTION
    width_of_level = (HIGH - LOW) / LEVELS
    in_nats = log_density + dims * math.log(width_of_level)
    return -in_nats / math.log(2) / dims
    # END SOLUTION


# %% tags=["check:density"]
# A flat density between LOW and HIGH in each of 12 dimensions
# gives every grey level the same probability.
flat = torch.tensor([FLAT], dtype=torch.float64)
assert near(bits_of_density(flat, 12), [math.log2(LEVELS)]), "a flat density costs log2(LEVELS) bits a dimension"

# %% [markdown]
# ## A distribution over grey levels
#
# ### 3 · The edges of the bins (3 points)
#
# Now a model of whole grey levels, **0 to @LAST_LEVEL@**. Level 0 lies at **@LOW@** and level @LAST_LEVEL@ at **@HIGH@**, the others evenly between them. Each level owns the bin around it, whose edges lie half-way to its neighbours; the bins at both ends are open, to $-\infty$ and to $\infty$.


# %% tags=["item:edges"]
def bin_edges(levels):
    """Lower and upper edge of each level's bin.

    Whole numbers of any shape -> two of the same shape.
    """
    # BEGIN SOLUTION
    k = torch.as_tensor(levels).double()
    spacing = (HIGH - LOW) / (LEVELS - 1)
    lower = LOW + (k - 0.5) * spacing
    upper = lower + spacing
    lower = lower.masked_fill(k == 0, -math.inf)
    return lower, upper.masked_fill(k == LEVELS - 1, math.inf)
    # END SOLUTION


# %% tags=["check:edges"]
lower, upper = bin_edges(torch.tensor([0, 1, LAST_LEVEL]))
half_a_step = WIDTH / LAST_LEVEL / 2
assert near(lower[1], LOW + half_a_step) and near(upper[1], LOW + 3 * half_a_step), "level 1 lies one step above LOW"
assert lower[0] == -math.inf and upper[2] == math.inf, "the outer bins are open"

# %% [markdown]
# ### 4 · A logistic, cut into grey levels (4 points)
#
# The probability of a level is what a logistic distribution puts into its bin. The model gives the logistic's mean, on the same scale, and the natural logarithm of its scale $s$; the distribution function of a logistic is $\sigma((y - \text{mean})/s)$. Give the natural logarithm of the probability. It has to be right far from the mean too, where the probability itself is smaller than what a computer can hold.


# %% tags=["item:logistic"]
def log_prob_of_levels(levels, mean, log_scale):
    """log-probability of whole grey levels, in nats.

    The arguments broadcast, to the result's shape.
    """
    # BEGIN SOLUTION
    k = torch.as_tensor(levels).double()
    spacing = (HIGH - LOW) / (LEVELS - 1)
    precision = torch.exp(-log_scale)
    below = (LOW + (k - 0.5) * spacing - mean) * precision
    above = (LOW + (k + 0.5) * spacing - mean) * precision
    first, last = (k == 0).expand_as(below), (k == LEVELS - 1).expand_as(below)
    below, above = below.masked_fill(first, -math.inf), above.masked_fill(last, math.inf)
    # sigma(b) - sigma(a) = sigma(b) sigma(-a) (1 - exp(a - b))
    both_sides = torch.nn.functional.logsigmoid(above) + torch.nn.functional.logsigmoid(-below)
    return both_sides + torch.log(-torch.expm1(below - above))
    # END SOLUTION


# %% tags=["check:logistic"]
middle = torch.tensor([MIDDLE], dtype=torch.float64)
wide = torch.log(torch.tensor([WIDTH], dtype=torch.float64))
upper_end = torch.tensor([LAST_LEVEL])
beyond = torch.sigmoid(-0.5 + 0.5 / torch.tensor([LAST_LEVEL], dtype=torch.float64))
assert near(log_prob_of_levels(upper_end, middle, wide), torch.log(beyond)), "the last bin holds all that lies beyond"

# %% [markdown]
# ### 5 · A mixture (2 points)
#
# A mixture has weights, the softmax of its logits, and in each component a log-probability. In this model the components lie along the **@AXIS_WORD@ axis** of both arguments, which have the same shape, with three axes. Give the log-probability of the mixture, which has two.


# %% tags=["item:mixture"]
def log_mixture(logits, log_probs):
    """log of the weighted mean of the components' probabilities; their axis goes."""
    # BEGIN SOLUTION
    weights = torch.log_softmax(logits, AXIS)
    return torch.logsumexp(weights + log_probs, AXIS)
    # END SOLUTION


# %% tags=["check:mixture"]
pair_logits = torch.tensor([0.0, math.log(3)], dtype=torch.float64).reshape(PAIR_SHAPE)
pair_logs = torch.tensor([math.log(0.2), math.log(0.4)], dtype=torch.float64).reshape(PAIR_SHAPE)
assert near(log_mixture(pair_logits, pair_logs), [[math.log(0.35)]]), (
    "a quarter of 0.2 and three quarters of 0.4 are 0.35"
)

# %% [markdown]
# ## What a PixelCNN may see
#
# ### 6 · The mask of a layer (4 points)
#
# This PixelCNN reads an image **@READING_WORDS@**. Images store their colours as red, green, blue, and within a pixel the model reads **@ORDER_WORDS@**. In a layer with more than three channels, channel $c$ belongs to the colour that is stored at place $c$ modulo 3.
#
# Give the mask of a layer's weights, with shape (outputs, inputs, size, size) as PyTorch's, `size` odd: 1 where an output may see an input, 0 where not. Pixels earlier in the reading order may be seen in all their channels, later ones in none. At the centre, the layer's kind decides: in kind "A", the first layer, an output sees the colours that are read before its own; in kind "B" its own as well.


# %% tags=["item:mask"]
def layer_mask(kind, outputs, inputs, size):
    """Mask of a layer's weights, of ones and zeros. kind: "A" or "B".

    -> (outputs, inputs, size, size)
    """
    # BEGIN SOLUTION
    offset = torch.arange(size) - size // 2
    down, right = offset[:, None].expand(size, size), offset[None, :].expand(size, size)
    major, minor = {
        "rows, right to left": (down, -right),
        "rows, upwards": (-down, right),
        "columns": (right, down),
        "columns, upwards": (right, -down),
    }[READING]
    place_in_order = torch.tensor([ORDER.index(colour) for colour in ("red", "green", "blue")])
    of_output, of_input = (place_in_order[torch.arange(count) % 3] for count in (outputs, inputs))
    at_centre = of_input[None] < of_output[:, None] if kind == "A" else of_input[None] <= of_output[:, None]
    mask = ((major < 0) | ((major == 0) & (minor < 0))).expand(outputs, inputs, size, size).clone()
    mask[:, :, size // 2, size // 2] = at_centre
    return mask.double()
    # END SOLUTION


# %% tags=["check:mask"]
mask_a, mask_b = (torch.as_tensor(layer_mask(kind, 3, 3, 3)).double() for kind in "AB")
assert mask_a.shape == mask_b.shape == (3, 3, 3, 3), "a mask has the shape of the weights"
assert mask_a.sum() == 9 * 4 + 3 and mask_b.sum() == 9 * 4 + 6, (
    "four of eight neighbours, and some colours of the centre"
)
assert mask_a[:, :, 1, 1].diagonal().sum() == 0, "in kind A no colour sees itself"
assert mask_a[:, :, MASK_ROW, MASK_COLUMN].all(), "the pixel that was read last is seen in all its colours"

# %% [markdown]
# ### 7 · The blind spot (3 points)
#
# A stack of masked layers does not see all that it may. Take images of one colour, `side` pixels high and wide, `side` odd, read in the same order as above. The stack has one layer of kind "A" and then `layers` − 1 of kind "B", with square kernels of the given size and one channel; what lies outside the image is zero in every layer. Which pixels can change what the stack gives at the middle pixel?


# %% tags=["item:seen"]
def seen(layers, size, side):
    """Which pixels the output at the middle pixel depends on: bool (side, side)."""
    # BEGIN SOLUTION
    half, middle = size // 2, side // 2
    before = {
        "rows, right to left": lambda i, j: (i, -j) < (0, 0),
        "rows, upwards": lambda i, j: (-i, j) < (0, 0),
        "columns": lambda i, j: (j, i) < (0, 0),
        "columns, upwards": lambda i, j: (j, -i) < (0, 0),
    }[READING]
    steps = [(i, j) for i in range(-half, half + 1) for j in range(-half, half + 1) if before(i, j)]
    reached = {(middle, middle)}
    for layer in range(layers, 0, -1):
        allowed = [*steps, (0, 0)] if layer > 1 else steps
        moved = {(row + i, column + j) for row, column in reached for i, j in allowed}
        reached = {place for place in moved if min(place) >= 0 and max(place) < side}
    found = torch.zeros(side, side, dtype=torch.bool)
    for place in reached:
        found[place] = True
    return found
    # END SOLUTION


# %% tags=["check:seen"]
view = torch.as_tensor(seen(2, 3, 7))
assert view.shape == (7, 7) and not view[3, 3], "the middle pixel itself must not be seen"
assert view[VIEW_ROW, VIEW_COLUMN], "the pixel that was read last is seen"
assert view.sum() == 11, "two layers of size 3 see 11 pixels of an image of 7 by 7"

# %% [markdown]
# ## Does it sum to one?
#
# ### 8 · The total (4 points)
#
# A likelihood that does not sum to one is a score, whatever it is called. On a domain that is small enough this can be proved by counting. Take all images of shape **@TINY_SHAPE@**, (C, H, W), with **grey levels 0 to @TINY_LAST@**. `log_prob` is a model: a function of images, uint8 of shape (N, C, H, W), that gives their log-probabilities in nats, (N,). Give the sum of the probabilities of all images, as one number.


# %% tags=["given:fair"]
def fair(images):
    """A model that gives each of the HOW_MANY images the same probability."""
    return torch.full((len(images),), -math.log(HOW_MANY), dtype=torch.float64)


# %% tags=["item:total"]
def total_probability(log_prob):
    """The sum of the probabilities of all images of the domain, a number."""
    # BEGIN SOLUTION
    numbers = math.prod(TINY_SHAPE)
    every = torch.cartesian_prod(*[torch.arange(TINY_LEVELS)] * numbers)
    images = every.to(torch.uint8).reshape(-1, *TINY_SHAPE)
    return float(torch.as_tensor(log_prob(images)).double().exp().sum())
    # END SOLUTION


# %% tags=["check:total"]
assert near(total_probability(fair), 1.0), "a model that gives all images the same probability sums to one"

# %% [markdown]
# ## In words
#
# ### 9 · May they be compared? (5 points, marked by a person)
#
# A colleague writes: "Their model reaches 3.5, ours reaches 3.5, so they are equally good." One is a flow, the other a variational autoencoder. Explain to the colleague in 150 to 300 words why the two numbers may not compare. Name at least three things to ask before comparing them, and for one of them estimate with numbers how much it can change. One point for each question that matters, up to three; one for the estimate; one for a colleague who understands it.

# %% [markdown] tags=["text:compare"]
# *Write here, in place of this line.*

# %% [markdown]
# ### Help that you used
#
# Name the people you talked with and the programs you asked, and what for. This does not cost points.

# %% [markdown] tags=["text:help"]
# *Write here, in place of this line.*
