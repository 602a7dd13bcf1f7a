"""What every paper's folder must be, whatever the paper."""

import dataclasses
import json

import pytest

from nanoneurons.core.errors import ParameterError, StudyError, UnknownNameError
from nanoneurons.papers import _paper, catalogue, experiment, load_published

KEYS = catalogue.names


@pytest.mark.parametrize("key", KEYS)
def test_published_numbers_say_where_they_stand(key):
    entries = load_published(key)
    assert entries, "a paper without a number cannot be reproduced"
    for entry in entries.values():
        assert entry.where.strip() and entry.reason.strip()
        assert entry.id == entry.id.strip().lower() and " " not in entry.id, "identifiers are stable names"
        assert isinstance(entry.verified, bool)


@pytest.mark.parametrize("key", KEYS)
def test_experiment_has_the_agreed_parts(key):
    module = experiment(key)
    assert module.TITLE and module.CITATION.lstrip().startswith("@")
    for config in (module.Config(), module.QUICK):
        assert isinstance(config, module.Config)
        names = (
            [f.name for f in dataclasses.fields(config)] if dataclasses.is_dataclass(config) else config.model_dump()
        )
        assert "seeds" in names
        jobs = [job for stage in module.jobs(config) for job in stage]
        assert jobs and len(set(jobs)) == len(jobs)
        assert all(isinstance(job, str) for job in jobs)
        with pytest.raises((AttributeError, TypeError, ValueError)):
            config.seeds = 99  # frozen
    assert module.Config().seeds >= 3, "a published work is reproduced over at least three seeds"
    for name in ("run", "quantities", "figures"):
        assert callable(getattr(module, name))


@pytest.mark.parametrize("key", KEYS)
def test_configuration_survives_json(key):
    from nanoneurons.lab.reproduce import _restored
    from nanoneurons.lab.runner import plain

    module = experiment(key)
    for config in (module.Config(), module.QUICK):
        back = _restored(module.Config(), json.loads(json.dumps(plain(config))))
        assert plain(back) == plain(config)


@pytest.mark.parametrize("key", KEYS)
def test_settings_that_cannot_work_are_refused(key):
    from nanoneurons.lab.reproduce import _changed

    quick = experiment(key).QUICK
    for changes, message in (
        ({"seeds": 0}, "seeds = 0 is too small; give 1 or more"),
        ({"seeds": -1}, "must be a whole number, 0 or more"),
        ({"seeds": "two"}, "seeds = 'two' must be a whole number"),
        ({"seeds": True}, "must be a whole number"),
    ):
        with pytest.raises(ParameterError, match=message):
            _changed(quick, changes)
    for field in dataclasses.fields(quick):
        default = getattr(quick, field.name)
        if isinstance(default, tuple) and default:  # one value, or a text with commas, stands for a list
            assert getattr(_changed(quick, {field.name: default[0]}), field.name) == default[:1]
            if isinstance(default[0], str):
                assert getattr(_changed(quick, {field.name: ", ".join(default)}), field.name) == default
            with pytest.raises(ParameterError, match=field.name):
                _changed(quick, {field.name: [None]})
        if isinstance(default, float):
            with pytest.raises(ParameterError, match=f"{field.name} = nan must be a number"):
                _changed(quick, {field.name: float("nan")})


def test_an_unknown_paper_is_refused_with_the_nearest():
    near = KEYS[0] + "z"
    with pytest.raises(UnknownNameError, match=KEYS[0]):
        experiment(near)


GOOD = {
    "id": "a",
    "verified": True,
    "where": "Table 1",
    "reason": "seed spread",
    "published": 98.0,
    "tolerance": "within 0.5",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"where": ""}, "needs 'where'"),
        ({"verified": "yes"}, "needs 'verified'"),
        ({"tolerance": "about 90"}, "tolerance must be"),
        ({"tolerance": "at_least"}, "tolerance must be"),
        ({"tolerance": "info 3"}, "tolerance must be"),
        ({"tolerance": "within x"}, "tolerance must be"),
        ({"published": None}, "needs a published value"),
        ({"page": 3}, "unknown key 'page'"),
    ],
)
def test_a_malformed_entry_is_refused(change, message):
    with pytest.raises(StudyError, match=message):
        _paper._entry("some-paper", {**GOOD, **change})


@pytest.mark.parametrize(
    ("rule", "measured", "verdict"),
    [
        ("within 0.5", 98.5, "pass"),
        ("within 0.5", 97.4, "short"),
        ("within 0.5", None, "short"),
        ("within 0.5", float("nan"), "short"),
        ("at_least 98.0", 98.0, "pass"),
        ("at_least 98.0", 97.99, "short"),
        ("at_most 1.0", 0.9, "pass"),
        ("at_most 1.0", 1.1, "short"),
        ("info", 12.0, "info"),
        ("info", None, "info"),
    ],
)
def test_verdicts(rule, measured, verdict):
    assert _paper._entry("some-paper", {**GOOD, "tolerance": rule}).verdict(measured) == verdict
