"""Writing files: whole or not at all, whatever happens in between."""

import contextlib
import os
import tempfile
from pathlib import Path

from likelab.errors import DataError


def write(path, content) -> None:
    """Write bytes, or text as UTF-8 with plain line feeds, to `path`: beside it first, then in its place.

    A full disk or a killed process leaves what was there before. Links are followed, rights are kept. Raises DataError,
    in one line that names the file and the reason, where it cannot be written.
    """
    place = Path(os.path.realpath(path))  # to put a file in the place of a link would leave the link's file behind
    content = content.encode() if isinstance(content, str) else content
    beside = None
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent)
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, place.stat().st_mode & 0o777 if place.exists() else 0o666 & ~_umask())
        os.replace(beside, place)
    except OSError as error:
        remedy = "What was there before is untouched: make room or set the rights, then do it again."
        raise DataError.about(path, "a place to write to", error.strerror or error, remedy) from error
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):
                os.unlink(beside)  # gone already where all went well


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
