"""Bayesian machines against Gaussian naive Bayes of scikit-learn, on digits, tumours and vowels.

python examples/bayesian_classifier.py [seeds]

Five-fold stratified cross-validation, repeated with other folds for every seed. Printed for each data set and machine:
accuracy, the difference to GaussianNB on the same folds (mean and standard deviation over seeds, in points), how many
samples were left to the prior, and the clock cycles of a decision. Then what each step from densities to memristors
loses, and for a tumour that was not in the training, which measurement spoke for what.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.naive_bayes import GaussianNB

from nanoneurons import data
from nanoneurons.core.errors import DataError
from nanoneurons.machines import BayesianMachineClassifier

SETS = ("digits", "tumours", "vowels")
MACHINES = {
    "logarithmic, all features": BayesianMachineClassifier("logarithmic", columns=None),
    "logarithmic, all, kernels": BayesianMachineClassifier("logarithmic", columns=None, estimate="kernel"),
    "full, all features": BayesianMachineClassifier("full", columns=None),
    "full, 6 features": BayesianMachineClassifier("full", columns=6),
    "first, 6 features": BayesianMachineClassifier("first", columns=6),
    "full, 6 features, as published": BayesianMachineClassifier("full", columns=6, rescale="column", power=1.0),
}


def samples(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of a whole data set."""
    if name == "digits":
        return load_digits(return_X_y=True)
    if name == "tumours":
        return load_breast_cancer(return_X_y=True)
    vowels = data.load("vowels")
    x = np.concatenate([vowels.x_train.numpy(), vowels.x_test.numpy()]).astype(float)
    return x, np.concatenate([vowels.y_train.numpy(), vowels.y_test.numpy()])


def compare(x: np.ndarray, y: np.ndarray, seeds: int) -> None:
    """Print a line for GaussianNB and one for every machine."""
    found = {name: np.zeros((seeds, 3)) for name in ("GaussianNB", *MACHINES)}  # accuracy, undecided, cycles
    for seed in range(seeds):
        folds = list(StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y))
        for train, test in folds:
            found["GaussianNB"][seed, 0] += GaussianNB().fit(x[train], y[train]).score(x[test], y[test]) / len(folds)
            for name, machine in MACHINES.items():
                machine.fit(x[train], y[train])
                decision = machine.decide(x[test])
                row = machine.score(x[test], y[test]), 1 - decision.decided.mean(), decision.cycle.mean()
                found[name][seed] += np.array(row) / len(folds)
    for name, values in found.items():
        accuracy, undecided, cycles = values.mean(0)
        line = f"  {name:32}{100 * accuracy:6.2f} %"
        if name in MACHINES:
            apart = 100 * (values[:, 0] - found["GaussianNB"][:, 0])
            spread = apart.std(ddof=1) if seeds > 1 else np.nan
            line += f"  {apart.mean():+6.2f} ± {spread:.2f}  undecided {undecided:6.2%}  {cycles:5.1f} cycles"
        print(line, flush=True)


def main(seeds: int = 10, names: Sequence[str] = SETS) -> None:
    """Compare on the data sets `names`, then explain one decision."""
    for name in names:
        try:
            x, y = samples(name)
        except DataError as error:
            print(f"{name}: left out: {error}")
            continue
        print(f"{name}: {len(x)} samples, {x.shape[1]} features, {len(np.unique(y))} classes")
        compare(x, y, seeds)
    tumours = load_breast_cancer()
    kind = tumours.target_names[tumours.target]
    x_train, x_test, y_train, y_test = train_test_split(tumours.data, kind, stratify=kind, random_state=0)
    machine = BayesianMachineClassifier(circuit="hfox-binary", chips=10).fit(x_train, y_train)
    print(f"\n{machine.losses(x_test, y_test)}\n\n{machine.explain(x_test[0], tumours.feature_names)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
