"""Networks from descriptions: shapes, chips, and clear refusals."""

import pytest
import torch

from nanoneurons import networks
from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.core.errors import StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.devices.hfox_weak_reset import HfOxWeakReset
from nanoneurons.layers.binary import BinaryConv2d

PAIR = DifferentialPair(HfOxWeakReset())


def build(spec, shape=(1, 8, 8), chips=None, kind="binary", circuit=None):
    return networks.build(spec, kind=kind, circuit=circuit, chips=chips, shape=shape, classes=10, seed=0)


@pytest.mark.parametrize("kind", ["binary", "analog"])
@pytest.mark.parametrize("spec", ["64-20-10", "auto", "1x8x8-4c3-mp2-6c3-mp2-16-10", "1x8x8-4c3-4c3-10"])
@pytest.mark.parametrize("chips", [None, 3])
def test_output_has_chip_batch_class(spec, chips, kind):
    y = build(spec, chips=chips, kind=kind)(torch.rand(5, 1, 8, 8))
    assert y.shape == ((5, 10) if chips is None else (3, 5, 10))


def test_same_seed_same_weights_other_seed_others():
    first, again = (
        networks.build("64-9-10", kind="binary", circuit=None, chips=None, shape=(8, 8), classes=10, seed=s)
        for s in (4, 4)
    )
    other = networks.build("64-9-10", kind="binary", circuit=None, chips=None, shape=(8, 8), classes=10, seed=5)
    assert torch.equal(first[1].weight, again[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight)


def test_pooling_comes_before_normalisation_of_binary_neurons():
    names = [type(m).__name__ for m in build("1x8x8-4c3-mp2-10")]
    assert names.index("EachChip") == names.index(BinaryConv2d.__name__) + 1


def test_programming_copies_a_trained_network_onto_every_chip():
    software = build("64-20-10").eval()
    chips = build("64-20-10", chips=2, circuit=DifferentialPair(HfOxWeakReset().ideal()))
    with torch.no_grad():
        software[2].running_mean.add_(0.3)
    chips.fabricate(generator_for(0, "chips"))
    chips.program(software, generator_for(0, "write"))
    x = torch.rand(7, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(chips.eval()(x), software(x).expand(2, 7, 10))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("100-20-10", "expects input 100, but a sample of this task has 64"),
        ("64-20-7", "must end with the 10 classes"),
        ("64-twenty-10", "'twenty' is neither"),
        ("64-0-10", "size zero"),
        ("1x8x8-4c3-mp9-10", "mp9 does not fit"),
        ("1x8x8-20-4c3-10", "cannot follow a dense layer"),
        ("64", "must end with"),
    ],
)
def test_bad_descriptions_name_the_culprit(spec, message):
    with pytest.raises(StudyError, match=message):
        build(spec)
