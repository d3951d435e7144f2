"""
The bank data: categories alone
===============================

A bank has called clients, and the few who took its offer are the anomalies.
The table has ten columns of text. It is searched for parameters, scored, cut
at a threshold that some labels set, and explained, with ALAD and with
IsolationForest by the same lines.

The file is not in the repository: where it is absent, this page shows the
script alone, and the script stops with the error of `load_bank`, which says
where to get the file and where to put it.
"""

# %%
# The table as it is in the file. "unknown" is a level like any other.

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
# One client in nine said yes. The detectors learn from some of the others
# alone. The parameters and the threshold need some of both kinds, and so does
# the test; in either, yes is as frequent as it is at the bank.

normal, odd = bank.data[bank.target == 0], bank.data[bank.target == 1]
train, normal = train_test_split(normal, train_size=5000, random_state=0)
held_out, normal = train_test_split(
    normal, train_size=4000, test_size=8000, random_state=0
)
known, odd = train_test_split(
    odd, train_size=500, test_size=1000, random_state=0
)
X = pd.concat([normal, odd], ignore_index=True)
y = np.repeat([1, -1], [len(normal), len(odd)])

# %%
# A search, with labels
# ---------------------
# The labels are for the scorer: the splitter puts known anomalies into no
# training fold. What is searched may belong to the detector or to the encoder.

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
# Clients who are alike in all ten columns have answered differently, so that
# no detector can be perfect.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for name, detector in detectors.items():
    RocCurveDisplay.from_estimator(detector, X, y, name=name, ax=axes[0])
    PrecisionRecallDisplay.from_estimator(
        detector, X, y, name=name, ax=axes[1]
    )

# %%
# Decisions, and how sure they are
# --------------------------------
# The threshold that is best for F1 on the rows that were held out, and
# probabilities.

labelled = pd.concat([held_out, known], ignore_index=True)
labels = np.repeat([1, -1], [len(held_out), len(known)])
calibrated = {
    name: CalibratedDetector(FrozenEstimator(detector), metric="f1").fit(
        labelled, labels=labels
    )
    for name, detector in detectors.items()
}

fig, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for ax, (name, detector) in zip(axes, calibrated.items(), strict=True):
    ScoreHistogramDisplay.from_estimator(detector, X, y, name=name, ax=ax)
    print(name)
    print(classification_report(y, detector.predict(X), labels=[-1, 1]))

# %%
# Do the probabilities hold? Of clients to whom a probability in some range is
# given, the share who said yes.

for name, detector in calibrated.items():
    probability = detector.predict_proba(X)[:, 0]
    ranges = pd.cut(probability, [0, 0.05, 0.1, 0.2, 0.4, 1])
    table = pd.DataFrame({"probability": probability, "said yes": y == -1})
    groups = table.groupby(ranges, observed=True)
    print(f"{name}\n{groups.mean().round(3).assign(clients=groups.size())}\n")

# %%
# Why?
# ----
# What each column contributes to the score of one client, with a typical score
# among those who said yes and whom both detectors flag.

both = [detector.predict(X) == -1 for detector in calibrated.values()]
found = np.flatnonzero((y == -1) & np.all(both, axis=0))
scores = detectors["ALAD"].score_samples(X.iloc[found])
client = X.iloc[[found[np.argsort(scores)[len(found) // 2]]]]

fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, (name, detector) in zip(axes, calibrated.items(), strict=True):
    why = explain(detector, client, background=train, random_state=0)
    ExplanationDisplay.from_explanation(why, client, name=name, ax=ax)

# %%
# The fewest changes that are found to make this client a normal one.

for name, detector in calibrated.items():
    result = nearest_normal(detector, client, background=train)
    changes = client.compare(result.rows, result_names=("client", "normal"))
    print(f"{name}\n{changes.T}\n")

# %%
# ALAD makes up clients as well, with the levels that there are.

detectors["ALAD"].sample(5, random_state=0)
