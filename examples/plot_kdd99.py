"""
KDD99: a table of numbers, text and booleans
============================================

Connections to a network, 41 columns of each. In the 10 % file of KDD Cup 1999
most of them are attacks, so that the papers on ALAD, RCGAN and WALDO take the
attacks for normal and the "normal." connections for anomalies, and so does
this page. ALAD and IsolationForest go the same way: search, decisions at a
known error rate, reasons.

The file is not in the repository: where it is absent, this page shows the
script alone, and the script stops with the error of `load_kdd99`, which says
where to get the file and where to put it.
"""

# %%
# The table as it is in the file.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skgad import ALAD, TabularDetector
from skgad.calibration import ConformalDetector
from skgad.datasets import load_kdd99
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

kdd99 = load_kdd99(as_frame=True)
kdd99.data.head()

# %%
kdd99.data.dtypes.astype(str).value_counts()

# %%
# Some attacks are for training, others to calibrate with, and a fifth of the
# connections that are tested are anomalies, as in the file. A few known
# anomalies are for the search alone.

normal, odd = kdd99.data[kdd99.target == 0], kdd99.data[kdd99.target == 1]
train, normal = train_test_split(normal, train_size=5000, random_state=0)
held_out, normal = train_test_split(
    normal, train_size=2000, test_size=4000, random_state=0
)
known, odd = train_test_split(
    odd, train_size=200, test_size=1000, random_state=0
)
X = pd.concat([normal, odd], ignore_index=True)
y = np.repeat([1, -1], [len(normal), len(odd)])

# %%
# A search, with labels
# ---------------------
# Numbers such as ``src_bytes`` have long tails, which quantiles cut off; which
# encoding is better is for the search to say. The labels are for the scorer:
# the splitter puts known anomalies into no training fold.

encodings = {"encoder__numeric": ["standard", "quantile"]}
candidates = {
    "ALAD": (ALAD(latent_dim=8, max_epochs=20, random_state=0), encodings),
    "IsolationForest": (
        IsolationForest(random_state=0),
        {"detector__max_features": [0.25, 1.0], **encodings},
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
fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for name, detector in detectors.items():
    RocCurveDisplay.from_estimator(detector, X, y, name=name, ax=axes[0])
    PrecisionRecallDisplay.from_estimator(
        detector, X, y, name=name, ax=axes[1]
    )

# %%
# Decisions at a known error rate
# -------------------------------
# Rows that were held out make p-values of the scores. `predict` then flags
# 5 % of the rows that are normal, in the mean and whatever the detector.

conformal = {
    name: ConformalDetector(FrozenEstimator(detector)).fit(held_out)
    for name, detector in detectors.items()
}

fig, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for ax, (name, detector) in zip(axes, conformal.items(), strict=True):
    ScoreHistogramDisplay.from_estimator(detector, X, y, name=name, ax=ax)
    flagged = detector.predict(X) == -1
    print(
        f"{name} flags {flagged[y == 1].mean():.1%} of the normal rows and "
        f"{flagged[y == -1].mean():.1%} of the anomalies"
    )

# %%
# A list of suspects, of which at most one in ten is to be normal in the mean.
# It stays empty where some normal rows score as low as the anomalies do, even
# if they are few.

for name, detector in conformal.items():
    picked = detector.select(X, fdr=0.1)
    print(
        f"{name} picks {picked.sum()} rows, {(picked & (y == 1)).sum()} of "
        "them normal"
    )

# %%
# Why?
# ----
# What the columns contribute to the score of one connection, with a typical
# score among the anomalies that both detectors flag.

both = [detector.predict(X) == -1 for detector in conformal.values()]
found = np.flatnonzero((y == -1) & np.all(both, axis=0))
scores = detectors["ALAD"].score_samples(X.iloc[found])
row = X.iloc[[found[np.argsort(scores)[len(found) // 2]]]]

fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for ax, (name, detector) in zip(axes, conformal.items(), strict=True):
    why = explain(
        detector, row, background=train, n_background=50, random_state=0
    )
    ExplanationDisplay.from_explanation(why, row, name=name, ax=ax)

# %%
# The fewest changes that are found to make it normal.

for name, detector in conformal.items():
    result = nearest_normal(detector, row, background=train)
    changes = row.compare(result.rows, result_names=("row", "normal"))
    print(f"{name}\n{changes.T}\n")

# %%
# ALAD makes up connections as well: text among what was seen, whole numbers
# where there were whole numbers.

detectors["ALAD"].sample(5, random_state=0)
