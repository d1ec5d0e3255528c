"""What authors and publishers run, from the repository's root; none of it is needed to read or to run a chapter."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book"))  # where chapters run, and import likelab from

if named := os.environ.get("LIKELAB_DATA"):  # tools run in the root and kernels in book/: the same folder for both
    os.environ["LIKELAB_DATA"] = os.path.abspath(os.path.expanduser(named))
