"""A Bayesian machine survives its file, and a damaged file is refused in one line."""

import json

import numpy as np
import pytest
import safetensors.numpy
import torch

from nanoneurons.circuits import catalogue
from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.core.errors import ParameterError, StoreError
from nanoneurons.core.random import generator_for
from nanoneurons.devices.hfox_binary import HfOxBinary
from nanoneurons.networks.bayesian_machine import BayesianMachine


def machine(circuit=None, chips=None, prior=True):
    logic = BayesianLogic(3 + prior, "first", 60, (3, 99, 201, 17)[: 3 + prior])
    return BayesianMachine(8, 2, 3, 5, logic=logic, prior=prior, circuit=circuit, chips=chips)


@pytest.fixture
def filled():
    rng = np.random.default_rng(0)
    made = machine()
    edges = np.sort(rng.normal(size=(3, 4)), 1)
    made.store(np.array([6, 0, 3]), edges, rng.integers(0, 256, (2, 4, 5), np.uint8))
    return made


def test_everything_comes_back(filled, tmp_path):
    again = BayesianMachine.load(filled.save(tmp_path / "machine.safetensors"))
    assert (again.features, again.prior, again.logic) == (8, True, filled.logic)
    assert again.state_dict().keys() == filled.state_dict().keys()
    for name, value in filled.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    x = torch.randn(50, 8, generator=generator_for(0))
    x[::7, 3] = torch.nan
    assert torch.equal(again(x), filled(x))


def test_chips_come_back_with_their_errors(filled, tmp_path):
    circuit = catalogue["bayesian-array"].build(HfOxBinary())
    chips = machine(circuit, 3)
    chips.fabricate(generator_for(0, "chips"))
    chips.program(filled, generator_for(0, "program"))
    chips.memory.weight.data[1, :, ::50] *= -1
    words = chips.memory.words()
    again = BayesianMachine.load(chips.save(tmp_path / "machine.safetensors"))
    assert again.chips == 3
    assert not again.memory.fabricated
    assert (again.memory.words() == words).all()
    assert (words[1] != words[0]).any()
    one = again.one_chip(1)
    assert (one.memory.words() == words[1]).all()
    assert torch.equal(one.edges, filled.edges)
    x = torch.randn(20, 8, generator=generator_for(0))
    assert torch.equal(one(x), chips(x)[1])


def test_one_chip_is_asked_for(filled):
    with pytest.raises(ParameterError, match="no chip 0: the machine is in software"):
        filled.one_chip(0)
    assert (filled.one_chip(None).memory.words() == filled.memory.words()).all()
    with pytest.raises(ParameterError, match=r"2 chips; say which \(0 to 1\)"):
        machine(chips=2).one_chip(None)
    with pytest.raises(ParameterError, match="no chip 2"):
        machine(chips=2).one_chip(2)


def rewritten(path, header=None, **tensors):
    """The file with another header or other tensors."""
    with safetensors.safe_open(path, framework="numpy") as content:
        found = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        said = json.loads(content.metadata()["machine"])
    found = {name: value for name, value in {**found, **tensors}.items() if value is not None}
    path.write_bytes(safetensors.numpy.save(found, {"machine": json.dumps({**said, **(header or {})})}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"header": {"format": "another"}}, "no Bayesian machine"),
        ({"header": {"version": 2}}, "version 2"),
        ({"header": {"sha256": "0"}}, "not what was saved"),
        ({"words": np.zeros((2, 4, 5), np.uint8)}, "not what was saved"),
        ({"header": {"mode": "fast"}}, "mode"),
        ({"header": {"seeds": [0, 1, 2, 3]}}, "seed of column 0 is 0"),
        ({"header": {"cycles": 300}}, "cycles"),
        ({"header": {"features": 6}}, "feature"),
        ({"header": {"prior": False}}, "shape"),
        ({"words": None}, "words"),
        ({"words": np.zeros((2, 4, 5), np.float32)}, "words"),
        ({"words": np.zeros((2, 4), np.uint8)}, "words of shape"),
        ({"edges": np.ones((3, 4)) * np.nan}, "ascend"),
        ({"edges": np.array([[3.0, 2, 1, 0]] * 3)}, "ascend"),
        ({"chosen": np.array([0, 1, -1])}, "feature"),
    ],
)
def test_unsound_content_is_refused(filled, change, said, tmp_path):
    path = filled.save(tmp_path / "machine.safetensors")
    rewritten(path, **change)
    with pytest.raises(StoreError, match=said) as refused:
        BayesianMachine.load(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_torn_and_foreign_files_are_refused(filled, tmp_path):
    path = filled.save(tmp_path / "machine.safetensors")
    whole = path.read_bytes()
    for size in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(StoreError, match="cannot be read as a machine"):
            BayesianMachine.load(path)
    path.write_bytes(b"not a machine at all, but long enough to be taken for one")
    with pytest.raises(StoreError, match="cannot be read as a machine"):
        BayesianMachine.load(path)
    path.write_bytes(safetensors.numpy.save({"words": np.zeros(3)}))
    with pytest.raises(StoreError, match="no Bayesian machine"):
        BayesianMachine.load(path)
    with pytest.raises(StoreError, match="does not exist"):
        BayesianMachine.load(tmp_path / "none.safetensors")


def test_a_failed_save_leaves_the_old_file(filled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a part of the path is a file|folder"):
        filled.save(tmp_path / "file" / "machine.safetensors")
