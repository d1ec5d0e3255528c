"""Readers of the official file formats: files in, arrays out, or one DataError that says what is wrong.

A file can be anything. So no more is unpacked of it than a complete set can hold, nothing is allocated for a size
that merely stands in a header, and nothing is ever unpickled.
"""

import contextlib
import gzip
import hashlib
import posixpath
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from likelab.errors import DataError


class File:
    """One file of a data set, where it lies: a path, or a member of the tar archive at that path.

    `digest` is the SHA-256 of the content in hexadecimal: as given, else known after it was read; "" before that.
    """

    def __init__(self, path: Path, member: str = "", digest: str = ""):
        self.path, self.member, self.digest = Path(path), member, digest

    def __str__(self) -> str:
        return f"{self.path}, member {self.member}" if self.member else str(self.path)

    def read(self, at_most: int) -> bytes:
        """The content, unpacked where it is gzipped.

        Raises ValueError where it is empty or longer than `at_most` bytes, and whatever reading raises.
        """
        pieces, size = [], 0
        with self._open() as file, gzip.open(file) if file.peek(2)[:2] == b"\x1f\x8b" else file as stream:
            while piece := stream.read(1 << 20):  # in pieces: a read of all allocates it first
                pieces.append(piece)
                size += len(piece)
                if size > at_most:
                    break
        if not 0 < size <= at_most:
            raise ValueError(f"{'more bytes' if size else '0 bytes'} where 1 to {at_most:,} are possible")
        content = b"".join(pieces)
        self.digest = self.digest or hashlib.sha256(content).hexdigest()
        return content

    @contextlib.contextmanager
    def _open(self):
        if not self.member:
            with self.path.open("rb") as file:
                yield file
            return
        with tarfile.open(self.path) as archive:  # nothing is unpacked to the disk: paths and links have no effect
            found = (item for item in archive if item.isreg() and posixpath.normpath(item.name) == self.member)
            if not (item := next(found, None)):
                raise ValueError("an archive without it")
            yield archive.extractfile(item)


@contextlib.contextmanager
def _reading(file: File, expected: str) -> Iterator[None]:
    """Turn whatever goes wrong while `file` is read into one DataError."""
    try:
        yield
    except Exception as error:  # scipy, gzip and tarfile have many words for a file that is none
        found = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        remedy = "Replace the file, or remove it: the official one is then downloaded."
        raise DataError.about(file, expected, found, remedy) from error


def read_cifar10(files: list[File], total: int) -> tuple[np.ndarray, np.ndarray]:
    """Read record files of CIFAR-10's binary version: 1 label byte, then 3 × 32 × 32 pixels, channel first.

    Returns images, uint8 (N, 3, 32, 32), and labels, int64 (N,), N <= total, in the order of the files. Raises
    DataError. Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    parts, left = [], total
    for file in files:
        with _reading(file, f"1 to {left:,} whole records of 3,073 bytes with labels 0 to 9"):
            values = np.frombuffer(file.read(left * 3073), np.uint8)
            if len(values) % 3073:
                raise ValueError(f"{len(values) // 3073:,} records and {len(values) % 3073:,} bytes more")
            parts.append(values.reshape(-1, 3073))
            worst = parts[-1][:, 0].argmax()
            if parts[-1][worst, 0] > 9:
                raise ValueError(f"label {parts[-1][worst, 0]} in record {worst:,}")
            left -= len(parts[-1])
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def read_svhn(files: list[File], total: int) -> tuple[np.ndarray, np.ndarray]:
    """Read cropped digits of SVHN: a MATLAB 5 file with X (32, 32, 3, N) and y (N, 1), 10 for the digit 0.

    Returns images, uint8 (N, 3, 32, 32), and labels, int64 (N,), 0 for the digit 0; N <= total. Raises DataError.
    Source: http://ufldl.stanford.edu/housenumbers/
    """
    (file,) = files
    with _reading(file, f"a MATLAB 5 file with X, uint8 (32, 32, 3, N), and y, 1 to 10, (N, 1), N <= {total:,}"):
        largest = total * 3072 + 1024
        arrays = _mat_arrays(file.read(2 * largest), largest)
        if not {"X", "y"} <= arrays.keys():
            raise ValueError(f"the variables {', '.join(sorted(arrays)) or '(none)'}")
        images, labels = arrays["X"], arrays["y"]
        n = labels.size
        right = images.dtype == np.uint8 and images.shape == (32, 32, 3, n) and labels.shape == (n, 1)
        if not right or not 0 < n <= total:
            raise ValueError(f"X {images.dtype} {images.shape} and y {labels.dtype} {labels.shape}")
        if not np.isin(labels, range(1, 11)).all():
            raise ValueError("a label that is none of 1 to 10")
        return images.transpose(3, 2, 0, 1), labels[:, 0].astype(np.int64) % 10


# By hand: scipy's loadmat allocates and unpacks whatever a few bytes ask for, and one wrong byte in a type of numbers
# ends the whole process (a segmentation fault in scipy 1.17). The tests compare with it.

_NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}


def _mat_arrays(mat, largest):
    """The arrays of a MATLAB 5 file, by name. `largest`: bytes that one of them can have, unpacked."""
    if mat[:10] != b"MATLAB 5.0" or mat[124:128] != b"\x00\x01IM":
        raise ValueError(f"a file that begins with {mat[:10]!r}")
    arrays = {}
    for kind, element in _mat_elements(memoryview(mat)[128:]):
        if kind == 15:  # compressed
            stream = zlib.decompressobj()
            unpacked = stream.decompress(element, largest)
            if not stream.eof or stream.unused_data:
                raise ValueError(f"a compressed element that is cut off, or has more than {largest:,} bytes")
            ((kind, element),) = _mat_elements(memoryview(unpacked))
        parts = list(_mat_elements(element)) if kind == 14 else []
        if len(parts) != 4:
            raise ValueError(f"an element of type {kind} where an array of numbers should be")
        (_, flags), (_, shape), (_, name), (kind, numbers) = parts
        (flags,) = struct.unpack_from("<I", flags)
        if flags & 0x800 or not 6 <= flags & 0xFF <= 15 or kind not in _NUMBERS:  # complex; text, structs, cells …
            raise ValueError(f"{bytes(name[:20])!r}, which is not an array of real numbers")
        values = np.frombuffer(numbers, _NUMBERS[kind])
        arrays[bytes(name).decode("latin1")] = values.reshape(np.frombuffer(shape, "<u4"), order="F")
    return arrays


def _mat_elements(buffer):
    """(type, content) of each element in a part of a MATLAB 5 file."""
    position = 0
    while position < len(buffer):
        kind, size = struct.unpack_from("<II", buffer, position)
        start, end = position + 8, position + 8 + size
        position = end if kind == 15 else end + -size % 8  # all but compressed ones are filled up to whole eights
        if kind >> 16:  # at most four bytes stand in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            start, end, position = start - 4, start - 4 + size, start
        if end > len(buffer) or end - start > 4 and position == start + 4:
            raise ValueError(f"an element of {size:,} bytes where {len(buffer) - start:,} are left")
        yield kind, buffer[start:end]


def read_idx(files: list[File], total: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the two idx files of MNIST or FashionMNIST, gzipped or not: images, then labels.

    Returns images, uint8 (N, 1, 28, 28), and labels, int64 (N,), N <= total. Raises DataError.
    Source: http://yann.lecun.com/exdb/mnist/
    """
    images = _read_idx_file(files[0], 2051, (28, 28), total)
    labels = _read_idx_file(files[1], 2049, (), total)
    with _reading(files[1], f"{len(images):,} labels from 0 to 9, one for each image"):
        if len(labels) != len(images) or labels.max() > 9:
            raise ValueError(f"{len(labels):,} labels up to {labels.max()}")
    return images[:, None], labels.astype(np.int64)


def _read_idx_file(file, magic, shape, total):
    header, size = 8 + 4 * len(shape), int(np.prod(shape))
    with _reading(file, f"an idx file, magic number {magic}, at most {total:,} items of shape {shape}"):
        content = file.read(header + total * size)
        found, n, *dims = struct.unpack_from(f">{header // 4}I", content)
        if found != magic or tuple(dims) != shape or not 0 < n <= total or len(content) != header + n * size:
            raise ValueError(f"magic number {found}, {n:,} items of shape {tuple(dims)}, {len(content):,} bytes")
        return np.frombuffer(content, np.uint8, offset=header).reshape(n, *shape)
