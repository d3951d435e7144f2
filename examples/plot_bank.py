"""
The bank data: a table of categories
====================================

How do you analyze a table that has only text columns? A bank called its
clients, and the few who took its offer are the anomalies. The table has ten
columns of text. This example searches for parameters, sets a threshold with a
few labels, and explains a decision. The same code runs ALAD and
IsolationForest.

The file is not in the repository. Without it, this page shows the script
without results, and the script stops with an error of `load_bank` that says
where to get the file and where to put it.
"""

# %%
# The data
# --------
# The table is used as it is in the file. "unknown" is a level like any other.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import classification_report
from sklearn.model_selection import GridSearchCV, train_test_split

from skgad import ALAD, TabularDetector
from skgad.calibration import CalibratedDetector
from skgad.datasets import load_bank
from skgad.inspection import (
    ExplanationDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    ScoreHistogramDisplay,
    explain,
    nearest_normal,
)
from skgad.metrics import SCORERS
from skgad.model_selection import OneClassShuffleSplit
from skgad.preprocessing import TabularEncoder

bank = load_bank()
bank.data.head()

# %%
# One client in nine said yes. The detectors are trained on some of the other
# clients only. Choosing the parameters and the threshold takes clients of both
# classes, and so does the test. In both sets, "yes" is as frequent as in the
# data of the bank.

normal, anomalies = bank.data[bank.target == 0], bank.data[bank.target == 1]
train, normal = train_test_split(normal, train_size=5000, random_state=0)
held_out, normal = train_test_split(
    normal, train_size=4000, test_size=8000, random_state=0
)
known, anomalies = train_test_split(
    anomalies, train_size=500, test_size=1000, random_state=0
)
X = pd.concat([normal, anomalies], ignore_index=True)
y = np.repeat([1, -1], [len(normal), len(anomalies)])

# %%
# A search with labels
# --------------------
# Only the scorer uses the labels: the splitter keeps known anomalies out of
# the training folds. The grid may have parameters of the detector and of the
# encoder.

candidates = {
    "ALAD": (
        ALAD(max_epochs=20, random_state=0),
        {"detector__latent_dim": [8, 64]},
    ),
    "IsolationForest": (
        IsolationForest(random_state=0),
        {
            "detector__max_features": [0.25, 1.0],
            "encoder__min_frequency": [None, 0.05],
        },
    ),
}
detectors = {}
for name, (detector, grid) in candidates.items():
    search = GridSearchCV(
        TabularDetector(detector, encoder=TabularEncoder()),
        grid,
        scoring=SCORERS["outlier_roc_auc"],
        cv=OneClassShuffleSplit(1, test_size=0.2, random_state=0),
        refit=False,
    )
    search.fit(
        pd.concat([train, known], ignore_index=True),
        np.repeat([1, -1], [len(train), len(known)]),
    )
    print(name, search.best_params_)
    best = clone(search.estimator).set_params(**search.best_params_)
    detectors[name] = best.fit(train)

# %%
# Some clients have the same values in all ten columns but answered
# differently, so no detector can be perfect.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for name, detector in detectors.items():
    RocCurveDisplay.from_estimator(detector, X, y, name=name, ax=axes[0])
    PrecisionRecallDisplay.from_estimator(
        detector, X, y, name=name, ax=axes[1]
    )

# %%
# Decisions and probabilities
# ---------------------------
# `CalibratedDetector` chooses the threshold with the best F1 on the held-out
# rows, and estimates probabilities.

labeled = pd.concat([held_out, known], ignore_index=True)
labels = np.repeat([1, -1], [len(held_out), len(known)])
calibrated = {
    name: CalibratedDetector(FrozenEstimator(detector), metric="f1").fit(
        labeled, labels=labels
    )
    for name, detector in detectors.items()
}

fig, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for ax, (name, detector) in zip(axes, calibrated.items(), strict=True):
    ScoreHistogramDisplay.from_estimator(detector, X, y, name=name, ax=ax)
    print(name)
    print(classification_report(y, detector.predict(X), labels=[-1, 1]))

# %%
# Are the probabilities correct? For the clients in each range of predicted
# probabilities, the table compares the mean probability with the share of
# clients who said yes.

for name, detector in calibrated.items():
    probability = detector.predict_proba(X)[:, 0]
    ranges = pd.cut(probability, [0, 0.05, 0.1, 0.2, 0.4, 1])
    table = pd.DataFrame({"probability": probability, "said yes": y == -1})
    groups = table.groupby(ranges, observed=True)
    print(f"{name}\n{groups.mean().round(3).assign(clients=groups.size())}\n")

# %%
# Explanations
# ------------
# What does each column contribute to the score of a client? The client shown
# here has a typical score among those who said yes and whom both detectors
# flag.

both = [detector.predict(X) == -1 for detector in calibrated.values()]
found = np.flatnonzero((y == -1) & np.all(both, axis=0))
scores = detectors["ALAD"].score_samples(X.iloc[found])
client = X.iloc[[found[np.argsort(scores)[len(found) // 2]]]]

fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, (name, detector) in zip(axes, calibrated.items(), strict=True):
    why = explain(detector, client, background=train, random_state=0)
    ExplanationDisplay.from_explanation(why, client, name=name, ax=ax)

# %%
# Which changes would make this client normal? `nearest_normal` looks for as
# few as possible.

for name, detector in calibrated.items():
    result = nearest_normal(detector, client, background=train)
    changes = client.compare(result.rows, result_names=("client", "normal"))
    print(f"{name}\n{changes.T}\n")

# %%
# ALAD also generates clients. Their levels are those of the table.

detectors["ALAD"].sample(5, random_state=0)
