"""A fit from measurements to files: the right model is kept, the report and the device file say what was found."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nanoneurons import devices, measurements
from nanoneurons.core.errors import DataError, RefusedError, StoreError, StudyError, UnknownNameError
from nanoneurons.fitting import Fit
from nanoneurons.lab import fit, report
from nanoneurons.lab.fit_choice import choose
from nanoneurons.lab.fit_compare import Candidate, Score, candidates, common, densities
from nanoneurons.lab.fit_population import population
from nanoneurons.lab.fit_splits import split
from nanoneurons.lab.fit_words import headline, remarks
from nanoneurons.lab.store import write_json


@pytest.fixture(scope="module")
def stub(sample_module):
    """A plain fitter in place of the catalogue's, and campaigns it can fit."""
    return sample_module("fitting", "steps")


@pytest.fixture
def stubs(stub, monkeypatch):
    monkeypatch.setattr("nanoneurons.fitting.catalogue", stub.STUBS)
    return stub


@pytest.fixture(scope="module")
def many(stub):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nanoneurons.fitting.catalogue", stub.STUBS)
        return fit.fitted(stub.campaign(30, dead=2), seed=1)


def test_the_model_that_made_the_data_is_kept(many):
    result = many.result
    assert (many.fit.name, many.fit.variant) == ("pulsed", "step")
    assert result["choice"].startswith("pulsed (step) is clearly better")
    assert result["calibration"]["verdict"] == "fits"
    estimate = many.fit.estimate("pulse_step")
    assert estimate.low < 0.02 < estimate.high
    assert result["split"] == {"by": "devices", "folds": 5, "units": 30, "readings": 28 * 59, "devices": None}
    json.dumps(result, allow_nan=False)


def test_dead_devices_are_counted_and_leave_the_comparison(many):
    assert many.result["dead"] == {"count": 2, "names": ["d28", "d29"]}
    assert "stuck" in many.result["notes"][0]
    assert not {"d28", "d29"} & {run["label"] for run in many.result["series"]}


def test_every_parameter_says_where_it_comes_from(many):
    rows = {p["name"]: p for p in many.result["parameters"]}
    assert set(rows) == {p.name for p in devices.get("pulsed").parameters()}
    assert rows["pulse_step"]["origin"] == "data" and rows["pulse_step"]["low"] < rows["pulse_step"]["value"]
    assert (rows["step_shape"]["origin"], rows["step_shape"]["reason"]) == ("fixed", "the only one here")
    assert rows["gamma_spread"]["origin"] == "kept"
    assert rows["read_time"]["origin"] == "default"
    said = many.result["identifiability"]
    assert said[0] == "The data tell pulse_step."
    assert "The data cannot tell gamma_spread: a constant step has none." in said


def test_a_single_device_is_judged_by_blocks(stubs):
    found = fit.fitted(stubs.campaign(1, length=300), seed=0).result
    assert found["split"]["by"] == "blocks"
    assert found["calibration"]["verdict"] == "fits"
    assert found["population"]["verdict"] == "shown only"
    assert "device_to_device" in found["population"]["without"]


def test_the_same_seed_gives_the_same_numbers(stubs):
    first, second = (fit.fitted(stubs.campaign(8), seed=5).result for _ in range(2))
    del first["seconds"], second["seconds"]
    for row in first["candidates"] + second["candidates"]:
        del row["seconds"]
    assert first == second


@pytest.mark.parametrize(
    ("kind", "by", "axis"),
    [
        ("levels", "devices", "reading"),
        ("iv", "cycles", "voltage (V)"),
        ("retention", "blocks", "time (s)"),
        ("noise", "blocks", "time (s)"),
    ],
)
def test_every_kind_is_judged_and_drawn(stub, monkeypatch, tmp_path, kind, by, axis):
    monkeypatch.setattr("nanoneurons.fitting.catalogue", stub.Catalogue({"hfox-weak-reset": stub.Plain}))
    data = stub.measured(kind)
    result = fit.fitted(data).result
    assert result["split"]["by"] == by
    assert result["calibration"]["verdict"] in ("fits", "too few readings to tell")
    assert result["calibration"]["readings"] == np.isfinite(data.current if kind == "iv" else data.reading).sum()
    assert result["x"] == axis and result["series"] and result["population"] is None
    assert result["facts"][0]["low"] is None
    write_json(tmp_path / "rows.json", result)
    page = report.write(tmp_path).read_text()
    assert "What the data tell beside the device" in page and "Data over model" in page
    assert {"overlay.svg", "ranks.svg", "residuals.svg"} == {p.name for p in (tmp_path / "figures").iterdir()}


def test_models_that_say_the_same_cannot_be_chosen_between(stub, monkeypatch):
    class Twin(stub.Plain):
        pass

    monkeypatch.setattr(
        "nanoneurons.fitting.catalogue", stub.Catalogue({"hfox-weak-reset": stub.Plain, "hfox-binary": Twin})
    )
    words = fit.fitted(stub.measured("levels")).result["choice"]
    assert "says of every reading what" in words and "--device" in words


# -- choosing -----------------------------------------------------------------------------------------


def scored(stub, data, names, logs, parameters):
    """Scores of made-up candidates whose log densities are given."""
    base = devices.get("pulsed")
    found = []
    for name, log, count in zip(names, logs, parameters, strict=True):
        density = np.broadcast_to(log, data.reading.shape).astype(float)
        nothing = Candidate(name, "", stub.Steps(), base)
        fit_ = stub.Steps().fit(data, base, "step")
        prediction = replace(stub.Steps().predict(fit_, data), log_density=density.copy())
        found.append(Score(nothing, prediction, parameters=count, folds=5))
    return found


@pytest.mark.parametrize(
    ("gap", "noise", "names", "kept", "said"),
    [
        (1.0, 0.0, ("a", "b"), "a", "clearly better than"),
        (0.0, 0.3, ("a", "b"), "b", "as well as"),  # within a standard error the one with fewer estimates
        (0.0, 0.3, ("table", "b"), "b", "is simpler"),
        (0.0, 0.3, ("a", "table"), "a", "not told apart from"),  # a table is never the simpler one
    ],
)
def test_within_a_standard_error_the_simpler_model_is_kept(stub, gap, noise, names, kept, said):
    data = stub.campaign(12)
    rng = np.random.default_rng(2)
    difference = gap + noise * rng.normal(size=(12, 1))
    difference += (1e-3 if not gap else 0.0) - (difference.mean() - gap)  # ahead by less than the error
    scores = scored(stub, data, names, (difference, 0.0), (5, 3))
    found = choose(scores, data, split(data))
    assert found.score.candidate.name == kept
    assert said in found.words
    assert found.rows[0]["label"] == names[0]
    assert found.rows[1]["behind"] == pytest.approx(gap or 1e-3, abs=2e-3)  # the uniform share adds a little


def test_one_wild_reading_does_not_decide(stub):
    data = stub.campaign(12)
    steady, wild = scored(stub, data, ("a", "b"), (1.0, 1.05), (3, 3))
    wild.prediction.log_density[4, 7] = -1e6
    counted = common([steady, wild], data)
    first, second = densities([steady, wild], data, counted)
    assert second.mean() > first.mean()
    assert second.min() == pytest.approx(np.log(1e-3 / np.ptp(data.reading)))


# -- what cannot be fitted ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "variant", "parameters", "error", "said"),
    [
        ("pulsd", None, {}, UnknownNameError, "did you mean 'pulsed'"),
        ("hfox-weak-reset", None, {}, RefusedError, "it refuses everything"),
        ("izhikevich", None, {}, RefusedError, "'izhikevich' cannot be fitted"),
        ("pulsed", "stepp", {}, UnknownNameError, "did you mean 'step'"),
        ("auto", "step", {}, StudyError, "name it with --device"),
        ("pulsed", None, {"read_tim": 1.0}, UnknownNameError, "did you mean 'read_time'"),
        ("auto", None, {"resistance": 1.0}, UnknownNameError, "none of the models has a parameter 'resistance'"),
    ],
)
def test_wrong_names_are_refused(stubs, device, variant, parameters, error, said):
    with pytest.raises(error, match=said):
        candidates(stubs.campaign(6, length=5), device, variant, parameters)


def test_values_of_the_user_are_kept_and_named(stubs):
    found = fit.fitted(stubs.campaign(6), "pulsed", variant="step", parameters={"read_time": "2 us", "pulse_step": 0.5})
    rows = {p["name"]: p for p in found.result["parameters"]}
    assert (rows["read_time"]["value"], rows["read_time"]["origin"]) == (2e-6, "set")
    assert rows["pulse_step"]["value"] == pytest.approx(0.02, rel=0.1)  # the data tell it
    assert any("pulse_step" in note and "what you set" in note for note in found.result["notes"])


def test_a_fit_that_fails_everywhere_gives_its_reason(stubs):
    data = stubs.campaign(6, length=2)
    with pytest.raises(DataError, match="needs three readings"):
        fit.fitted(data)


# -- words --------------------------------------------------------------------------------------------


def test_a_model_that_does_not_fit_is_said_so_and_the_table_is_offered(many):
    bad = {**many.result["calibration"], "verdict": "does not fit well enough", "inside": 0.7, "aside": 0.1}
    result = {**many.result, "calibration": bad}
    row = result["candidates"][0]
    tables = [{**row, "name": "table"}, {**row, "name": "table", "log_density": None, "state": "too few steps"}]
    notes = {
        "Try --device table": remarks(result),
        "it was compared too": remarks({**result, "candidates": [row, tables[0]]}),
        "no way out here: too few steps": remarks({**result, "candidates": [row, tables[1]]}),
    }
    for words, said in notes.items():
        (told,) = [note for note in said if "has a band that holds 70.0 %" in note]
        assert words in told and "sets aside 10 % of the readings" in told
    assert "does not fit well enough" in headline(result)


# -- fresh devices ------------------------------------------------------------------------------------


def made(device, scale=None):
    """A fit that holds nothing but a device."""
    return Fit("pulsed", "", device, (), np.eye(0), {}, {}, (), 0.0, scale=scale)


def test_fresh_devices_of_the_true_law_agree_with_the_measured(stub):
    truth = {"step_spread": 0.3, "initial_spread": 0.1, "pulse_step": 0.03}
    data = stub.campaign(60, length=50, seed=2, **truth)
    plain = dict.fromkeys(("read_noise", "w_max_spread", "w_min_spread", "up_down_spread"), 0.0)
    device = devices.get("pulsed", cycle_spread=0.5, **plain, **truth)
    found = population(made(device), data, 0)
    assert found["verdict"] == "agrees" and found["devices"] == 60
    assert found["inside"] == pytest.approx(0.9, abs=0.08)  # two standard deviations of 60 devices
    for place in found["positions"]:
        assert np.corrcoef(place["measured"], place["predicted"])[0, 1] > 0.9
    narrow = population(made(device.replace(step_spread=0.0, initial_spread=0.0)), data, 0)
    assert narrow["verdict"] == "differs" and narrow["inside"] < 0.8


def test_runs_of_a_device_follow_each_other(stub):
    data = stub.campaign(6, length=40)
    half = replace(
        data, device=np.repeat(data.device, 2), cycle=np.tile([0, 1], 6), reading=data.reading.reshape(12, 20),
        pulses=data.pulses.reshape(12, 20),
    )  # fmt: skip
    device = devices.get("pulsed", pulse_step=0.02)
    assert population(made(device), half, 3) == population(made(device), data, 3)


def test_readings_of_another_scale_are_compared_in_their_own(stub):
    data = stub.campaign(8, length=20)
    device = devices.get("pulsed", pulse_step=0.02)
    plain = population(made(device), data, 0)
    offset, slope = 3.0 - 100 * device.zero_conductance / device.unit_conductance, 100 / device.unit_conductance
    other = population(made(device, (offset, slope)), replace(data, reading=3.0 + 100 * data.reading), 0)
    assert other["inside"] == plain["inside"]
    assert other["predicted"][2] == pytest.approx(3 + 100 * np.array(plain["predicted"][2]))


# -- files --------------------------------------------------------------------------------------------


@pytest.fixture
def reading(stubs, monkeypatch):
    """Reads a campaign instead of a file."""
    data = stubs.campaign(12)
    monkeypatch.setattr(measurements, "read", lambda *_, **__: data, raising=False)
    return data


def test_files_are_written_and_load_to_the_same_device(reading, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = fit.run("stub.csv", progress="none")
    assert {p.name for p in tmp_path.iterdir()} == {"stub-device.toml", "stub-fit"}
    assert {"rows.json", "report.html", "figures"} == {p.name for p in (tmp_path / "stub-fit").iterdir()}
    made = devices.load_file("stub-device.toml")
    assert made.device == fit.fitted(reading).fit.device
    assert made.origin[0].sha256 == reading.origin.sha256
    assert made.known["pulse_step"].low == result["parameters"][2]["low"]
    assert result["next"] == "nanoneurons audit --device stub-device.toml"
    page = (tmp_path / "stub-fit" / "report.html").read_text()
    for words in (
        "Data over model",
        "Steps of one pulse",
        "Residuals",
        "what they cannot tell",
        "Models compared",
        "Quantile plot",
    ):
        assert words in page
    # The same data may be fitted again; what a fit wrote is replaced.
    fit.run("stub.csv", progress="none", report=False)
    report.write(tmp_path / "stub-fit")


def test_what_others_wrote_is_not_replaced(reading, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "mine.toml"
    own.write_text('device = "pulsed"\n')
    for text, said in (('device = "pulsed"\n', "was fitted|does not come from"), ("no toml at all", "not written by")):
        own.write_text(text)
        with pytest.raises(StoreError, match=said):
            fit.run("stub.csv", out=own, progress="none")
        assert own.read_text() == text
    fit.run("stub.csv", out=own, force=True, report=False, progress="none")
    changed = own.read_text().replace("read_time", "# by hand\nread_time", 1)
    own.write_text(changed)
    with pytest.raises(StoreError, match="changed by hand"):
        fit.run("stub.csv", out=own, progress="none")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.toml"]


def test_a_fit_goes_on_from_a_device_file(reading, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.toml").write_text(
        'device = "pulsed"\n[parameters]\nread_noise = 0.2\nread_time = "3 us"\n'
        "[intervals]\nread_noise = [0.1, 0.3]\n"
        '[origin]\nfile = "noise.csv"\nsha256 = "ff"\nkind = "noise"\n'
    )
    result = fit.run("stub.csv", "first.toml", out="first.toml", progress="none", report=False)
    rows = {p["name"]: p for p in result["parameters"]}
    assert rows["read_time"]["value"] == 3e-6
    assert (rows["read_noise"]["origin"], rows["read_noise"]["reason"]) == ("earlier", "noise.csv")
    made = devices.load_file("first.toml")
    assert {source.file for source in made.origin} == {"noise.csv", "stub.csv"}
    assert {"pulse_step", "read_noise"} <= set(made.known)


@pytest.mark.parametrize(("out", "said"), [("device.csv", "must be a device file"), ("folder.toml", "in the way")])
def test_bad_targets(reading, tmp_path, monkeypatch, out, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(StoreError, match=said):
        fit.run("stub.csv", out=out, progress="none")


def test_an_error_while_drawing_leaves_nothing(reading, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "write", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit.run("stub.csv", progress="none")
    assert list(tmp_path.iterdir()) == []


def test_a_search_that_fails_in_our_code_or_in_scipys_is_one_line(stub, monkeypatch):
    class Failing(stub.Steps):
        def fit(self, data, base, variant="", progress=None):
            if variant == "step" and len(np.unique(data.device)) == 12:
                raise np.linalg.LinAlgError("SVD did not converge")
            if variant == "blind":
                raise ValueError("f(a) is NaN")
            return super().fit(data, base, variant, progress)

    monkeypatch.setattr("nanoneurons.fitting.catalogue", stub.Catalogue({"pulsed": Failing}))
    with pytest.raises(DataError, match="fit of pulsed \\(step\\) failed \\(SVD did not converge\\); try another"):
        fit.fitted(stub.campaign(12))
    found = fit.fitted(stub.campaign(11)).result
    assert [row["state"] for row in found["candidates"]] == ["kept", "its fit failed: f(a) is NaN"]


def test_where_the_best_model_cannot_be_fitted_to_all_readings_the_next_one_is_kept(stub, monkeypatch):
    class Failing(stub.Steps):
        def variants(self, data):
            return ("blind", "step", "another")

        def fit(self, data, base, variant="", progress=None):
            if variant == "step" and len(np.unique(data.device)) == 12:
                raise DataError("the search failed")
            return super().fit(data, base, variant, progress)

    monkeypatch.setattr("nanoneurons.fitting.catalogue", stub.Catalogue({"pulsed": Failing}))
    found = fit.fitted(stub.campaign(12)).result
    states = {row["variant"]: row["state"] for row in found["candidates"]}
    assert states["another"] == "kept" and states["step"] == "its fit to all readings failed: the search failed"
