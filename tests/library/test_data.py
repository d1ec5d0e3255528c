"""The data sets as they should be: readers against other readers, the real images, the command line, and noise."""

import gzip
import os
import re
import struct
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from likelab import data, download
from likelab.errors import DataError
from likelab.formats import read_cifar10, read_idx, read_svhn
from tests.support import data_servers

SVHN = "svhn/test_32x32.mat"


@pytest.fixture
def world(monkeypatch, tmp_path):
    with data_servers.small_world(monkeypatch, tmp_path / "home") as world:
        yield world


# --- What the readers read -----------------------------------------------------------------------------


def test_cifar10_is_read_as_it_is_described(tmp_path):
    """One label byte, then the red, green and blue of 32 rows of 32 pixels."""
    content = data_servers.cifar_file(3)
    images, labels = read_cifar10([data_servers.put(tmp_path, "a.bin", content)], 10_000)
    assert images.shape == (3, 3, 32, 32) and images.dtype == np.uint8
    record, channel, row, column = 2, 1, 30, 7
    assert images[record, channel, row, column] == content[3073 * record + 1 + 1024 * channel + 32 * row + column]
    assert labels.tolist() == [0, 1, 2] and labels.dtype == np.int64


def test_the_batches_of_cifar10_keep_their_order(tmp_path):
    parts = [data_servers.cifar_file(4, seed) for seed in range(5)]
    paths = [data_servers.put(tmp_path, f"{i}.bin", part) for i, part in enumerate(parts)]
    paths[3].unlink()  # a partial set may lack a file
    images, _ = read_cifar10(paths, 50_000)
    alone = [read_cifar10([path], 10_000)[0] for path in paths if path.exists()]
    assert np.array_equal(images, np.concatenate(alone)) and len(images) == 16


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("label_type", ["u1", "i4", "u2", "i8", "f8"])
def test_svhn_is_read_as_scipy_reads_it(tmp_path, compress, label_type):
    labels = (np.arange(5)[:, None] + 6).astype(label_type)
    path = data_servers.put(
        tmp_path, "a.mat", data_servers.svhn_file(5, compress=compress, y=labels, further=np.ones(9))
    )
    images, labels = read_svhn([path], 26_032)
    expected = scipy.io.loadmat(path)
    assert np.array_equal(images, expected["X"].transpose(3, 2, 0, 1))
    assert labels.tolist() == [6, 7, 8, 9, 0] and labels.dtype == np.int64


def test_idx_is_read_as_it_is_described(tmp_path):
    packed = data_servers.zipped(data_servers.idx_images(3)), data_servers.zipped(data_servers.idx_labels(3))
    paths = [data_servers.put(tmp_path, str(i), content) for i, content in enumerate(packed)]
    images, labels = read_idx(paths, 10_000)
    assert (
        images.shape == (3, 1, 28, 28) and images[2, 0, 20, 5] == data_servers.idx_images(3)[16 + 2 * 784 + 20 * 28 + 5]
    )
    assert labels.tolist() == [0, 1, 2] and labels.dtype == np.int64


# --- Sets of images ------------------------------------------------------------------------------------


def test_a_set_of_images(world):
    world.publish_cifar()
    images = data.load("cifar10", "train")
    assert (images.name, images.split, images.total, images.real) == ("CIFAR-10", "train", 50_000, True)
    assert images.images.dtype == torch.uint8 and images.labels.dtype == torch.int64
    assert images.images.is_contiguous() and len(images) == 100
    assert images.count == "100 of 50,000 images"
    part = images[10:30]
    assert part.count == "20 of 50,000 images" and part.name == "CIFAR-10"
    assert torch.equal(part.images, images.images[10:30]) and torch.equal(part.labels, images.labels[10:30])
    with pytest.raises(TypeError, match="slice"):
        images[3]
    assert len(repr(images)) < 200, "a set should not print its pixels"


@pytest.mark.parametrize(("name", "split"), [("cifar100", "train"), ("mnist", "valid"), ("CIFAR-10", "train")])
def test_an_unknown_set(name, split):
    with pytest.raises(ValueError, match="choose from cifar10, svhn, mnist, fashionmnist, leaves, plates"):
        data.load(name, split)


@pytest.mark.parametrize("name", ["leaves", "plates"])
def test_a_standin(name):
    images = data.load(name, "test")
    assert images.images.shape == (1000, 3, 32, 32) and images.images.dtype == torch.uint8
    assert images.labels.shape == (1000,) and images.labels.dtype == torch.int64
    assert (images.name, images.real, images.count) == (name.title(), False, "1,000 of 1,000 images")


def test_every_download_has_a_published_checksum_and_a_mirror():
    for source in data.SOURCES.values():
        for _, files in source.splits.values():
            assert all(download.CHECKSUMS[file][0] > 4000 for file in files)
            for needed in download.downloads(files):
                assert re.fullmatch("[0-9a-f]{64}", download.CHECKSUMS[needed][1])
                assert len(download.ADDRESSES[Path(needed).parts[0]]) >= 2


def test_sizes_of_the_published_files_agree_with_what_they_hold():
    """Records of CIFAR-10 are not compressed, so their number is known from the size."""
    for split, total in (("train", 50_000), ("test", 10_000)):
        _, files = data.SOURCES["cifar10"].splits[split]
        assert sum(download.CHECKSUMS[file][0] for file in files) == 3073 * total


# --- The real images -----------------------------------------------------------------------------------

DATA = os.environ.get("LIKELAB_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="the real images are not here: LIKELAB_DATA is not set")


@needs_data
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", list(data.SOURCES))
def test_real_images(name, split):
    images = data.load(name, split)
    shape = (3, 32, 32) if name in ("cifar10", "svhn") else (1, 28, 28)
    assert images.images.shape == (len(images), *shape) and images.real
    assert 500 <= len(images) <= images.total
    assert sorted(images.labels.unique().tolist()) == list(range(10))
    assert 20 < images.images.double().mean() < 180


@needs_data
def test_real_cifar10_has_its_known_colours():
    mean = data.load("cifar10", "train").images[:4000].double().mean((0, 2, 3))
    assert torch.allclose(mean, torch.tensor([125.4, 122.9, 113.4], dtype=torch.double), atol=1.5)


@needs_data
def test_real_images_stand_upright():
    """A flat sky is above and a busy ground below; nothing of the kind tells left from right."""
    images = data.load("cifar10", "test").images.double()
    rows, columns = images.mean((0, 1, 3)), images.mean((0, 1, 2))
    assert rows[:8].mean() - rows[-8:].mean() > 5
    assert abs(columns[:8].mean() - columns[-8:].mean()) < 3
    digits = data.load("mnist", "test")
    ones = digits.images[digits.labels == 1].double().mean((0, 1))
    assert ones.std(1).mean() > 1.5 * ones.std(0).mean(), "a one is a vertical line"


@needs_data
def test_real_svhn_agrees_with_scipy():
    path = Path(DATA) / SVHN
    if not path.exists():
        pytest.skip(f"no {SVHN} in LIKELAB_DATA")
    expected = scipy.io.loadmat(path)
    images = data.load("svhn", "test")
    assert np.array_equal(images.images.numpy(), expected["X"].transpose(3, 2, 0, 1))
    assert np.array_equal(images.labels.numpy(), expected["y"][:, 0] % 10)


@needs_data
def test_the_real_pair(monkeypatch, capsys):
    monkeypatch.delenv("LIKELAB_PAIR", raising=False)
    data.pair.cache_clear()
    pair = data.pair()
    data.pair.cache_clear()
    said = capsys.readouterr().out
    assert pair.real and said.count("\n") == 1 and DATA not in said
    everything = data.load("cifar10", "train")
    assert torch.equal(torch.cat([pair.train.images, pair.validation.images]), everything.images[:4000])
    assert [len(part) for part in (pair.train, pair.validation, pair.inside, pair.outside)] == [3600, 400, 1000, 1000]
    assert [part.name for part in (pair.inside, pair.outside)] == ["CIFAR-10", "SVHN"]
    assert {part.split for part in (pair.inside, pair.outside)} == {"test"}


def test_the_pair_of_standins(monkeypatch, capsys):
    monkeypatch.setenv("LIKELAB_PAIR", "standin")
    data.pair.cache_clear()
    pair = data.pair()
    data.pair.cache_clear()
    assert capsys.readouterr().out.count("Leaves train 4,000 of 4,000 images") == 1
    assert [part.count for part in (pair.train, pair.validation)] == ["3,600 of 4,000 images", "400 of 4,000 images"]
    assert (pair.outside.name, pair.outside.split, len(pair.outside)) == ("Plates", "test", 1000)
    train, inside = pair.train.images.flatten(1), pair.inside.images.flatten(1)
    known = {image.numpy().tobytes() for image in train}
    assert not any(image.numpy().tobytes() in known for image in inside), "test images among the training images"


# --- The command line ----------------------------------------------------------------------------------


def test_listing_an_empty_cache(world, capsys):
    assert data.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and all("not here; python -m likelab.data" in line for line in lines)
    assert not world.server.visits and not world.cache.exists()


def test_fetching_by_name_and_listing(world, capsys):
    world.publish_svhn("train", n=30)
    world.publish_svhn("test")
    assert data.main(["svhn"]) == 0
    output, errors = capsys.readouterr()
    assert "30 of 73,257 images" in output and "20 of 26,032 images" in output and str(world.cache) in output
    last_words = [line.rpartition("\r")[2] for line in errors.rstrip("\n").split("\n")]
    assert len(last_words) == 2 and all("100%" in line for line in last_words), "one line a file should be left"
    visits = dict(world.server.visits)
    assert data.main(["svhn"]) == 0 and data.main([]) == 0
    assert dict(world.server.visits) == visits, "what is here was downloaded again"


def test_a_failed_download_leaves_no_bar(world, capsys):
    content = world.publish_svhn()
    world.publish_svhn("train")
    world.answer(SVHN, data_servers.breaks_off(content))
    assert data.main(["svhn"]) == 1
    output, errors = capsys.readouterr()
    assert "20 of 73,257" in output and "expected" in output and "the connection broke off" in output
    assert errors.count("\n") == 1


def test_verifying(world, monkeypatch, tmp_path, capsys):
    content = world.publish_svhn()
    data.load("svhn", "test")
    data_servers.put(tmp_path / "own", "svhn/train_32x32.mat", data_servers.svhn_file(7))
    monkeypatch.setenv("LIKELAB_DATA", str(tmp_path / "own"))
    assert data.main(["--verify"]) == 0
    output = capsys.readouterr().out
    assert "7 of 73,257 images, partial, not the published files, but readable" in output
    assert "20 of 26,032 images, partial, as published" in output
    data_servers.put(world.cache, SVHN, content[:-1] + b"!")
    assert data.main(["--verify"]) == 1
    assert f"{world.cache / SVHN}: expected" in capsys.readouterr().out


def test_listing_a_wrong_file_of_the_reader(world, monkeypatch, tmp_path, capsys):
    path = data_servers.put(tmp_path / "own", SVHN, data_servers.svhn_file()[:-7])
    monkeypatch.setenv("LIKELAB_DATA", str(tmp_path / "own"))
    assert data.main([]) == 1
    assert f"{path}: expected" in capsys.readouterr().out


def test_an_unknown_name_on_the_command_line(world, capsys):
    with pytest.raises(SystemExit, match="2"):
        data.main(["cifar100"])
    assert "no set is called cifar100" in capsys.readouterr().err


# --- Noise ---------------------------------------------------------------------------------------------
# Valid files, changed at random. A reader gives images or a DataError, and nothing else, and takes no more
# memory than the size of the file warrants.


@st.composite
def changed(draw, content):
    """A copy of `content` with some bytes changed, taken out, put in, or cut off at the end."""
    changed = bytearray(content)
    near_start = st.integers(0, min(len(content), 200) - 1)  # where the headers are
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.one_of(near_start, st.integers(0, len(content) - 1)))
        some = draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, b"\0" * 4])))
        match draw(st.sampled_from(["change", "change", "change", "insert", "delete", "cut"])):
            case "change":
                changed[position : position + len(some)] = some
            case "insert":
                changed[position:position] = some
            case "delete":
                del changed[position : position + len(some)]
            case "cut":
                del changed[position:]
    return bytes(changed)


def repacked(mat):
    """A MATLAB file whose one array is compressed. The noise comes before, so no checksum catches it."""
    packed = zlib.compress(mat[128:], 1)
    return mat[:128] + struct.pack("<II", 15, len(packed)) + packed


def check(read, contents, total, shape):
    """Read files with these contents: whatever they are, the outcome is images or a DataError."""
    paths = [data_servers.put(FOLDER.name, str(i), content) for i, content in enumerate(contents)]
    warranted = 12 * sum(map(len, contents)) + 300_000
    tracemalloc.start()
    try:
        images, labels = read(paths, total)
    except DataError as error:
        assert str(error).startswith(FOLDER.name) and "expected" in str(error)
    else:
        assert images.dtype == np.uint8 and images.shape == (len(labels), *shape) and 0 < len(labels) <= total
        assert labels.dtype == np.int64 and labels.min() >= 0 and labels.max() <= 9
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= warranted, f"{peak:,} bytes for a file of {sum(map(len, contents)):,}"


FOLDER = tempfile.TemporaryDirectory()
noise = settings(max_examples=500, deadline=None, derandomize=True, database=None)
X_ALONE, Y_ALONE = (data_servers.svhn_file(3, compress=False, **{name: None}) for name in ("y", "X"))
GOOD_IMAGES, GOOD_LABELS = data_servers.idx_images(3), data_servers.idx_labels(3)


@noise
@given(changed(data_servers.cifar_file(3)))
def test_noise_in_records(content):
    check(read_cifar10, [content], 10_000, (3, 32, 32))


@noise
@given(changed(data_servers.svhn_file(3)))
def test_noise_in_a_compressed_matlab_file(content):
    check(read_svhn, [content], 26_032, (3, 32, 32))


@noise
@given(changed(data_servers.svhn_file(3, compress=False)))
def test_noise_in_a_matlab_file(content):
    check(read_svhn, [content], 26_032, (3, 32, 32))


@noise
@given(changed(X_ALONE), changed(Y_ALONE), st.sampled_from(["X", "y", "both"]))
def test_noise_under_the_compression_of_a_matlab_file(x, y, where):
    x, y = (x if where != "y" else X_ALONE), (y if where != "X" else Y_ALONE)
    check(read_svhn, [repacked(x) + repacked(y)[128:]], 26_032, (3, 32, 32))


@noise
@given(changed(gzip.compress(GOOD_IMAGES)), changed(gzip.compress(GOOD_LABELS)))
def test_noise_in_gzipped_idx(images, labels):
    check(read_idx, [images, gzip.compress(GOOD_LABELS)], 10_000, (1, 28, 28))
    check(read_idx, [gzip.compress(GOOD_IMAGES), labels], 10_000, (1, 28, 28))


@noise
@given(changed(GOOD_IMAGES), changed(GOOD_LABELS), st.sampled_from(["images", "labels", "both"]))
def test_noise_under_the_compression_of_idx(images, labels, where):
    images = images if where != "labels" else GOOD_IMAGES
    labels = labels if where != "images" else GOOD_LABELS
    check(read_idx, [gzip.compress(images, 1), gzip.compress(labels, 1)], 10_000, (1, 28, 28))


@noise
@given(st.binary(max_size=300), st.sampled_from([(read_cifar10, 1), (read_svhn, 1), (read_idx, 2)]))
def test_noise_alone(content, reader):
    read, files = reader
    check(read, [content] * files, 10_000, (3, 32, 32) if read is not read_idx else (1, 28, 28))


def test_a_small_file_that_would_unpack_to_a_thousand_times_its_size(tmp_path):
    """Of a stream no more is unpacked than its header says, and the header may not say more than a set can hold."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(struct.pack(">4I", 2051, 10, 28, 28) + bytes(7840))
    for _ in range(10):
        bomb += packer.compress(bytes(10_000_000))
    bomb += packer.flush()
    paths = [data_servers.put(tmp_path, "images", bomb), data_servers.put(tmp_path, "labels", b"")]
    tracemalloc.start()
    with pytest.raises(DataError, match="more bytes than the header promises"):
        read_idx(paths, 10_000)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("claimed", [26_032, 2**31 - 1])
def test_an_array_that_claims_to_be_large(tmp_path, claimed):
    size = min(claimed * 3072, 2**32 - 8)
    array = struct.pack("<II", 14, size) + X_ALONE[136:190]
    packed = zlib.compress(array, 9)
    mat = X_ALONE[:128] + struct.pack("<II", 15, len(packed)) + packed
    tracemalloc.start()
    with pytest.raises(DataError, match="packed into"):
        read_svhn([data_servers.put(tmp_path, "a.mat", mat)], 26_032)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()
