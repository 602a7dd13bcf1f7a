"""Deep convolutional networks trained by equilibrium propagation: settings, images, bias, and a small run."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.papers._shifts import Shifts
from nanoneurons.papers.laborieux2021_scaling_ep import experiment
from nanoneurons.papers.laborieux2021_scaling_ep._bias import biases
from nanoneurons.papers.laborieux2021_scaling_ep._images import Images
from nanoneurons.papers.laborieux2021_scaling_ep.experiment import PUBLISHED, QUICK, Config

CPU = torch.device("cpu")


def test_the_network_is_that_of_the_paper():
    network = experiment.network_of(Config(), (3, 32, 32), 10, 0, CPU)
    assert network.shapes[1:] == [(128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 1, 1)]
    assert sum(p.numel() for p in network.parameters()) == 3 * 9 * 128 + 9 * (128 * 256 + 256 * 512 + 512 * 512) + (
        128 + 256 + 512 + 512 + 512 * 10 + 10
    )
    assert (PUBLISHED.free_steps, PUBLISHED.nudged_steps, PUBLISHED.epochs, PUBLISHED.batch) == (250, 25, 120, 128)


def test_shifts_are_crops_of_images_with_repeated_edges():
    x = torch.arange(2 * 3 * 6 * 6, dtype=torch.float32).view(2, 3, 6, 6)
    wide = torch.nn.functional.pad(x, (2,) * 4, mode="replicate")
    every = wide.unfold(2, 6, 1).unfold(3, 6, 1)
    seen = set()
    shifts = Shifts(2, True, 0)
    for _ in range(800):
        y = shifts(x)
        for n in range(2):
            crops = every[n].permute(1, 2, 0, 3, 4).reshape(-1, 3, 6, 6)
            straight = (crops == y[n]).flatten(1).all(1).nonzero()
            turned = (crops.flip(-1) == y[n]).flatten(1).all(1).nonzero()
            assert len(straight) + len(turned) >= 1
            seen.add((n, "straight" if len(straight) else "turned", int((straight if len(straight) else turned)[0])))
    assert len(seen) == 2 * 2 * 25  # every crop of both images, flipped and not
    assert torch.equal(Shifts(2, True, 5)(x), Shifts(2, True, 5)(x))


def test_small_images_get_a_border():
    images = Images.of("mnist", 20, 10, 0, CPU)
    assert images.x.shape == (20, 1, 32, 32)
    assert images.x[:, :, :2].abs().max() == 0
    assert images.x.max() <= 1
    with pytest.raises(ParameterError, match="held_out"):
        Images.of("mnist", 0, 0, 10**6, CPU)


def test_centred_estimates_are_far_less_biased():
    found = biases(0, (1.0, 0.04, 0.02), 40, 5, lambda share, text: None)
    for network in found.values():
        assert network["residual"] < 1e-6
    dense, conv = found["dense"], found["convolutional"]
    assert dense["centred"]["error"][1] / dense["centred"]["error"][2] == pytest.approx(4, abs=0.2)
    assert dense["one-sided"]["error"][1] / dense["one-sided"]["error"][2] == pytest.approx(2, abs=0.2)
    assert conv["centred"]["cosine"][0] > 0.9
    assert conv["one-sided"]["error"][0] > 3 * conv["centred"]["error"][0]


def test_a_run_leaves_numbers_after_every_epoch(tmp_path):
    config = dataclasses.replace(QUICK, channels=(4, 8, 8), train_samples=64, test_samples=40, estimators=("centred",))
    texts = []
    result = experiment.run(config, "centred/seed0", tmp_path, lambda share, text: texts.append(text))
    rows = json.loads((tmp_path / "epochs" / "centred-seed0.json").read_text())
    assert [r["epoch"] for r in rows] == [1, 2]
    assert rows == result["epochs"]
    assert all(0 <= r["test_error"] <= 100 and r["seconds"] > 0 for r in rows)
    assert "test error" in texts[-1]
    assert (result["machine"], result["precision"]) == ("CPU", "single")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimators": ("both",)}, "estimators"),
        ({"precision": "double"}, "precision"),
        ({"rates": (0.1, 0.2)}, "5 rates or one"),
        ({"gains": (1.0, 2.0)}, "4 gains or one"),
        ({"beta": 0.0}, "nudges nothing"),
        ({"betas": (0.1, 0.0)}, "nudges nothing"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        experiment.jobs(dataclasses.replace(Config(), **changes))
