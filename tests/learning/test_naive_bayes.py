"""The rule writes what `estimate` and `words_of` say, and the machine then answers as naive Bayes does."""

import itertools

import numpy as np
import pytest
import torch

from nanoneurons import circuits, devices, learning
from nanoneurons.core.errors import DataError, ParameterError, RefusedError, StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.learning._likelihoods import estimate


def task(n=600, seed=0):
    """Three unequally frequent classes in the plane, and two features of noise in front."""
    generator = generator_for(seed, "task")
    y = (torch.rand(n, generator=generator) * 6).floor().clamp(max=3).sub(1).clamp(min=0).long()
    centres = torch.tensor([[0.0, 0.0], [2.5, 0.0], [0.0, 2.5]])
    plane = centres[y] + torch.randn(n, 2, generator=generator)
    return torch.cat([torch.randn(n, 2, generator=generator), plane], 1), y


def trained(x, y, chips=None, circuit=None, **changes):
    rule = learning.get("naive-bayes", **{"columns": 2, "bins": 32, **changes})
    network = rule.build_network("bayesian", circuit=circuit, chips=chips, shape=(4,), classes=3, seed=0)
    learning.fit(network, rule, x, y, epochs=1, batch=10**6, seed=0)
    return network


@pytest.mark.parametrize("mode", ["full", "logarithmic"])
@pytest.mark.parametrize("prior", ["uniform", "frequencies"])
def test_the_machine_answers_like_naive_bayes_on_its_tables(mode, prior):
    x, y = task()
    machine = trained(x, y, mode=mode, prior=prior, decades=4.0)
    assert machine.memory.columns == 2 + (prior == "frequencies")
    assert sorted(machine.chosen.tolist()) == [2, 3]
    found = estimate(x.double().numpy(), y.numpy(), classes=3, columns=2, bins=32)
    seen = found.observe(x.numpy())
    logs = np.log(found.tables)[:, np.arange(2), seen].sum(-1).T  # (samples, rows)
    if prior == "frequencies":
        logs += np.log(found.prior)
    same = machine.decide(x).winner == logs.argmax(1)
    assert same.mean() > (0.97 if mode == "logarithmic" else 0.93)
    clear = np.diff(np.sort(logs, 1)[:, -2:], axis=1)[:, 0] > 1.0
    assert same[clear].all()


def test_parameters_reach_the_tables():
    x, y = task()
    assert trained(x, y, features="first").chosen.tolist() == [0, 1]
    words = {rescale: trained(x, y, rescale=rescale).memory.words() for rescale in ("column", "value")}
    assert (words["value"].max(0) == 255).all()
    assert (words["column"].max((0, 2)) == 255).all() and (words["column"].max(0) < 255).any()
    kinds = [trained(x, y, estimate=e, features="first").memory.words() for e in ("gaussian", "kernel", "histogram")]
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(kinds))
    soft, sharp = (trained(x, y, power=p).memory.words().astype(int) for p in (0.5, 2.0))
    assert (soft >= sharp).all() and (soft > sharp).any()
    few, many = (trained(x, y, mode="logarithmic", decades=d).memory.words().astype(int) for d in (2.0, 8.0))
    assert (few >= many).all() and (few > many).any()


def test_missing_values_are_allowed_in_training_and_use():
    x, y = task()
    x[::4, 2] = torch.nan
    machine = trained(x, y, features="accuracy")
    assert (machine.observe(x)[::4, machine.chosen.tolist().index(2)] == -1).all()
    assert (machine.decide(x).winner == y.numpy()).mean() > 0.7


def test_the_prior_reaches_chips():
    x, y = task()
    circuit = circuits.catalogue["bayesian-array"](device=devices.get("hfox-binary").ideal())
    source = trained(x, y, prior="frequencies")
    chips = learning.get("naive-bayes", columns=2, bins=32, prior="frequencies").build_network(
        "bayesian", circuit=circuit, chips=2, shape=(4,), classes=3, seed=0
    )
    chips.fabricate(generator_for(0))
    chips.program(source, generator_for(1))
    assert (chips.memory.words() == source.memory.words()).all()
    assert (chips.decide(x).winner == source.decide(x).winner).all()


def test_refusals():
    x, y = task()
    with pytest.raises(DataError, match="class 1 has no examples"):
        trained(x, torch.where(y == 1, 0, y))
    with pytest.raises(ParameterError, match=r"'bins' = 513 is outside its range \[2, 512\]"):
        trained(x, y, bins=513)
    with pytest.raises(StudyError, match="builds the network 'bayesian'"):
        learning.get("naive-bayes").build_network("4-3", circuit=None, chips=None, shape=(4,), classes=3)
    with pytest.raises(RefusedError, match="fills tables of likelihoods"):
        learning.get("naive-bayes").accept(circuits.catalogue["crossbar"](device=devices.get("hfox-binary")))


def test_more_bins_than_the_memory_holds_are_refused():
    x, y = task(90)
    machine = trained(x, y)
    with pytest.raises(ParameterError, match=r"words of shape \(3, 2, 33\), but the machine \(3 .* 32 bins\) takes"):
        machine.store(machine.chosen.numpy(), machine.edges.numpy(), np.zeros((3, 2, 33), np.uint8))
    with pytest.raises(ParameterError, match=r"limits of bins of shape \(2, 32\)"):
        machine.store(machine.chosen.numpy(), np.zeros((2, 32)), machine.memory.words())
