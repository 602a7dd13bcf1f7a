"""The audit of an RF network end to end, small: ranking, requirement, energy, figures, wording, resumption."""

import json
import re

import numpy as np
import pytest

from nanoneurons import devices
from nanoneurons.core.errors import DataError, ParameterError, RefusedError, StudyError, UnknownNameError
from nanoneurons.lab import audit, report, summary
from nanoneurons.lab.study import Study

SMALL = {
    "device": "spin-diode", "network": "64-8-10", "chips": 2, "epochs": 1, "batch": 50,
    "train_samples": 200, "test_samples": 80,
}  # fmt: skip
STUDY = Study(quick=True, **SMALL)
IMPERFECTIONS = (
    "neuron_device_to_device", "tuning_error", "resonance_spread", "damping_spread", "sensitivity_spread",
    "thermal_noise", "crosstalk",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rf")
    return audit.run(STUDY, folder, workers=1, progress="none"), folder


def test_every_imperfection_is_ranked_and_one_has_a_requirement(run):
    result, _ = run
    assert tuple(c["imperfection"] for c in result["costs"]) == IMPERFECTIONS
    rows = {r["condition"]: np.array(r["accuracy"]) for r in result["rows"]}
    for cost in result["costs"]:
        gain = 100 * (rows[f"without:{cost['imperfection']}"] - rows["full"])
        assert cost["removed"]["points"] == pytest.approx(gain.mean(), abs=1e-9)
        assert cost["parameters"] and all(p["source"] for p in cost["parameters"])
    assert result["requirement"]["imperfection"] in IMPERFECTIONS
    assert result["used"]["rule"] == "physics-aware" and result["used"]["circuit"] == "rf-chain"
    assert [len(h) for h in result["history"].values()] == [1] * len(result["history"])


def test_labels_are_words():
    found = {summary.label(i) for i in STUDY.setup().circuit.imperfections()}
    assert found == {
        "device-to-device spread of the neurons", "tuning error", "resonance spread", "damping spread",
        "sensitivity spread", "thermal noise", "crosstalk",
    }  # fmt: skip


def test_energy_is_split_and_the_projection_is_outside(run):
    bill = run[0]["energy"]["inference"]
    events = {line["event"].partition(",")[0] for line in bill["lines"]}
    assert {"oscillator", "resonator", "line amplifier", "neuron amplifier"} <= events
    assert bill["joule"] == pytest.approx(sum(line["joule"] or 0 for line in bill["lines"]))
    assert "holding a tuned resonance" in bill["unpriced"] and "while it reads" in bill["note"]
    training = run[0]["energy"]["training"]
    assert training["unpriced"][0] == "tuning" and "shifts of resonances" in training["note"]
    (projected,) = [other for other in run[0]["beside"] if other["projection"]]
    assert projected["joule"] == pytest.approx((64 * 8 + 8 * 10) * 10e-15 + 8 * 100e-15)
    assert len(run[0]["beside"]) == 8


def test_nothing_speaks_of_pulses_or_images(run):
    result, folder = run
    page = re.sub(r"<svg.*?</svg>", "", (folder / "report.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    text = page + " ".join(result["notes"])
    assert not re.search(r"\bpulses?\b|\bconductance|\bimages\b", text)
    assert "settling times of the slowest resonator" in text
    assert "projection" in page and "The same by other means" in page
    assert "Neuron: spin-torque nano-oscillator" in page, "the neuron's parameters have their table"


def test_figures_of_resonators_and_neurons(run):
    result, folder = run
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert {"resonances", "neuron", "energy", "costs", "yield"} <= names and "response" not in names
    assert result["response"]["kind"] == "resonances" and result["neuron"]["kind"] == "emission"
    first = (folder / "report.html").read_bytes()
    assert report.write(folder).read_bytes() == first


def test_a_resumed_run_gives_equal_rows(run, tmp_path):
    import shutil

    result, folder = run
    shutil.copytree(folder, tmp_path / "half")
    for path in sorted((tmp_path / "half" / "jobs").iterdir())[::6]:
        path.unlink()
    again = audit.run(STUDY, tmp_path / "half", workers=1, progress="none")
    kept = [{k: v for k, v in r.items() if k not in ("seconds", "environment")} for r in (result, again)]
    assert json.dumps(kept[0]) == json.dumps(kept[1])


def test_backpropagation_writes_software_resonances_to_the_chips(tmp_path):
    study = Study(rule="backpropagation", quick=True, **SMALL)
    result = audit.run(study, tmp_path, workers=1, progress="none")
    rows = {r["condition"]: r for r in result["rows"]}
    assert len(set(rows["ideal"]["accuracy"])) == 1, "ideal chips are the software network"
    assert result["used"]["in_situ"] is False
    assert result["energy"]["training"]["note"].startswith("programming one chip once")


def test_parameters_of_the_neuron_are_part_of_the_key():
    plain, other = STUDY, Study(quick=True, circuit_parameters={"neuron_emission": 0.5}, **SMALL)
    assert plain.key() != other.key()
    assert other.setup().circuit.neuron.emission == 0.5
    clear = Study(quick=True, circuit_parameters={"neuron_threshold": "5 uA"}, **SMALL)
    assert clear.setup().circuit.neuron.threshold_current() == pytest.approx(5e-6)


BAND = "lies outside the tuning range"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"rule": "analog-sgd"},
            RefusedError,
            "trains analog layers, but 'spin-diode' is a device of kind 'resonator'",
        ),
        ({"rule": "straight-through"}, RefusedError, "leave the rule out to take 'physics-aware'"),
        ({"circuit": "crossbar"}, RefusedError, "SpinDiode .kind 'resonator'. makes no"),
        ({"circuit": "rf-chian"}, UnknownNameError, "did you mean 'rf-chain'"),
        ({"circuit_parameters": {"band_high": "20 GHz"}}, ParameterError, BAND),
        ({"circuit_parameters": {"band_low": "20 mHz"}}, ParameterError, "'band_low' = 0.02 Hz is outside its range"),
        ({"circuit_parameters": {"band_low": "3 V"}}, ParameterError, "band_low: '3 V' cannot be converted to Hz"),
        ({"circuit_parameters": {"crosstalk": 2}}, ParameterError, "'crosstalk' = 2 is outside its range"),
        ({"circuit_parameters": {"neuron_treshold": "1 uA"}}, UnknownNameError, "did you mean 'threshold'"),
        ({"circuit_parameters": {"neuron_threshold": "1 V"}}, ParameterError, "neuron_threshold: '1 V' cannot"),
        ({"circuit_parameters": {"nueron_threshold": "1 uA"}}, UnknownNameError, "no parameter 'nueron_threshold'"),
        ({"device_parameters": {"lowest_frequency": "50 MHz"}}, ParameterError, BAND),
        ({"device_parameters": {"band_low": "30 MHz"}}, UnknownNameError, "is a parameter of the circuit, not of the"),
        ({"device_parameters": {"dampin": 0.01}}, UnknownNameError, "did you mean 'damping'"),
        ({"rule_parameters": {"twin": "idael"}}, ParameterError, "did you mean 'ideal'"),
        ({"task": "mackey-glass"}, DataError, "is of kind series"),
        ({"device": "spin-torque-oscillator:rf-neuron"}, RefusedError, "is a device of kind 'oscillator'"),
    ],
)
def test_wrong_studies_are_refused(changes, error, message):
    with pytest.raises(error, match=message) as found:
        Study(**{**SMALL, **changes})
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("options", [["--rule", "analog-sgd"], ["--network", "65-10"], ["--set", "tuning_error=1 Hz"]])
def test_on_the_command_line_a_mistake_is_one_line(options, tmp_path, capsys, monkeypatch):
    from nanoneurons.cli._main import run as command

    monkeypatch.chdir(tmp_path)
    assert command(["audit", "--device", "spin-diode", *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "no work was begun"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("256-8-10", "expects input 256, but a sample of this task has 64"),
        ("64-8-12", "must end with the 10 classes"),
        ("64-0-10", "has a layer of size zero"),
        ("64-8c3-10", "a convolution cannot follow a dense layer"),
        ("64-x-10", "'x' is neither a size"),
        ("3x8x8-8c3-10", "expects input 3x8x8, but a sample of this task has 1x8x8"),
    ],
)
def test_wrong_networks_are_refused_before_any_work(network, message, tmp_path):
    with pytest.raises(StudyError, match=message):
        audit.run(Study(**{**SMALL, "network": network}), tmp_path / "out", workers=1, progress="none")
    assert not (tmp_path / "out").exists()


def test_a_file_with_gaps_is_refused_and_one_with_negative_values_is_scaled(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 5)) + y[:, None]
    np.savez(tmp_path / "negative.npz", x=x, y=y)
    x[3, 2] = np.nan
    np.savez(tmp_path / "gap.npz", x=x, y=y)
    small = {"device": "spin-diode", "chips": 2, "epochs": 1, "network": "5-4-2", "quick": True}
    with pytest.raises(DataError, match=r"nan at sample 3, column 2"):
        audit.run(Study(task=f"user:{tmp_path / 'gap.npz'}", **small), tmp_path / "a", workers=1, progress="none")
    found = audit.run(
        Study(task=f"user:{tmp_path / 'negative.npz'}", **small), tmp_path / "b", workers=1, progress="none"
    )
    assert "scaled to [0, 1]" in " ".join(found["notes"]), "powers are never negative"


def test_auto_is_a_hidden_layer_that_a_band_has_room_for():
    from nanoneurons import networks
    from nanoneurons.circuits.rf_chain import RfChain

    made = networks.build(
        "auto", kind="rf", circuit=RfChain(devices.get("spin-diode")), chips=None, shape=(256,), classes=10
    )
    assert [tuple(layer.weight.shape) for layer in made.device_layers] == [(128, 256), (10, 128)]
