"""The reservoir reproduction in miniature: waveforms, digits made up for the test, gains, splits, figures."""

import dataclasses

import matplotlib.figure
import numpy as np
import pytest
import torch

from nanoneurons.core.errors import DataError, StudyError, UnknownNameError
from nanoneurons.core.random import generator_for
from nanoneurons.papers import load_published
from nanoneurons.papers.torrejon2017_reservoir import _digits, _frontends, _oscillator, _statistics, experiment

KEY = "torrejon2017-reservoir"
TINY = dataclasses.replace(
    experiment.Config(), seeds=2, periods=200, sizes=(20, 40), fronts=("mfcc", "cochleagram-context"),
    small_fronts=("cochleagram", "spectrogram"), noise_front="mfcc", splits=2, validation_takes=2,
    noise_levels=(1e-3, 0.03),
    operating_points=(("fit", 7e-3, 3e-3), ("auto-oscillator", 5e-3, 3e-3)), ti46="somewhere",
)  # fmt: skip
CHANNELS = 4


def made_up(source: str, front: str) -> _frontends.Corpus:
    """Ten classes by two speakers, 15 takes; a frame is its class's pattern with either sign: no linear sum sees it."""
    draw = generator_for(0, "corpus")
    pattern = torch.randn(10, CHANNELS, generator=draw)
    frames, digit, speaker, take = [], [], [], []
    for d in range(10):
        for s in range(2):
            for t in range(15):
                length = 5 + int(torch.randint(8, (), generator=draw))
                sign = 2.0 * torch.randint(2, (length, 1), generator=draw) - 1
                frames.append(sign * pattern[d] + 0.2 * torch.randn(length, CHANNELS, generator=draw))
                digit.append(d), speaker.append(s), take.append(t)
    test = np.array(take) < (5 if source == "spoken-digits" else 0)
    return _frontends.Corpus(front, frames, torch.tensor(digit), np.array(speaker), np.array(take), test)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_frontends, "_compute", made_up)
        found = {
            job: experiment.run(TINY, job, folder, lambda share, text: seen.append(share))
            for stage in experiment.jobs(TINY)
            for job in stage
        }
    assert seen and all(0 <= share <= 1 for share in seen)
    assert (folder / "features" / "spoken-digits-mfcc.npz").is_file()
    return found


def test_periods_are_named_and_the_amplitude_equation_names_samples(results):
    for seed in range(TINY.seeds):
        run = results[f"waves/seed{seed}"]
        assert run["fit"]["periods"] >= 99
        assert run["auto-oscillator"]["samples"] == 100
        # one sample at +1 or -1 says nothing, and one time constant only adds what came before: some stay wrong
        assert run["fit"]["samples"] < 95
        assert 40 < run["without"]["periods"] < 60
        assert run["auto-oscillator-noisy"]["rms"] > run["auto-oscillator"]["rms"]


def test_the_oscillator_sees_what_a_linear_read_out_does_not(results):
    rows = {q.quantity: q for q in experiment.quantities(TINY, results)}
    assert rows["mfcc-without"].measured < 30  # zero mean whatever the class: chance is 10 %
    assert rows["mfcc-40"].measured > rows["mfcc-without"].measured + 20
    gain = rows["mfcc-40-gain"]
    assert gain.measured == pytest.approx(rows["mfcc-40"].measured - rows["mfcc-without"].measured)
    assert "95 % interval over masks and utterances" in gain.note
    assert rows["mfcc-40"].seeds == 2 and rows["mfcc-40"].spread is not None
    assert rows["best-front-end"].measured in {rows[f"{f}-{n}"].measured for f in TINY.fronts for n in TINY.sizes}


def test_n_of_ten_splits_with_and_without_the_oscillator(results):
    for source in ("spoken-digits", "ti46"):
        run, without = (results[f"small/{source}/cochleagram/{c}/seed0"] for c in ("quiet", "without"))
        assert set(run) == {str(n) for n in range(1, 10)}
        assert run["9"]["mean"] > 70 and without["9"]["mean"] < 30


def test_a_job_repeats_exactly(results, tmp_path, monkeypatch):
    monkeypatch.setattr(_frontends, "_compute", made_up)
    for job in (
        "waves/seed1",
        "digits/mfcc/20/seed1",
        "small/spoken-digits/cochleagram/noisy/seed0",
        "noise/mfcc/seed0",
    ):
        # the frames are computed anew here, since this folder does not hold them
        assert experiment.run(TINY, job, tmp_path, lambda share, text: None) == results[job]


def test_every_number_of_the_paper_is_measured_or_said_not_to_be(results):
    names = {q.quantity for q in experiment.quantities(TINY, results)}
    for entry in load_published(KEY):
        # the full configuration has other sizes and fronts than this one
        general = (
            entry.replace("-1000", "-40").replace("-400", "-20").replace("cochleagram-", "cochleagram-context-", 1)
        )
        assert entry in names or general in names, entry
    config = experiment.Config()
    assert config.sizes == (400, 1000) and {"mfcc", "cochleagram"} <= set(config.fronts)
    without = dataclasses.replace(TINY, ti46="")
    rows = {
        q.quantity: q for q in experiment.quantities(without, {k: v for k, v in results.items() if "ti46" not in k})
    }
    assert rows["ti46-cochleagram-noisy-n9"].measured is None
    assert "--set ti46=PATH" in rows["ti46-cochleagram-noisy-n9"].note


def test_figures_draw(results):
    drawn = experiment.figures(TINY, results)
    assert {f.name for f in drawn} >= {"response", "waveforms", "front-ends", "utterances-cochleagram", "noise"}
    for figure in drawn:
        for width in (3.7, 7.4):
            canvas = matplotlib.figure.Figure(figsize=(width, 3.6))
            figure.draw(canvas)
            assert canvas.axes[-1].get_xlabel() and figure.caption
            assert any(ax.get_ylabel() or ax.get_yticklabels() for ax in canvas.axes)
            canvas.draw_without_rendering()


@pytest.mark.parametrize("law", ["fit", "auto-oscillator"])
def test_noise_levels_are_those_of_the_amplitude_at_rest(law):
    device = _oscillator.with_noise(_oscillator.oscillator(law), 0.01)
    assert _oscillator.natural_noise(device) == pytest.approx(0.01, rel=1e-12)
    network = _oscillator.reservoir(TINY, 1, 10, 0, device)
    states = network.states(torch.zeros(20_000, 1, dtype=torch.float64), generator_for(0, "noise"))
    # 2e5 values correlated over 8 intervals: 2.5e4 independent ones, 3 sigma; splitting 0.5 %
    assert float(states.std() / states.mean()) == pytest.approx(0.01, rel=0.02)


def test_parts_never_share_an_utterance():
    corpus = made_up("spoken-digits", "mfcc")
    parts = corpus.parts(TINY)
    assert set(corpus.take[parts["test"]]) == {0, 1, 2, 3, 4}
    assert set(corpus.take[parts["validation"]]) == {5, 6}
    assert set(corpus.take[parts["fit"]]) == set(range(7, 15))
    few = corpus.parts(dataclasses.replace(TINY, takes=1, test_takes=2))
    assert [sorted(set(corpus.take[few[p]])) for p in ("test", "validation", "fit")] == [[0, 1], [5, 6], [7]]
    with pytest.raises(DataError, match="fit part"):
        corpus.parts(dataclasses.replace(TINY, validation_takes=10))
    chosen, repetition = corpus.ten(TINY)
    assert sorted(set(corpus.take[chosen])) == list(range(5, 15)) and set(repetition) == set(range(10))


def test_splits_are_different_choices_or_all():
    assert len(set(_digits._splits(4, 20, 0))) == 20
    assert len(_digits._splits(1, 20, 0)) == 10
    assert _digits._splits(4, 20, 0) == _digits._splits(4, 20, 0) != _digits._splits(4, 20, 1)


def test_context_repeats_the_ends():
    frames = torch.arange(6.0).reshape(3, 2)
    assert _frontends._with_neighbours(frames)[0].tolist() == [0, 1, 0, 1, 2, 3]
    assert _frontends._with_neighbours(frames)[2].tolist() == [2, 3, 4, 5, 4, 5]


def test_gain_of_nothing_and_of_everything():
    base = (np.random.default_rng(0).random((1, 300)) < 0.7).astype(float)
    assert _statistics.paired_gain(np.repeat(base, 3, 0), base) == _statistics.Gain(0.0, 0.0, 0.0)
    found = _statistics.paired_gain(np.ones((3, 300)), base)
    assert found.low < found.mean < found.high
    # 90 of 300 utterances gained: the binomial's 95 % interval, half width 1.96 sqrt(0.3 0.7/300) = 5.2 points
    assert found.high - found.low == pytest.approx(2 * 5.2, rel=0.15)


def test_interval_of_a_gain_covers_it():
    # masks differ by 2 points, utterances by chance: the true gain lies inside in about 95 % of 200 trials
    draw = np.random.default_rng(1)
    inside = 0
    for trial in range(200):
        p = 0.9 + 0.02 * draw.standard_normal((5, 1))
        better = (draw.random((5, 300)) < p).astype(float)
        base = (draw.random((1, 300)) < 0.7).astype(float)
        gain = _statistics.paired_gain(better, base, draws=400, seed=trial)
        inside += gain.low <= 20.0 <= gain.high
    assert (
        inside >= 180
    )  # 95 % of 200 is 190, standard deviation 3; percentile intervals of five masks are a bit narrow


def test_without_data_the_quick_version_has_waveforms_only():
    assert all(job.startswith("waves/") for stage in experiment.jobs(experiment.QUICK) for job in stage)


def test_bad_settings_are_refused(tmp_path):
    with pytest.raises(StudyError, match="digits = 'maybe'"):
        experiment.jobs(dataclasses.replace(TINY, digits="maybe"))
    with pytest.raises(StudyError, match="law 'fitt'.*did you mean 'fit'"):
        _oscillator.oscillator("fitt")
    with pytest.raises(UnknownNameError, match="mfcc"):
        experiment.run(TINY, "frames/spoken-digits/mfc", tmp_path, lambda share, text: None)
    with pytest.raises(DataError, match="spoken-digits"):
        experiment.run(TINY, "frames/spoken-digits/mfcc", tmp_path, lambda share, text: None)
