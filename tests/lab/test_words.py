"""Numbers in sentences."""

import pytest

from nanoneurons.lab import words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.5e-8, "J", "25 nJ"),
        (9.9996e-10, "J", "1 nJ"),
        (6988.0, "ohm", "6.99 kΩ"),
        (0.0, "S", "0 S"),
        (1.17e8, "cycle", "1.17·10⁸ cycle"),
        (3e-7, "1/pulse", "3·10⁻⁷ 1/pulse"),
        (-0.557, "points", "−0.557 points"),
        (0.25, "1", "0.25"),
    ],
)
def test_numbers_are_readable(value, unit, text):
    assert words.number(value, unit) == text


NEED = {
    "limit_points": 1.0, "status": "must fall", "open_ended": False,
    "factor": 0.4, "factor_low": 0.3, "factor_high": 0.5,
    "parameters": [{"name": "g", "unit": "S", "value": 1e-5}], "required": {"g": 4e-6},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "it must fall to 0.40 times its present size (95 %: 0.30 to 0.50), 4 µS instead of 10 µS"),
        ({"status": "not reached", "factor": None, "required": None}, "no reduction brings its cost below one point"),
        ({"status": "already below", "open_ended": True, "factor": 1.5}, "stays so up to 1.5 times"),
        ({"status": "already below", "factor": 1.2, "required": {"g": 1.2e-5}}, "it may grow to 1.20 times"),
        ({"factor_low": None, "factor_high": None, "parameters": []}, "must fall to 0.40 times its present size"),
    ],
)
def test_the_requirement_is_said_honestly(change, text):
    assert text in words.requirement_sentence({**NEED, **change})


def result(low, ties):
    cost = {"points": 2.0, "low": low, "high": 3.0}
    names = ["cycling", "read noise", "write noise", "drift"]
    return {
        "rows": [{"condition": "full", "accuracy": [0.9, 0.92], "mean": 0.91, "low": 0.9, "high": 0.92}],
        "about": {"device": {"title": "X"}, "task": {"title": "Y"}},
        "used": {"network": "8-2"},
        "costliest": {"imperfection": "cycling", "by": "removed", "ties": names[1 : 1 + ties]},
        "costs": [{"imperfection": n, "label": n, "removed": cost, "alone": cost} for n in names],
        "requirement": None,
        "energy": {"inference": {"joule": 2e-9, "verified": True}},
    }


@pytest.mark.parametrize(
    ("low", "ties", "text"),
    [
        (1.0, 0, "cycling costs most: 2.00 points [1.00, 3.00]; 2 nJ per inference."),
        (1.0, 2, "not told apart from read noise and write noise"),
        (1.0, 3, "not told apart from read noise, write noise and drift"),
        (-1.0, 1, "no imperfection has a cost beyond error; the largest is cycling, 2.00 points [−1.00, 3.00]"),
    ],
)
def test_the_headline_claims_no_more_than_the_data(low, ties, text):
    line = words.headline(result(low, ties))
    assert line.startswith("2 chips of X (8-2) on Y reach 91.00 ± 1.00 %") and text in line


def test_warnings_of_many_jobs_make_one_sentence():
    results = {"a": {}, "b": {"warnings": ["it has not settled", "more"]}, "c": {"warnings": ["nor this"]}}
    assert words.warned({"a": {}}, {}, "jobs") == []
    (text,) = words.warned(results, {"b": "full device"}, "conditions")
    assert text == "In 2 of 3 conditions a warning was given; in full device: it has not settled."
