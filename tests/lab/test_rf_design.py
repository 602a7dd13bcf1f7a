"""Design of resonator chains: closed forms, merged inputs, thresholds, and a small study from jobs to report."""

import dataclasses
import html
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError, RefusedError, StoreError, StudyError
from nanoneurons.devices.spin_diode import SpinDiode
from nanoneurons.lab import report
from nanoneurons.lab.rf_design import RfDesign, closed_forms, measure
from nanoneurons.lab.rf_limits import largest_damping, limits, line_power, spacing_of, tones_that_fit
from nanoneurons.lab.rf_runs import Condition, merged
from nanoneurons.lab.rf_summary import LIMIT, threshold
from nanoneurons.physics.chain_map import contrast, independent_limit, linewidths_apart
from nanoneurons.physics.spin_diode import chain_capacity, leakage, plan_frequencies, rectified

LOW, HIGH = 20e6, 120e6


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 400), st.floats(1e-4, 0.1), st.sampled_from(["geometric", "linear"]))
def test_spacing_is_the_inverse_of_what_fits(tones, damping, plan):
    spacing = spacing_of(tones, LOW, HIGH, damping, plan)
    assert tones_that_fit(LOW, HIGH, damping, spacing, plan) == tones
    assert linewidths_apart(plan_frequencies(tones, LOW, HIGH, plan), damping)[0] == pytest.approx(spacing)


@pytest.mark.parametrize("tones", [64, 256])
def test_the_largest_damping_is_where_the_band_is_full(tones):
    damping = largest_damping(tones, LOW, HIGH, "geometric")
    assert independent_limit(LOW, HIGH, damping) == pytest.approx(tones - 1)
    # The linear plan is densest between its two highest tones; there it is as dense as the geometric one may be.
    linear = largest_damping(tones, LOW, HIGH, "linear")
    assert linear < damping
    narrowest = linewidths_apart(plan_frequencies(tones, LOW, HIGH, "linear"), linear)[0]
    assert narrowest == pytest.approx(
        linewidths_apart(plan_frequencies(tones, LOW, HIGH, "geometric"), damping)[0], rel=0.01
    )


def test_closed_forms_of_the_drone_layer():
    found = limits(RfChain(SpinDiode()), 256)
    geometric, linear = found["plans"]
    assert geometric["spacing"][0] == pytest.approx(math.log(6) / 255 / 0.02, rel=1e-3)
    assert found["decay_time"] == pytest.approx(1 / (2 * math.pi * 0.2e6))  # half linewidth of the lowest: 0.2 MHz
    assert found["settling_time"] == pytest.approx(math.log(100) * found["decay_time"])
    assert found["fits"] == chain_capacity(LOW, HIGH, 0.01, 1.0)
    assert found["largest_weight"] == pytest.approx(SpinDiode().nominal_sensitivity)
    assert geometric["contrast"] == contrast(geometric["spacing"][0])
    # Heads and tails in turn let the tails cancel; the linear plan is denser at the upper end.
    for plan in (geometric, linear):
        assert plan["leakage_alternating"] < 0.1 * plan["leakage_aligned"]
    assert linear["independent"] < geometric["independent"] <= 256
    assert found["recommended"]["damping"] <= geometric["largest_damping"]
    json.dumps(found, allow_nan=False)


def test_the_largest_weight_knows_loss_symmetric_line_and_tuning_range():
    device = SpinDiode(symmetric=0.5)
    x = torch.linspace(-5, 5, 100001, dtype=torch.float64)
    best = float(rectified(1 + 0.01 * x, torch.tensor(1.0), 0.01, 0.5).max()) * device.nominal_sensitivity
    assert limits(RfChain(device), 16)["largest_weight"] == pytest.approx(best, rel=1e-4)
    assert limits(RfChain(device, insertion_loss=3.0), 16)["largest_weight"] == pytest.approx(best * 10**-0.3, rel=1e-4)
    # A resonance that can be shifted by a tenth of its half linewidth reaches 2 x/(1 + x^2) at x = 0.1.
    narrow = SpinDiode(damping=0.05, tuning=0.005)
    reached = limits(RfChain(narrow), 16)
    assert reached["largest_weight"] == pytest.approx(narrow.nominal_sensitivity * 0.2 / 1.01)
    assert reached["recommended"]["damping"] <= 0.005


def test_line_power_is_what_the_window_of_a_neuron_bears():
    circuit = RfChain(SpinDiode())
    leaking = 0.5 * line_power(circuit) * circuit.device.nominal_sensitivity  # V
    on, off = (circuit.neuron_current(torch.tensor(v, dtype=torch.float64)) for v in (1e3, -1e3))
    assert leaking * circuit.transconductance == pytest.approx(float(on - off))
    # A crowded chain with head-to-tail wiring does leak half a weight at its ends.
    for damping in (0.02, 0.05):
        worst = leakage(plan_frequencies(256, LOW, HIGH, "geometric"), damping).abs().max()
        assert float(worst) == pytest.approx(0.5, abs=0.1)


def test_many_inputs_are_answered_without_decomposing_the_map():
    found = limits(RfChain(SpinDiode()), 20000)
    assert found["plans"][0]["independent"] is None
    assert found["recommended"]["damping"] < 2e-4


def test_one_input_is_no_chain():
    with pytest.raises(StudyError, match="at least 2 inputs"):
        limits(RfChain(SpinDiode()), 1)
    with pytest.raises(ParameterError, match="linewidths"):
        limits(RfChain(SpinDiode()), 10, 200.0)


def test_merged_inputs_keep_mean_total_power():
    rng = torch.Generator().manual_seed(0)
    images = torch.rand((5, 1, 8, 8), generator=rng)
    small = merged(images, 16)
    wanted = images.reshape(5, 4, 2, 4, 2).sum((2, 4)).reshape(5, 16)
    torch.testing.assert_close(small, wanted)
    spectra = torch.rand((5, 12), generator=rng)
    torch.testing.assert_close(merged(spectra, 4), spectra.reshape(5, 4, 3).sum(2))
    assert merged(spectra, 12).equal(spectra)
    with pytest.raises(StudyError, match="12 inputs"):
        merged(spectra, 13)


def test_a_condition_is_its_job():
    for c in (Condition(64, 0.01, 0), Condition(9, 1 / 3, 1), Condition(16, 1e-5, 1, 0.003, "ideal")):
        assert Condition.of(c.job) == c


def test_threshold_of_a_known_curve():
    rng = np.random.default_rng(0)
    cost = np.array([0.0, 0.005, 0.02, 0.10])  # crosses 1 point a third of the way from 1 to 2
    better = np.ones((4, 8, 4000), bool)
    worse = rng.random((4, 8, 4000)) > cost[:, None, None]
    found = threshold(np.arange(4.0), better, worse, 0)
    assert found["at"] == pytest.approx(4 / 3, abs=0.1)
    assert found["low"] <= found["at"] <= found["high"]
    assert found["high"] - found["low"] < 0.5
    assert not found["open_ended"]
    never = threshold(np.arange(4.0), better, better, 0)
    assert never["open_ended"]
    assert never["at"] == 3.0
    always = threshold(np.arange(4.0), better, ~better, 0)
    assert always["at"] is None
    assert LIMIT == 1.0


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"device": "hfox-weak-reset"}, RefusedError, "resonator"),
        ({"device": "spin-diod"}, KeyError, "spin-diode"),
        ({"band_low": 2e8}, ParameterError, "band_low"),
        ({"band_high": 2e10}, ParameterError, "tuning range"),
        ({"dampings": (0.1, 0.01)}, StudyError, "rising order"),
        ({"spreads": (0.01, 0.02)}, StudyError, "begin with 0"),
        ({"twins": ("idael",)}, StudyError, "idael"),
        ({"line_power": -1.0}, StudyError, "line_power"),
        ({"seeds": 0}, StudyError, "seeds"),
        ({"device_parameters": {"damping": "7 MHz"}}, ParameterError, "damping"),
        ({"plan": "log"}, ParameterError, "geometric"),
    ],
)
def test_impossible_designs_are_refused_in_one_line(values, error, said):
    with pytest.raises(error, match=said) as caught:
        RfDesign(**values)
    assert "\n" not in str(caught.value)


def test_closed_forms_need_a_size_and_measuring_a_task():
    with pytest.raises(StudyError, match="--inputs"):
        closed_forms(RfDesign())
    with pytest.raises(StudyError, match="--task"):
        measure(RfDesign(inputs=10))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    rng = np.random.default_rng(4)
    y = np.arange(120) % 2
    x = rng.random((120, 8)) * 0.4
    x[:, :4] += 0.5 * y[:, None]
    np.savez(folder / "task.npz", x=x, y=y)
    return f"user:{folder / 'task.npz'}"


SMALL = RfDesign(
    tones=(4, 8), dampings=(0.01, 0.3), spreads=(0.0, 0.05), spread_dampings=(0.01,), seeds=2, chips=2, hidden=0,
    epochs=40,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured(task, tmp_path_factory):
    out = tmp_path_factory.mktemp("design") / "one"
    design = dataclasses.replace(SMALL, task=task)
    return design, out, measure(design, out, 1, "none")


def test_a_study_from_jobs_to_report(measured):
    _, out, result = measured
    stored = json.loads((out / "rows.json").read_text())
    assert stored["kind"] == "design"
    assert [r["tones"] for r in stored["rows"]].count(8) == 2 * 2 + 2 * 2
    assert {r["tones"] for r in stored["rows"]} == {4, 8}
    first = next(r for r in stored["rows"] if r["tones"] == 8 and r["damping"] == 0.01 and not r["crosstalk"])
    assert first["mean"] > 0.9
    assert first["cost"] is None
    assert {c["tones"] for c in stored["thresholds"]["crowding"]} == {4, 8}
    page = (out / "report.html").read_text()
    for name in ("accuracy", "crosstalk", "spread", "chart"):
        assert (out / "figures" / f"{name}.svg").is_file()
        assert f'id="{name}"' in page
    assert stored["headline"] in html.unescape(page)
    assert result["folder"] == str(out)


def test_resuming_and_two_workers_give_the_same_rows(measured, tmp_path):
    design, out, result = measured
    again = measure(design, out, 1, "none")
    assert again["rows"] == result["rows"]
    assert again["seconds"] == result["seconds"]  # nothing was computed anew
    other = measure(design, tmp_path / "two", 2, "none")
    assert other["rows"] == result["rows"]
    assert other["thresholds"] == result["thresholds"]


def test_another_design_does_not_share_the_folder(measured):
    design, out, _ = measured
    with pytest.raises(StoreError, match="other settings"):
        measure(dataclasses.replace(design, epochs=2), out, 1, "none")


def test_the_report_is_written_anew_from_rows_alone(measured):
    _, out, _ = measured
    before = (out / "report.html").read_text()
    (out / "report.html").unlink()
    assert report.write(out).read_text() == before


def test_impossible_conditions_are_refused_before_any_training(measured, tmp_path):
    design, _, _ = measured
    with pytest.raises(StudyError, match="8 inputs"):
        measure(dataclasses.replace(design, tones=(9,)), tmp_path / "none", 1, "none")
    with pytest.raises(ParameterError, match="damping"):
        measure(dataclasses.replace(design, dampings=(0.01, 0.9)), tmp_path / "none", 1, "none")
    with pytest.raises(ParameterError, match="resonance_spread"):
        measure(dataclasses.replace(design, spreads=(0.0, 0.5)), tmp_path / "none", 1, "none")
    assert not (tmp_path / "none").exists()
