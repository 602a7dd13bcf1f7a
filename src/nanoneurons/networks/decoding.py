r"""What spikes of labelled neurons say of the class: read-outs of a layer that has learnt without labels.

- ``"sum"``: spikes of all neurons with a label, added up. Physical: an output line per class.
- ``"active"``: the label of the neuron with most spikes. Physical: a search for the largest count.
- ``"likelihood"``: the class under which the counts are most probable if neuron *j* fires
  :math:`\lambda_{jc}` times on average for samples of class *c*, as a Poisson process,

  .. math:: \log p(n|c) = \sum_j n_j \ln \lambda_{jc} - \lambda_{jc} + \text{const}.

  Digital: a product of the counts with a stored table. It hears what every neuron says, also by its silence.

The means come from the same labelled samples that the labels come from; to those of a class, one sample of the neuron's
mean over all classes is added, so that no mean is zero where a neuron fires at all.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nanoneurons.core.errors import ParameterError

__all__ = ["DECODERS", "class_means", "class_scores", "labels_of"]

DECODERS = ("sum", "active", "likelihood")


def class_means(counts: torch.Tensor, y: torch.Tensor, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean spikes ``(chips, neurons, classes)`` and samples per class from spikes ``(chips, samples, neurons)``.

    Raises:
        ParameterError: labels do not fit the samples or the classes.
    """
    if y.shape != counts.shape[1:2]:
        raise ParameterError(f"there are {counts.shape[1]} samples, but labels of shape {tuple(y.shape)}")
    low, high = (int(v) for v in torch.aminmax(y))
    if low < 0 or high >= classes:
        raise ParameterError(f"labels lie between {low} and {high}, but the network has classes 0 to {classes - 1}")
    hot = F.one_hot(y, classes).double()
    sizes = hot.sum(0)
    return counts.double().transpose(1, 2) @ hot / sizes.clamp(min=1), sizes


def labels_of(means: torch.Tensor) -> torch.Tensor:
    """The class each neuron answers most, ``(chips, neurons)``; -1 where it never fired."""
    best, label = means.max(-1)
    return torch.where(best > 0, label, -1)


def class_scores(decoder: str, counts: torch.Tensor, means: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Scores per class ``(chips, samples, classes)`` from spikes ``(chips, samples, neurons)``."""
    spikes = counts.float()
    labels = labels_of(means)
    known = (labels >= 0).unsqueeze(-1)
    if decoder == "likelihood":
        overall = (means @ sizes / sizes.sum().clamp(min=1)).unsqueeze(-1)
        rates = (means * sizes + overall) / (sizes + 1)
        logarithms = torch.where(known, rates, 1.0).log().float()
        return spikes @ logarithms - rates.sum(1, keepdim=True).float()
    table = F.one_hot(labels.clamp(min=0), means.shape[-1]).float() * known
    if decoder == "active":
        most = (spikes * known.transpose(1, 2)).argmax(-1)
        spikes = F.one_hot(most, spikes.shape[-1]).float()
    return spikes @ table
