"""What learning reads: counts of phases against sums written out, and what a rule wants of a circuit."""

import pytest

from nanoneurons import devices, learning
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.lab.study import Study
from nanoneurons.networks import Relaxation, build_energy

SHAPE = (12,)


def network(rule, spec="12-8-3"):
    circuit = Crossbar(devices.get("pulsed:ecram"))
    return rule.build_network(spec, kind="analog", circuit=circuit, chips=2, shape=SHAPE, classes=3, seed=0)


def expected(steps):
    """12-8-3: the first array once, the second both ways in every step."""
    return {
        "dac": 12 + (8 + 3) * steps,
        "read": 12 * 8 + 2 * 8 * 3 * steps,
        "adc": 8 + (3 + 8) * steps,
    }


@pytest.mark.parametrize(
    ("more", "phases"),
    [
        ({"estimator": "one-sided"}, 1),
        ({"estimator": "random-sign"}, 1),
        ({"estimator": "centred"}, 2),
        ({"estimator": "holomorphic", "points": 2}, 2),
        # two real points and a pair of conjugates, of which one is run: its real and imaginary parts are read
        ({"estimator": "holomorphic", "points": 4}, 4),
    ],
)
def test_equilibrium_propagation_reads_every_phase(more, phases):
    rule = learning.get("equilibrium-propagation", free_steps=20, nudged_steps=7, **more)
    made = network(rule)
    assert made.inference_counts().events == expected(20)
    assert rule.learning_counts(made).events == expected(20 + 7 * phases)


def test_other_rules_read_once():
    through_time = learning.get("backpropagation-through-time", free_steps=20, nudged_steps=7)
    made = network(through_time)
    assert through_time.learning_counts(made).events == expected(20)
    sgd = learning.get("analog-sgd")
    made = network(sgd)
    assert sgd.learning_counts(made).events == made.inference_counts().events
    assert sgd.remarks(made, []) == ()


def test_untied_feedback_is_read_too():
    circuit = Crossbar(devices.get("pulsed:ecram"))
    common = {"shape": SHAPE, "classes": 3, "circuit": circuit, "relaxation": Relaxation(5, 5)}
    tied, untied = build_energy("12-8-3", **common), build_energy("12-8-3", tied=False, **common)
    assert tied.inference_counts().events == untied.inference_counts().events == expected(5)


def test_resistors_settle_at_once_and_are_read_in_every_phase():
    rule = learning.get("equilibrium-propagation", network="resistors", free_steps=9)
    circuit = Crossbar(devices.get("pulsed:ecram"))
    made = rule.build_network("12-8-3", kind="analog", circuit=circuit, chips=2, shape=SHAPE, classes=3, seed=0)
    resistors = 24 * 8 + 8 * 3  # inputs are doubled, with the opposite sign
    assert made.inference_counts().events == {"dac": 24, "read": resistors, "adc": 3}
    assert rule.learning_counts(made).events == {"dac": 24 + 2 * 3, "read": 3 * resistors, "adc": 3 * (8 + 3)}
    assert "settles to by itself" in rule.remarks(made, [])[0]


def test_remarks_say_that_phases_settled():
    rule = learning.get("equilibrium-propagation")
    made = network(rule)
    good = rule.remarks(made, [{"epoch": 1, "loss": 1.0, "residual": 1e-3}])
    bad = rule.remarks(made, [{"epoch": 1, "loss": 1.0, "residual": 0.2}])
    assert any("had settled" in s and "0.001" in s for s in good)
    assert any("2 nudged phases" in s for s in good)
    assert not any("had settled" in s for s in bad)
    assert not any("settled" in s for s in rule.remarks(made, [{"epoch": 1, "loss": 1.0}]))


def test_a_rule_suits_the_circuit_where_the_study_does_not_say():
    plain = Study(device="pulsed:ecram").setup().circuit
    suited = Study(device="pulsed:ecram", rule="equilibrium-propagation").setup().circuit
    told = Study(
        device="pulsed:ecram", rule="equilibrium-propagation", circuit_parameters={"weight_range": 5.0}
    ).setup()
    assert plain.values()["weight_range"] == 8.0
    assert suited.values()["weight_range"] == learning.get("equilibrium-propagation").circuit_values["weight_range"]
    assert told.circuit.values()["weight_range"] == 5.0
    binary = Study(device="hfox-weak-reset", rule="binary-equilibrium-propagation").setup()
    assert binary.circuit_name == "differential-pair"
