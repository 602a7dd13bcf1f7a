import numpy as np
import pytest

from nanoneurons import data
from nanoneurons.core.errors import DataError


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        path = tmp_path / "mine.npz"
        np.savez(path, **arrays)
        return f"user:{path}"

    return save


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "mine.csv"
        path.write_bytes(text.encode(encoding))
        return f"user:{path}"

    return write


def table(n=10, classes=2, features=3):
    rng = np.random.default_rng(3)
    return rng.random((n, features)), np.arange(n) % classes


def refusal(name):
    with pytest.raises(DataError) as caught:
        data.load(name)
    message = str(caught.value)
    assert "\n" not in message
    assert "mine" in message
    return message


def test_given_test_part_is_kept(save):
    x, y = table()
    loaded = data.load(save(x=x, y=y, x_test=x[:4], y_test=y[:4]))
    assert loaded.sizes == (10, 4)
    assert loaded.notice == ""
    np.testing.assert_allclose(loaded.x_train.numpy(), x, rtol=1e-6)  # single precision


def test_split_and_scaling_are_told(save):
    x, y = table(20)
    loaded = data.load(save(x=x * [1, 10, 0] - [0, 5, 0], y=y + 3))
    assert loaded.sizes == (16, 4)
    assert loaded.classes == 2
    assert set(loaded.y_train.tolist()) == {0, 1}
    assert float(loaded.x_train.min()) == 0.0
    assert float(loaded.x_train.max()) == 1.0
    assert (loaded.x_train[:, 2] == 0).all()  # a constant column carries nothing
    assert 0 <= float(loaded.x_test.min()) <= float(loaded.x_test.max()) <= 1
    for part in ("4 of 20 samples", "renumbered", "each column was scaled"):
        assert part in loaded.notice


def test_images_get_a_channel(save):
    x = np.arange(10 * 4 * 5, dtype=np.uint8).reshape(10, 4, 5)
    loaded = data.load(save(x=x, y=np.arange(10) % 2))
    assert loaded.shape == (1, 4, 5)
    assert "divided by 255" in loaded.notice
    colour = np.zeros((10, 3, 4, 5), np.uint8)
    assert data.load(save(x=colour, y=np.arange(10) % 2)).shape == (3, 4, 5)


def test_whole_numbers_stored_as_floats_are_labels(save):
    x, y = table()
    assert data.load(save(x=x, y=y.astype(float))).classes == 2


def test_nan_is_located(save):
    x, y = table()
    x[7, 1] = np.nan
    assert "nan at sample 7, column 1" in refusal(save(x=x, y=y))
    x[7, 1] = np.inf
    assert "inf at sample 7, column 1" in refusal(save(x=x, y=y))


def test_nan_in_an_image_is_located(save):
    x = np.zeros((10, 4, 5))
    x[2, 3, 1] = np.nan
    assert "index [2, 3, 1]" in refusal(save(x=x, y=np.arange(10) % 2))


def test_refused_arrays(save):
    x, y = table()
    assert "10 samples but 'y' has 9 labels" in refusal(save(x=x, y=y[:9]))
    assert "label 0.5 of sample 0" in refusal(save(x=x, y=y + 0.5))
    assert "label nan of sample 3" in refusal(save(x=x, y=np.where(np.arange(10) == 3, np.nan, y)))
    assert "number the classes" in refusal(save(x=x, y=y.astype(str)))
    assert "array of shape" in refusal(save(x=x, y=np.eye(10)))
    assert "is empty" in refusal(save(x=x[:0], y=y[:0]))
    assert "at least two classes" in refusal(save(x=x, y=y * 0))
    assert "has 1 sample" in refusal(save(x=x, y=np.arange(10) // 9))
    assert "must be (samples, features)" in refusal(save(x=x[0], y=y))
    assert "must be numbers" in refusal(save(x=x.astype(str), y=y))
    assert "no array 'y'" in refusal(save(x=x, labels=y))
    assert "only one of" in refusal(save(x=x, y=y, x_test=x))
    assert "make them equal" in refusal(save(x=x, y=y, x_test=x[:, :2], y_test=y))
    assert "class 5 is in the test part" in refusal(save(x=x, y=y, x_test=x, y_test=y + 5))


def test_python_objects_are_never_unpickled(save):
    assert "Python objects" in refusal(save(x=np.array([{}, []], dtype=object), y=np.arange(2)))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 truncated"])
def test_corrupt_npz(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    assert "not a readable .npz" in refusal(f"user:{tmp_path / 'mine.npz'}")


def test_missing_file_and_wrong_ending(tmp_path):
    assert "does not exist" in refusal(f"user:{tmp_path / 'mine.npz'}")
    (tmp_path / "mine.xlsx").write_bytes(b"")
    assert "must end in" in refusal(f"user:{tmp_path / 'mine.xlsx'}")


ROWS = "0.1,0.2,0\n0.3,0.4,1\n0.5,0.6,0\n0.7,0.8,1\n"


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        "a,b,class\n" + ROWS,
        ROWS.replace(",", ";"),
        ROWS.replace(",", "\t"),
        "\ufeff" + ROWS,
        ROWS.replace("\n", "\r\n"),
    ],
)
def test_csv_dialects(write, text):
    loaded = data.load(write(text))
    assert loaded.sizes == (2, 2)
    assert loaded.shape == (2,)


def test_refused_csv(write):
    assert "row 2" in refusal(write(ROWS.replace("0.6", "abc")))
    assert "without the line of names" in refusal(write("a,b,class\n" + ROWS.replace("0.6", "abc")))
    assert "columns changed" in refusal(write(ROWS + "1,2,3,4\n"))
    assert "no data line" in refusal(write(""))
    assert "no data line" in refusal(write("a,b,class\n"))
    assert "one column" in refusal(write("1\n2\n3\n"))
    assert "nan at sample 1, column 0" in refusal(write(ROWS.replace("0.3", "nan")))
    assert "every cell must be a number" in refusal(write(ROWS.replace("0.1", "")))
    assert "is not a whole number" in refusal(write(ROWS.replace(",1\n", ",1.5\n")))
    assert "UTF-8" in refusal(write("é,b,c\n" + ROWS, encoding="latin-1"))
