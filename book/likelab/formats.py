"""Readers of the official file formats: bytes in, arrays out, or one DataError that says what is wrong.

A download can be anything. So a size that stands in a file is compared with what the file can hold before
anything is allocated for it, a compressed stream is unpacked no further, and nothing is ever unpickled.
"""

import contextlib
import struct
import zlib

import numpy as np

from likelab.errors import DataError


@contextlib.contextmanager
def _reading(path, expected):
    """Turn whatever goes wrong while `path` is read into one DataError."""
    try:
        yield
    except (ValueError, struct.error, zlib.error, OSError) as error:
        found = error.strerror if isinstance(error, OSError) and error.strerror else error
        remedy = "Replace the file, or remove it: the official one is then downloaded."
        raise DataError.about(path, expected, found, remedy) from error


def _contents(path, at_most):
    size = path.stat().st_size
    if not 0 < size <= at_most:
        raise ValueError(f"{size:,} bytes where 1 to {at_most:,} are possible")
    return path.read_bytes()


class _Inflating:
    """A compressed stream, read piece by piece: never more is unpacked than was asked for."""

    def __init__(self, compressed, wbits=zlib.MAX_WBITS):
        self._stream, self._rest = zlib.decompressobj(wbits), compressed

    def read(self, size):
        piece = self._stream.decompress(self._rest, size) if size else b""  # to zlib, 0 means without limit
        self._rest = self._stream.unconsumed_tail
        if len(piece) < size:
            raise ValueError(f"a compressed stream that ends {size - len(piece):,} bytes early")
        return piece

    def end(self):
        """Nothing may follow. Only here, at its end, does zlib compare the stream with its checksum."""
        if self._stream.decompress(self._rest, 1) or self._stream.unused_data:
            raise ValueError("more bytes than the header promises")
        if not self._stream.eof:
            raise ValueError("a compressed stream without its end")


# --- CIFAR-10 ------------------------------------------------------------------------------------------


def read_cifar10(paths, total):
    """Read record files of CIFAR-10's binary version: 1 label byte, then 3 × 32 × 32 pixels, channel first.

    Of `paths` those that exist are read, in order; each holds at most its share of `total` images.
    Returns uint8 (N, 3, 32, 32) and int64 (N,). Raises DataError.
    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    parts = []
    for path in [path for path in paths if path.exists()] or paths[:1]:
        with _reading(path, "whole records of 3,073 bytes with labels 0 to 9"):
            values = np.frombuffer(_contents(path, total // len(paths) * 3073), np.uint8)
            if len(values) % 3073:
                raise ValueError(f"{len(values) // 3073:,} records and {len(values) % 3073:,} bytes more")
            records = values.reshape(-1, 3073)
            worst = records[:, 0].argmax()
            if records[worst, 0] > 9:
                raise ValueError(f"label {records[worst, 0]} in record {worst:,}")
            parts.append(records)
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


# --- SVHN ----------------------------------------------------------------------------------------------
# scipy.io.loadmat allocates what a header asks for, up to 4 GB for a field of a few bytes. Only two arrays of
# numbers are wanted here, so they are taken from the file step by step. The tests compare with scipy.

_COMPRESSED, _ARRAY = 15, 14  # types of the outer elements of a MATLAB 5 file
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "<i2",
    4: "<u2",
    5: "<i4",
    6: "<u4",
    7: "<f4",
    9: "<f8",
    12: "<i8",
    13: "<u8",
}
_DEFLATE = 1032  # no byte of a compressed stream yields more


def read_svhn(paths, total):
    """Read cropped digits of SVHN: a MATLAB 5 file with X (32, 32, 3, N) and y (N, 1), 10 for the digit 0.

    Returns uint8 (N, 3, 32, 32) and int64 (N,), 0 for the digit 0; N <= total. Raises DataError.
    Source: http://ufldl.stanford.edu/housenumbers/
    """
    (path,) = paths
    with _reading(path, f"a MATLAB 5 file with X, uint8 (32, 32, 3, N), and y, 1 to 10, (N, 1), N <= {total:,}"):
        arrays = _mat_arrays(path, largest=total * 3072 + 1024)
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


def _mat_arrays(path, largest):
    """All arrays of a MATLAB 5 file, by name. `largest`: bytes of the largest one there can be."""
    file = memoryview(_contents(path, 2 * largest))
    if file[:10] == b"MATLAB 7.3":
        raise ValueError("a file of MATLAB 7.3 (its save -v7 writes the right one)")
    if file[:10] != b"MATLAB 5.0" or file[124:128] != b"\x00\x01IM":
        raise ValueError(f"a file that begins with {bytes(file[:10])!r}")
    arrays, position = {}, 128
    while position < len(file):
        kind, content, position = _mat_element(file, position)
        if kind == _COMPRESSED:
            stream = _Inflating(content)
            kind, size = struct.unpack("<II", stream.read(8))
            if size > min(largest, _DEFLATE * len(content)):
                raise ValueError(f"an array of {size:,} bytes packed into {len(content):,}")
            content = memoryview(stream.read(size))
            stream.end()
        if kind != _ARRAY:
            raise ValueError(f"an element of type {kind} where an array should be")
        name, values = _mat_array(content)
        arrays[name] = values
    return arrays


def _mat_element(buffer, position):
    """The element that begins at `position`: its type, its bytes, and where it ends."""
    kind, size = struct.unpack_from("<II", buffer, position)
    start = position + 8
    if kind >> 16:  # at most four bytes stand in the tag itself
        kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
    if size > len(buffer) - start or (start == position + 4 and size > 4):
        raise ValueError(f"an element of {size:,} bytes where {len(buffer) - start:,} are left")
    return kind, buffer[start : start + size], start + size


def _mat_array(content):
    """Name and values of an array. It consists of four elements, each filled up to whole eights of bytes."""
    parts, end = [], 0
    for _ in ("flags", "shape", "name", "numbers"):
        kind, part, end = _mat_element(content, -(-end // 8) * 8)
        parts.append(part)
    flags, shape, name, numbers = parts
    (flags,) = struct.unpack_from("<I", flags)
    is_complex, is_numeric = flags & 0x800, 6 <= flags & 0xFF <= 15
    if is_complex or not is_numeric or kind not in _NUMBERS:
        raise ValueError(f"{bytes(name[:20])!r}, which is not an array of real numbers")
    values = np.frombuffer(numbers, _NUMBERS[kind])
    return bytes(name).decode("latin1"), values.reshape(np.frombuffer(shape, "<u4"), order="F")


# --- MNIST and FashionMNIST ----------------------------------------------------------------------------


def read_idx(paths, total):
    """Read the two gzipped idx files of MNIST or FashionMNIST: images, then labels.

    Returns uint8 (N, 1, 28, 28) and int64 (N,), N <= total. Raises DataError.
    Source: http://yann.lecun.com/exdb/mnist/
    """
    images = _read_idx_file(paths[0], 2051, (28, 28), total)
    labels = _read_idx_file(paths[1], 2049, (), total)
    with _reading(paths[1], f"{len(images):,} labels from 0 to 9, one for each image"):
        if len(labels) != len(images) or labels.max() > 9:
            raise ValueError(f"{len(labels):,} labels up to {labels.max()}")
    return images[:, None], labels.astype(np.int64)


def _read_idx_file(path, magic, shape, total):
    size = int(np.prod(shape))
    with _reading(path, f"a gzipped idx file, magic number {magic}, at most {total:,} items of shape {shape}"):
        stream = _Inflating(_contents(path, total * size + 65536), wbits=zlib.MAX_WBITS + 16)
        found, n, *dims = struct.unpack(f">{2 + len(shape)}I", stream.read(8 + 4 * len(shape)))
        if found != magic or tuple(dims) != shape or not 0 < n <= total:
            raise ValueError(f"magic number {found}, {n:,} items of shape {tuple(dims)}")
        values = np.frombuffer(stream.read(n * size), np.uint8)
        stream.end()
        return values.reshape(n, *shape)
