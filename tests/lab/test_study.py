"""A study refuses what it cannot mean, in one line, and its key is what decides the numbers."""

import pytest

from nanoneurons.core.errors import (
    DataError,
    NanoneuronsError,
    ParameterError,
    RefusedError,
    StudyError,
    UnknownNameError,
)
from nanoneurons.lab.study import Study

DEVICE = "hfox-weak-reset"


def test_everything_but_the_device_has_a_default():
    study = Study(device=DEVICE)
    setup = study.setup()
    assert (setup.rule_name, setup.circuit_name) == ("pulsed-adam", "differential-pair")
    # a large training set gets the rule's defaults; a small one gets smaller batches and as many updates as it needs
    assert setup.schedule(60_000) == (setup.rule.default_epochs, setup.rule.default_batch)
    epochs, batch = setup.schedule(600)
    assert batch == 16 and epochs * -(-600 // batch) >= setup.rule.default_updates
    assert Study(device=DEVICE, epochs=3, batch=7).setup().schedule(600) == (3, 7)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({}, StudyError, "needs a key 'device'"),
        ({"device": DEVICE, "netwrok": "8-2"}, StudyError, r"unknown key 'netwrok'.*did you mean 'network'"),
        ({"device": "hfox-weak-rest"}, UnknownNameError, "hfox-weak-reset"),
        ({"device": DEVICE, "rule": "pulsed-adan"}, UnknownNameError, "pulsed-adam"),
        ({"device": DEVICE, "circuit": "diferential-pair"}, UnknownNameError, "differential-pair"),
        ({"device": DEVICE, "task": "narma10"}, DataError, "'narma10' is of kind series, but classification is needed"),
        ({"device": DEVICE, "chips": 0}, StudyError, "key 'chips'.*greater than or equal to 1"),
        ({"device": DEVICE, "chips": "eight"}, StudyError, "key 'chips'.*'eight'"),
        ({"device": DEVICE, "seed": -1}, StudyError, "key 'seed'"),
        ({"device": DEVICE, "device_parameters": {"resistence": 1}}, UnknownNameError, "did you mean 'resistance'"),
        ({"device": DEVICE, "device_parameters": {"resistance": "7 mV"}}, ParameterError, "resistance.*ohm"),
        ({"device": DEVICE, "device_parameters": {"telegraph_amplitude": 99}}, ParameterError, "outside its range"),
        ({"device": DEVICE, "circuit_parameters": {"sense_offset": "3 K"}}, ParameterError, "sense_offset"),
        ({"device": DEVICE, "rule_parameters": {"lr": -1.0}}, ParameterError, "lr"),
    ],
)
def test_bad_studies_are_refused_in_one_line(values, error, message):
    with pytest.raises(error, match=message) as caught:
        Study(**values)
    assert isinstance(caught.value, NanoneuronsError) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"device": "relaxing-oscillator"},
            "conductances.*kind 'oscillator'.*nanoneurons reproduce.*networks of oscillators.*"
            "nanoneurons devices relaxing-oscillator --plot",
        ),
        ({"device": "relaxing-oscillator", "rule": "analog-sgd"}, "kind 'oscillator'"),
        ({"device": "switching-junction"}, "kind 'junction'.*nanoneurons reproduce"),
        ({"device": DEVICE, "rule": "frequency-shift"}, "trains oscillators; leave it out to take 'pulsed-adam'"),
        ({"device": "spin-diode", "rule": "extreme-learning"}, "only a digital read-out.*take 'physics-aware'"),
    ],
)
def test_what_trains_no_layers_is_refused_in_one_line(samples, values, message):
    with pytest.raises(RefusedError, match=message) as caught:
        Study(**values)
    assert "\n" not in str(caught.value)


def test_unit_strings_become_si_values():
    values = {"resistance": "7 kohm", "telegraph_amplitude": "25 %", "flicker_register": "15 pulses"}
    device = Study(device=DEVICE, device_parameters=values).setup().circuit.device
    assert (device.resistance, device.telegraph_amplitude) == (7000.0, 0.25)
    assert device.flicker_register == 15 and isinstance(device.flicker_register, int)


def test_toml_round_trip(tmp_path):
    study = Study(
        device=DEVICE, device_parameters={"resistance": "7 kohm"}, network='64-"8"', chips=3, quick=True, epochs=2
    )
    assert Study.load(study.save(tmp_path / "study.toml")) == study


def test_paths_of_a_study_file_are_relative_to_it(tmp_path):
    (tmp_path / "mine.toml").write_text(f'device = "{DEVICE}"\n[parameters]\nresistance = 7000.0\n')
    (tmp_path / "study.toml").write_text('device = "mine.toml"\ntask = "user:x.npz"\n')
    study = Study.load(tmp_path / "study.toml")
    assert study.setup().circuit.device.resistance == 7000.0
    assert study.task == f"user:{tmp_path / 'x.npz'}"


@pytest.mark.parametrize(
    ("text", "message"), [("device = ", "cannot be read"), ('device = "x"\ndevice = "y"', "cannot be read")]
)
def test_unreadable_studies_are_refused(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(StudyError, match=message):
        Study.load(tmp_path / "bad.toml")
    with pytest.raises(StudyError, match="does not exist"):
        Study.load(tmp_path / "none.toml")


def test_errors_of_a_file_name_the_file(tmp_path):
    (tmp_path / "bad.toml").write_text('device = "hfox-weak-reset"\nchip = 3\n')
    with pytest.raises(StudyError, match=r"bad\.toml.*did you mean 'chips'"):
        Study.load(tmp_path / "bad.toml")


def test_key_is_about_the_numbers_only(tmp_path):
    study = Study(device=DEVICE)
    assert study.key() == Study(device=DEVICE, workers=2).key(), "workers change no number"
    assert study.key() == Study(device=DEVICE, rule="pulsed-adam").key(), "a default said aloud changes nothing"
    assert study.key() == Study(device=DEVICE, device_parameters={"resistance": "6988 ohm"}).key()
    others = [{"chips": 7}, {"seed": 1}, {"epochs": 9}, {"quick": True}, {"device_parameters": {"resistance": 7000.0}}]
    keys = {Study(device=DEVICE, **change).key() for change in others}
    assert len(keys | {study.key()}) == len(others) + 1
    data = tmp_path / "x.npz"
    data.write_bytes(b"one")
    first = Study(device=DEVICE, task=f"user:{data}").key()
    data.write_bytes(b"two")
    assert Study(device=DEVICE, task=f"user:{data}").key() != first, "an edited data file is another study"


def test_folder_name_is_a_plain_file_name():
    name = Study(device="hfox-binary", task="user:/tmp/my data.npz").folder_name()
    assert all(c.isalnum() or c in "-_" for c in name)


BAYESIAN = {"device": "hfox-binary", "network": "bayesian"}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"network": "bayesin"}, StudyError, r"unknown network 'bayesin' \(did you mean 'bayesian'\?\); give sizes"),
        ({"rule": "straight-through"}, StudyError, "filled by the rule 'naive-bayes', not by 'straight-through'"),
        ({"circuit": "crossbar"}, RefusedError, "a crossbar makes analog layers; use the circuit 'bayesian-array'"),
        ({"circuit": "bayesian-array", "network": "64-10"}, RefusedError, "makes tables of likelihoods; use the circ"),
        ({"circuit": "bayesian-aray"}, UnknownNameError, "did you mean 'bayesian-array'"),
        ({"device": "spin-diode"}, RefusedError, "leave the network out to take 'physics-aware'"),
        ({"rule_parameters": {"bins": 100_000}}, ParameterError, r"'bins' = 100000 is outside its range \[2, "),
        ({"rule_parameters": {"mode": "firts"}}, ParameterError, r"full, first, logarithmic, not .firts. \(did you me"),
        ({"rule_parameters": {"cycles": 256}}, ParameterError, r"'cycles' = 256 is outside its range \[1, 255\]"),
        ({"circuit_parameters": {"upset_rate": 0.9}}, ParameterError, r"'upset_rate' = 0.9 is outside its range"),
        ({"device_parameters": {"upset_rate": 0.1}}, UnknownNameError, "is a parameter of the circuit, not of the dev"),
    ],
)
def test_wrong_studies_of_a_bayesian_machine_are_refused(changes, error, message):
    with pytest.raises(error, match=message) as found:
        Study(**{**BAYESIAN, **changes})
    assert "\n" not in str(found.value)


def test_the_network_bayesian_brings_its_rule_and_circuit():
    found = Study(**BAYESIAN).setup()
    assert (found.rule_name, found.circuit_name) == ("naive-bayes", "bayesian-array")
    assert [i.name for i in found.circuit.imperfections()] == ["device_to_device", "cycle_to_cycle", "read_noise"]
    around = {"sense_offset": 0.1, "upset_rate": 1e-3}
    more = Study(**BAYESIAN, circuit_parameters=around, device_parameters={"stuck_share": 0.01})
    names = [i.name for i in more.setup().circuit.imperfections()]
    assert {"sense_offset", "upsets", "stuck"} <= set(names)
