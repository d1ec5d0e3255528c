"""The numbers of a chapter's claims: kept when it is executed, and compared when it runs again on the same images.

nbval compares a claim's words alone, since the two pairs of data sets differ in numbers: a result could drift within
what its claim allows, and nobody would see it.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from likelab import claims


@contextlib.contextmanager
def recorded():
    """Inside, kernels that are started add their claims to a file, whose path is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims"
        os.environ[claims.RECORD] = str(path)
        try:
            yield path
        finally:
            del os.environ[claims.RECORD]


def read(path):
    """{id: {"values": [numbers and texts], "within": share or None}} of a file that claims were added to."""
    lines = Path(path).read_text("utf-8").splitlines() if Path(path).exists() else []
    told = [json.loads(line) for line in lines]
    return {claim.pop("id"): claim for claim in told}


def moved(nb, found, data):
    """Sentences, one for each claim of a run that is not what the notebook's outputs say; none where all is well.

    found: as `read` gives it; data: the pair of the run, as `execute.real_pair` describes it. Where it is another one
    than that of the outputs (more images, the published files), there is nothing to compare.
    """
    stored = nb.metadata.get("likelab", {})
    if not same(stored.get("fresh", {}).get("data", {}), data):
        return []
    return [
        f"claim {id} was {words(before)} and is {words(found[id]['values'])}, "
        f"and may move by {found[id]['within']:.0%}: find out why, or execute the chapter anew"
        for id, before in stored.get("claims", {}).items()
        if id in found and found[id]["within"] and not close(before, found[id]["values"], found[id]["within"])
    ]


def same(first, second):
    """Whether two descriptions of a pair are of the same images, whatever is known of where they come from."""
    return bool(first) and {k: str(v).split(": ")[0] for k, v in first.items()} == {
        k: str(v).split(": ")[0] for k, v in second.items()
    }


def close(before, now, within):
    """Whether texts are equal, and numbers within a share of the larger one."""
    return len(before) == len(now) and all(
        abs(a - b) <= within * max(abs(a), abs(b)) if isinstance(a, float) and isinstance(b, int | float) else a == b
        for a, b in zip(before, now, strict=True)
    )


def words(values):
    """As a claim's line shows them, with a digit more."""
    return ", ".join(f"{value:#.4g}" if isinstance(value, float) else str(value) for value in values)
