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
from likelab.formats import File, read_cifar10, read_idx, read_svhn
from tests.support import data_servers
from tests.support.data_servers import BATCHES, CIFAR, SVHN, put


@pytest.fixture
def world(monkeypatch, tmp_path):
    with data_servers.small_world(monkeypatch, tmp_path / "home") as world:
        yield world


# --- What the readers read -----------------------------------------------------------------------------


def test_cifar10_is_read_as_it_is_described(tmp_path):
    """One label byte, then the red, green and blue of 32 rows of 32 pixels; file after file."""
    contents = [data_servers.cifar_file(3), data_servers.cifar_file(2, seed=1)]
    images, labels = read_cifar10([File(put(tmp_path, f"{i}.bin", x)) for i, x in enumerate(contents)], 10_000)
    assert images.shape == (5, 3, 32, 32) and images.dtype == np.uint8
    record, channel, row, column = 2, 1, 30, 7
    assert images[record, channel, row, column] == contents[0][3073 * record + 1 + 1024 * channel + 32 * row + column]
    assert images[4].tobytes() == contents[1][3074:]
    assert labels.tolist() == [0, 1, 2, 0, 1] and labels.dtype == np.int64


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("label_type", ["u1", "i4", "u2", "i8", "f8"])
def test_svhn_is_read_as_scipy_reads_it(tmp_path, compress, label_type):
    labels = (np.arange(5)[:, None] + 6).astype(label_type)
    path = put(tmp_path, "a.mat", data_servers.svhn_file(5, compress=compress, y=labels, further=np.ones(9)))
    images, labels = read_svhn([File(path)], 26_032)
    expected = scipy.io.loadmat(path)
    assert np.array_equal(images, expected["X"].transpose(3, 2, 0, 1))
    assert labels.tolist() == [6, 7, 8, 9, 0] and labels.dtype == np.int64


@pytest.mark.parametrize("pack", [data_servers.zipped, bytes])
def test_idx_is_read_as_it_is_described(tmp_path, pack):
    contents = data_servers.idx_images(3), data_servers.idx_labels(3)
    images, labels = read_idx([File(put(tmp_path, str(i), pack(x))) for i, x in enumerate(contents)], 10_000)
    assert images.shape == (3, 1, 28, 28) and images[2, 0, 20, 5] == contents[0][16 + 2 * 784 + 20 * 28 + 5]
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
            for needed in {*files, *download.downloads(files)}:
                size, digest = download.CHECKSUMS[needed]
                assert size > 4000 and re.fullmatch("[0-9a-f]{64}", digest)
            assert all(len(download.ADDRESSES[Path(path).parts[0]]) >= 2 for path in download.downloads(files))


def test_sizes_of_the_published_files_agree_with_what_they_hold():
    """Records of CIFAR-10, and what is in the gzipped files, are not compressed: their number follows from the size."""
    for split, total in (("train", 50_000), ("test", 10_000)):
        assert sum(download.CHECKSUMS[file][0] for file in data.SOURCES["cifar10"].splits[split][1]) == 3073 * total
        for name, part in (("MNIST", "train" if total > 10_000 else "t10k"), ("FashionMNIST", "t10k")):
            n = 10_000 if part == "t10k" else 60_000
            assert download.CHECKSUMS[f"{name}/raw/{part}-images-idx3-ubyte"][0] == 16 + 784 * n
            assert download.CHECKSUMS[f"{name}/raw/{part}-labels-idx1-ubyte"][0] == 8 + n
    beginnings = [key for key in download.CHECKSUMS if key.endswith("]")]
    assert len(beginnings) == 2
    assert all(download.CHECKSUMS[key][0] == 3073 * int(key.partition("[")[2][:-1]) for key in beginnings)


# --- Where files are found -----------------------------------------------------------------------------

MAT = data_servers.svhn_file()
IMAGES, LABELS = data_servers.idx_images(), data_servers.idx_labels()
RAW = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
MEMBERS = data_servers.cifar_members()

FOUND = {  # the files in the reader's folder; the set that is there; its images
    "the published archive": ({CIFAR: data_servers.archive(MEMBERS)}, "cifar10", 20),
    "the archive, unzipped": ({"cifar-10-binary.tar": data_servers.archive(MEMBERS, "w")}, "cifar10", 20),
    "an archive made anew": ({CIFAR: data_servers.archive({f"./{a}": b for a, b in MEMBERS.items()})}, "cifar10", 20),
    "a batch": ({BATCHES[5]: data_servers.cifar_file(7)}, "cifar10", 7),
    "a batch in the root": ({"test_batch.bin": data_servers.cifar_file(7)}, "cifar10", 7),
    "a batch, gzipped": ({f"{BATCHES[5]}.gz": data_servers.zipped(data_servers.cifar_file(7))}, "cifar10", 7),
    "a batch before the archive": (
        {BATCHES[5]: data_servers.cifar_file(7), CIFAR: data_servers.archive(MEMBERS)},
        "cifar10",
        7,
    ),
    "svhn as published": ({SVHN: MAT}, "svhn", 20),
    "svhn in the root, as torchvision": ({"test_32x32.mat": MAT}, "svhn", 20),
    "svhn, gzipped": ({"SVHN/test_32x32.mat.gz": data_servers.zipped(MAT)}, "svhn", 20),
    **{
        f"mnist in {place or 'the root'}, {'gzipped' if ending else 'raw'}": (
            {f"{place}{RAW[0]}{ending}": pack(IMAGES), f"{place}{RAW[1]}{ending}": pack(LABELS)},
            "mnist",
            20,
        )
        for place in ("MNIST/raw/", "MNIST/", "mnist/", "")
        for ending, pack in (("", bytes), (".gz", data_servers.zipped))
    },
    "fashion as Debian names it": (
        {f"fashion-mnist/{RAW[0]}": IMAGES, f"fashion-mnist/{RAW[1]}": LABELS},
        "fashionmnist",
        20,
    ),
}


@pytest.mark.parametrize(("files", "name", "n"), FOUND.values(), ids=FOUND.keys())
def test_what_lies_in_the_folder_of_the_reader_is_found_and_used(world, files, name, n):
    own = world.own(files)
    before = data_servers.snapshot(own)
    assert data.at_hand(name, "test")
    images = data.load(name, "test")
    assert (
        len(images) == n
        and images.real
        and images.labels.tolist()[:7] == ([*range(1, 8)] if name == "svhn" else [*range(7)])
    )
    assert data_servers.snapshot(own) == before and not world.visits and not world.cache.exists()


def test_batches_that_are_there_keep_their_order(world):
    """A partial set may lack a file."""
    world.own({file: MEMBERS[file] for file in (BATCHES[3], BATCHES[0])})
    expected = b"".join(MEMBERS[BATCHES[i]][3073 * j + 1 : 3073 * (j + 1)] for i in (0, 3) for j in range(20))
    assert data.load("cifar10", "train").images.numpy().tobytes() == expected


def test_files_of_mnist_and_fashionmnist_in_the_root_are_told_apart(world):
    """They have the same names there: FashionMNIST is what is known as that by its digest."""
    world.own(dict(zip(RAW, (IMAGES, LABELS), strict=True)))
    assert data.at_hand("mnist", "test") and not data.at_hand("fashionmnist", "test")
    for name, content in zip(RAW, (IMAGES, LABELS), strict=True):
        world.publish(f"FashionMNIST/raw/{name}", content)
    assert data.at_hand("fashionmnist", "test") and not data.at_hand("mnist", "test")
    assert data.load("fashionmnist", "test").official


def test_fashionmnist_of_debian_is_found(world):
    for name, content in zip(RAW, (IMAGES, LABELS), strict=True):
        put(data.DEBIAN, f"{name}.gz", data_servers.zipped(content))
        world.publish(f"FashionMNIST/raw/{name}", content)
    assert data.load("fashionmnist", "test").count == "20 of 10,000 images"
    assert not data.at_hand("mnist", "test") and not world.visits


def test_a_relative_folder_is_absolute_from_its_first_use_on(world, monkeypatch, tmp_path):
    put(tmp_path / "relative", SVHN, MAT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIKELAB_DATA", "relative")
    assert data.folder() == tmp_path / "relative"
    monkeypatch.chdir("/")
    assert data.folder() == tmp_path / "relative" and len(data.load("svhn", "test")) == 20


@pytest.mark.parametrize("name", ["data and more", "données-日本語", "~tilde"])
def test_unusual_paths(world, monkeypatch, tmp_path, name):
    world.publish_cifar()
    monkeypatch.setattr(download, "cache", lambda: tmp_path / name)
    assert len(data.load("cifar10", "test")) == 20
    monkeypatch.setenv("LIKELAB_DATA", str(tmp_path / name))
    assert len(data.load("cifar10", "train")) == 100


# --- Images are called what they are -------------------------------------------------------------------


def test_a_published_file_is_official_wherever_it_lies(world):
    content = world.publish_svhn()
    assert data.load("svhn", "test").official
    world.own({"test_32x32.mat.gz": data_servers.zipped(content), "PROVENANCE": b"svhn: no matter"})
    images = data.load("svhn", "test")
    assert images.official and images.count == "20 of 26,032 images"


def test_a_known_beginning_of_a_published_file_is_official(world):
    content = data_servers.cifar_file(40)
    world.publish(BATCHES[5], content)
    world.own({BATCHES[5]: content[: 9 * 3073]})
    assert not data.load("cifar10", "test").official
    world.publish(f"{BATCHES[5]}[9]", content[: 9 * 3073])
    assert data.load("cifar10", "test").official
    world.own({BATCHES[5]: bytes(3073 * 9)})
    assert not data.load("cifar10", "test").official


def test_a_set_with_one_other_file_is_not_official(world):
    world.publish_cifar()
    world.own({**MEMBERS, BATCHES[2]: data_servers.cifar_file(seed=9)})
    assert data.load("cifar10", "test").official and not data.load("cifar10", "train").official


PROVENANCE = {
    "": "provenance unknown",
    "mnist: from elsewhere\n": "provenance unknown",
    "svhn:\n": "provenance unknown",
    "# a note\nsvhn:  cut anew from\tthe photographs. \nsvhn: no": "cut anew from the photographs",
    "SVHN: découpé: à neuf": "découpé: à neuf",
}


@pytest.mark.parametrize("text", PROVENANCE)
def test_what_is_not_the_published_file_is_called_so(world, capsys, text):
    world.own({SVHN: MAT} | ({"PROVENANCE": text.encode()} if text else {}))
    images = data.load("svhn", "test")
    assert not images.official and images.provenance == PROVENANCE[text]
    assert images[:7].count == f"7 of 26,032 images, not the published file: {PROVENANCE[text]}"
    assert data.main([]) == 0
    assert f"20 of 26,032 images, not the published file: {PROVENANCE[text]}; partial" in capsys.readouterr().out


def test_a_provenance_in_another_encoding_is_read_as_far_as_it_can(world):
    world.own({SVHN: MAT, "PROVENANCE": "svhn: découpé".encode("latin1")})
    assert data.load("svhn", "test").provenance == "d�coup�"


# --- The real images -----------------------------------------------------------------------------------

DATA = os.environ.get("LIKELAB_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="the real images are not here: LIKELAB_DATA is not set")


@needs_data
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", list(data.SOURCES))
def test_real_images(name, split):
    if not data.at_hand(name, split):
        pytest.skip(f"no {name} in LIKELAB_DATA")
    images = data.load(name, split)
    shape = (3, 32, 32) if name in ("cifar10", "svhn") else (1, 28, 28)
    assert images.images.shape == (len(images), *shape) and images.real
    assert 500 <= len(images) <= images.total
    assert sorted(images.labels.unique().tolist()) == list(range(10))
    assert 20 < images.images.double().mean() < 180
    assert images.official or "not the published file" in images.count


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
def test_the_real_pair(monkeypatch, capsys):
    monkeypatch.delenv("LIKELAB_PAIR", raising=False)
    data.pair.cache_clear()
    pair = data.pair()
    data.pair.cache_clear()
    said = capsys.readouterr().out
    assert (
        pair.real and said.count("\n") == 1 and said.startswith("Images (real): CIFAR-10 train ") and DATA not in said
    )
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
    assert data.main(["--verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and all("not here; python -m likelab.data" in line for line in lines)
    assert all(str(world.cache) in line for line in lines) and "svhn/test_32x32.mat" in lines[3]
    assert not world.visits and not world.cache.exists()


def test_fetching_by_name_and_listing(world, capsys):
    world.publish_svhn("train", n=30)
    world.publish_svhn("test")
    assert data.main(["svhn"]) == 0
    output, errors = capsys.readouterr()
    assert "30 of 73,257 images" in output and "20 of 26,032 images" in output and str(world.cache) in output
    last_words = [line.rpartition("\r")[2] for line in errors.rstrip("\n").split("\n")]
    assert len(last_words) == 2 and all("100%" in line for line in last_words), "one line a file should be left"
    visits = world.visits
    assert data.main(["svhn"]) == 0 and data.main([]) == 0
    assert world.visits == visits, "what is here was downloaded again"


def test_a_failed_download_leaves_no_bar(world, capsys):
    content = world.publish_svhn()
    world.publish_svhn("train")
    world.answer(SVHN, data_servers.breaks_off(content))
    assert data.main(["svhn"]) == 1
    output, errors = capsys.readouterr()
    assert "20 of 73,257" in output and "expected" in output and "the connection broke off" in output
    assert errors.count("\n") == 1


def test_verifying(world, capsys):
    content = world.publish_svhn()
    data.load("svhn", "test")
    assert data.main(["--verify"]) == 0
    assert "20 of 26,032 images; partial, as published" in capsys.readouterr().out
    world.own({"svhn/train_32x32.mat": data_servers.svhn_file(7)})
    assert data.main([]) == 0 and data.main(["--verify"]) == 1
    assert "7 of 73,257 images, not the published file: provenance unknown; partial" in capsys.readouterr().out
    put(world.cache, SVHN, content[:-1] + b"!")
    assert data.main([]) == 1
    assert f"{world.cache / SVHN}: expected" in capsys.readouterr().out


def test_listing_a_wrong_file_of_the_reader(world, capsys):
    own = world.own({SVHN: MAT[:-7]})
    assert data.main([]) == 1
    assert f"{own / SVHN}: expected" in capsys.readouterr().out


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


def check(read, contents, total, warranted=4_000_000):
    """Read files with these contents: images or a DataError, in `warranted` bytes of memory besides a few copies."""
    paths = [put(FOLDER.name, str(i), content) for i, content in enumerate(contents)]
    warranted += 12 * sum(map(len, contents))
    tracemalloc.start()
    try:
        images, labels = read([File(path) for path in paths], total)
    except DataError as error:
        assert str(error).startswith(FOLDER.name) and "expected" in str(error)
    else:
        shape = (1, 28, 28) if read is read_idx else (3, 32, 32)
        assert images.dtype == np.uint8 and images.shape == (len(labels), *shape) and 0 < len(labels) <= total
        assert labels.dtype == np.int64 and labels.min() >= 0 and labels.max() <= 9
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= warranted, f"{peak:,} bytes for a file of {sum(map(len, contents)):,}"


FOLDER = tempfile.TemporaryDirectory()
noise = settings(max_examples=60, deadline=None, derandomize=True, database=None)
FEW = data_servers.cifar_file(3), data_servers.svhn_file(3), data_servers.svhn_file(3, compress=False)
X_ALONE, Y_ALONE = (data_servers.svhn_file(3, compress=False, **{name: None}) for name in ("y", "X"))
GOOD_IMAGES, GOOD_LABELS = data_servers.idx_images(3), data_servers.idx_labels(3)


@noise
@given(*map(changed, FEW), st.binary(max_size=300))
def test_noise_in_files(records, packed, mat, anything):
    check(read_cifar10, [records], 10_000)
    for content in (packed, mat):
        check(read_svhn, [content], 26_032)
    for read, files in ((read_cifar10, 1), (read_svhn, 1), (read_idx, 2)):
        check(read, [anything] * files, 10_000)


@noise
@given(changed(X_ALONE), changed(Y_ALONE))
def test_noise_under_the_compression_of_a_matlab_file(x, y):
    for one, other in ((x, y), (X_ALONE, y), (x, Y_ALONE)):
        check(read_svhn, [repacked(one) + repacked(other)[128:]], 26_032)


@noise
@given(changed(gzip.compress(GOOD_IMAGES)), changed(GOOD_IMAGES), changed(GOOD_LABELS))
def test_noise_in_idx(packed, images, labels):
    for contents in ((packed, GOOD_LABELS), (images, GOOD_LABELS), (gzip.compress(images, 1), labels)):
        check(read_idx, contents, 10_000)


BOMBS = {  # a small file that unpacks to gigabytes, or claims to; its reader
    "idx": ([gzip.compress(struct.pack(">4I", 2051, 10, 28, 28) + bytes(40_000_000)), GOOD_LABELS], read_idx),
    "records": ([gzip.compress(bytes(40_000_000))], read_cifar10),
    "mat": ([gzip.compress(X_ALONE + bytes(40_000_000))], read_svhn),
    "array": ([repacked(X_ALONE[:128] + struct.pack("<II", 14, 40_000_000) + bytes(40_000_000))], read_svhn),
    "claim": ([repacked(X_ALONE[:128] + struct.pack("<II", 14, 2**32 - 8) + X_ALONE[136:190])], read_svhn),
}


@pytest.mark.parametrize(("contents", "read"), BOMBS.values(), ids=BOMBS.keys())
def test_of_a_small_file_no_more_is_unpacked_than_a_complete_set_can_hold(contents, read):
    check(read, contents, 1000, warranted=4 * 3_073_000)
