import pytest
import torch

from nanoneurons import data
from nanoneurons.core.errors import DataError, ParameterError, UnknownNameError
from nanoneurons.data import _load

EMBEDDED = [name for name in data.names("classification") if data.catalogue[name].embedded != "no"]
FILES = [name for name in data.catalogue if data.catalogue[name].folder]


def test_the_folder_is_the_catalogue():
    assert {"digits", "mnist", "fashion-mnist", "cifar10", "iris", "vowels", "drone-rf", "user"} <= set(
        data.names("classification")
    )
    assert {"mackey-glass", "narma10", "sine-square"} == set(data.names("series"))
    assert "spoken-digits" in data.names("recordings")


@pytest.mark.parametrize("name", list(data.catalogue))
def test_every_set_declares_its_facts(name):
    source = data.catalogue[name]
    assert source.title
    assert source.licence
    assert source.kind in ("classification", "recordings", "series")
    if not source.takes_path:
        assert source.citation.startswith("@")
        assert (source.classes > 1) == (source.kind != "series")
        assert min(source.sizes) > 0
        assert bool(source.shape) == (source.kind != "recordings")  # which have different lengths
    for download in source.downloads:
        assert len(download.mirrors) >= 2
        assert all(url.startswith(("http://", "https://")) for url in download.urls())


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets_load_anywhere(name):
    loaded = data.load(name)
    source = data.catalogue[name]
    assert loaded.name == name
    assert loaded.shape == source.shape
    assert loaded.classes == source.classes
    assert loaded.x_train.dtype == torch.float32
    assert loaded.y_train.dtype == torch.int64
    assert float(loaded.x_train.min()) == 0.0
    assert float(loaded.x_train.max()) == 1.0
    assert set(loaded.y_test.tolist()) == set(range(source.classes))
    assert (loaded.sizes == source.sizes) == (source.embedded == "full")
    assert bool(loaded.notice) == (source.embedded == "reduced")


def test_digits_are_the_published_ones():
    digits = data.load("digits")
    # Class frequencies of the original test part, as published with the set.
    both = torch.cat([digits.y_train, digits.y_test]).bincount().tolist()
    assert both == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_embedded_mnist_is_stratified_and_says_so():
    mnist = data.load("mnist")
    assert mnist.y_train.bincount().tolist() == [400] * 10
    assert mnist.y_test.bincount().tolist() == [100] * 10
    assert "5,000" in mnist.notice
    assert "data fetch mnist" in mnist.notice
    # The full training part has mean 0.1307; 5,000 digits estimate it to about 0.002.
    assert float(mnist.x_train.mean()) == pytest.approx(0.1307, abs=0.005)


def test_the_split_shares_no_sample():
    mnist = data.load("mnist")
    rows = torch.cat([mnist.x_train, mnist.x_test]).reshape(5000, -1)
    assert len(torch.unique(rows, dim=0)) == 5000


@pytest.mark.parametrize("name", [n for n in FILES if data.catalogue[n].embedded == "no"])
def test_a_missing_set_says_what_to_do(name, tmp_path):
    with pytest.raises(DataError, match=f"data fetch {name}"):
        data.load_any(name, tmp_path)
    assert f"data fetch {name}" in data.missing(name, tmp_path)
    assert "\n" not in data.missing(name, tmp_path)


@pytest.mark.parametrize("name", data.names("series"))
def test_a_series_depends_on_its_seed_alone(name):
    source, first = data.catalogue[name], data.load_series(name)
    assert first.name == name
    assert first.shape == source.shape
    assert first.sizes == source.sizes
    assert first.inputs.dtype == first.targets.dtype == torch.float64
    assert len(first.inputs) == len(first.targets)
    again, other = data.load_series(name, seed=0), data.load_series(name, seed=1)
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.inputs, other.inputs)
    assert torch.equal(data.load_any(name).inputs, first.inputs)


@pytest.mark.parametrize("name", data.names("series"))
def test_series_refuse_settings_they_do_not_have(name):
    with pytest.raises(UnknownNameError, match="did you mean 'seed'"):
        data.load_series(name, sed=1)
    with pytest.raises(ParameterError, match="'seed'"):
        data.load_series(name, seed=-1)


@pytest.mark.parametrize(
    ("load", "name", "other"),
    [
        (data.load, "narma10", "load_series"),
        (data.load_series, "iris", "data.load"),
        (data.load_recordings, "narma10", "load_series"),
    ],
)
def test_another_kind_is_refused_in_one_line(load, name, other):
    with pytest.raises(DataError, match=f"is of kind .*{other}") as caught:
        load(name)
    assert "\n" not in str(caught.value)


def test_missing_is_empty_for_what_is_at_hand(tmp_path):
    assert data.missing("digits") == ""
    (tmp_path / "mnist").mkdir()
    assert data.missing("mnist", tmp_path) == ""
    assert "does not exist" in data.missing("user:nowhere.csv")


def test_misspelt_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'fashion-mnist'"):
        data.load("fashon-mnist")


@pytest.mark.parametrize("name", ["user", "user:", "digits:somewhere.npz"])
def test_path_only_where_it_belongs(name):
    with pytest.raises(DataError, match="path"):
        data.load(name)


def test_folder_that_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="does not exist"):
        data.load("mnist", tmp_path / "no")
    monkeypatch.setenv("NANONEURONS_DATA", str(tmp_path / "no"))
    with pytest.raises(DataError, match="NANONEURONS_DATA names"):
        data.load("mnist")


def test_split_is_fixed_and_refuses_a_single_sample():
    import numpy as np

    labels = np.repeat([0, 1, 2], [10, 5, 2])
    train, test = data.stratified_split(labels, 0.2)
    assert np.bincount(labels[test]).tolist() == [2, 1, 1]
    assert sorted([*train, *test]) == list(range(17))
    again = data.stratified_split(labels, 0.2)
    assert (again[1] == test).all()
    with pytest.raises(DataError, match="class 1 has 1 sample"):
        data.stratified_split(np.array([0, 0, 1]), 0.2)


def test_loading_leaves_global_random_state_alone():
    import numpy as np

    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the state under test
    data.load("mnist")
    for name in data.names("series"):
        data.load_series(name, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


def test_every_mirror_is_tried_and_failure_is_one_line(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")
    tried = []

    def offline(url, **_):
        tried.append(url)
        raise ConnectionError("no network\nhere")

    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(DataError, match="check the network") as caught:
        data.fetch("mnist", tmp_path)
    assert "\n" not in str(caught.value)
    assert tried == list(data.catalogue["mnist"].downloads[0].urls())
    assert list(tmp_path.iterdir()) == []  # an empty folder would look like a broken set


def test_a_corrupt_download_is_refused_and_removed(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")

    def corrupt(url, fname, path, **_):
        (path / fname).write_bytes(b"<html>blocked</html>")

    monkeypatch.setattr(pooch, "retrieve", corrupt)
    for name in FILES:
        with pytest.raises(DataError, match="wrong checksum"):
            data.fetch(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_fetch():
    with pytest.raises(DataError, match="needs no download"):
        data.fetch("digits")


def test_catalogue_is_built_from_the_folder():
    assert _load.catalogue.package == "nanoneurons.data"
