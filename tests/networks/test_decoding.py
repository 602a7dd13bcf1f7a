"""Read-outs of labelled neurons against their definitions, sample by sample."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.networks.competitive import CompetitiveNetwork
from nanoneurons.networks.decoding import class_means, class_scores, labels_of

COUNTS = torch.tensor([[[3, 0, 1, 0], [1, 0, 1, 0], [0, 2, 1, 0], [0, 4, 0, 0], [0, 0, 0, 0]]])
Y = torch.tensor([0, 0, 1, 1, 1])


def test_means_and_labels():
    means, sizes = class_means(COUNTS, Y, 3)
    assert means[0].tolist() == [[2, 0, 0], [0, 2, 0], [1, 1 / 3, 0], [0, 0, 0]]
    assert sizes.tolist() == [2, 3, 0]
    assert labels_of(means).tolist() == [[0, 1, 0, -1]]


def test_sum_and_active():
    means, sizes = class_means(COUNTS, Y, 3)
    counts = torch.tensor([[[2, 3, 2, 9], [0, 0, 0, 7]]])
    assert class_scores("sum", counts, means, sizes)[0].tolist() == [[4, 3, 0], [0, 0, 0]]
    assert class_scores("active", counts, means, sizes)[0, 0].tolist() == [0, 1, 0]


def test_likelihood_is_that_of_poisson_counts():
    means, sizes = class_means(COUNTS, Y, 3)
    n = torch.tensor([[[2, 3, 2, 9], [0, 0, 0, 0]]])
    found = class_scores("likelihood", n, means, sizes)[0]
    overall = [4 / 5, 6 / 5, 3 / 5, 0]
    for sample in range(2):
        for c in range(3):
            expected = 0.0
            for j in range(3):  # the fourth never fired: it says nothing
                rate = (float(means[0, j, c]) * float(sizes[c]) + overall[j]) / (float(sizes[c]) + 1)
                expected += int(n[0, sample, j]) * math.log(rate) - rate
            assert float(found[sample, c]) == pytest.approx(expected, rel=1e-5)


def test_likelihood_finds_the_class_of_poisson_counts_better_than_the_labels_do():
    draw = torch.Generator().manual_seed(0)
    rates = 3 * torch.rand(30, 4, generator=draw)
    y = torch.randint(4, (4000,), generator=draw)
    counts = torch.poisson(rates.T[y], generator=draw)[None]
    means, sizes = class_means(counts[:, :2000], y[:2000], 4)
    right = {
        name: float((class_scores(name, counts[:, 2000:], means, sizes)[0].argmax(-1) == y[2000:]).double().mean())
        for name in ("sum", "active", "likelihood")
    }
    ideal = (counts[0, 2000:] @ rates.log() - rates.sum(0)).argmax(-1) == y[2000:]
    assert right["likelihood"] > float(ideal.double().mean()) - 0.01  # two standard errors of 2000 samples
    assert right["likelihood"] > max(right["sum"], right["active"])


def test_an_unknown_read_out_is_refused():
    with pytest.raises(ParameterError, match="one of sum, active, likelihood, not 'vote'"):
        CompetitiveNetwork(4, 2, 2, decoder="vote")
