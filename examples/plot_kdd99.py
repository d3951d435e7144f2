"""
KDD99: a table of numbers, text and booleans
============================================

The table contains connections to a network, with 41 columns. In the 10 % file
of KDD Cup 1999, most connections are attacks. The papers on ALAD, RCGAN and
WALDO therefore take the attacks for normal and the "normal." connections for
anomalies, and so does this example. It applies the same steps to ALAD and to
IsolationForest: a search, decisions at a known error rate, and explanations.

The dataset is not in the repository. If it is missing, this page shows only
the script, and the script raises the error of ``load_kdd99``, which explains
where to get the file and where to put it.
"""

# %%
# The loader returns the table as it is in the file.

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
# We use some attacks for training and others for calibration. A fifth of the
# test connections are anomalies, as in the file. A few known anomalies are
# used only in the search.

normal = kdd99.data[kdd99.target == 0]
anomalies = kdd99.data[kdd99.target == 1]
train, normal = train_test_split(normal, train_size=5000, random_state=0)
held_out, normal = train_test_split(
    normal, train_size=2000, test_size=4000, random_state=0
)
known, anomalies = train_test_split(
    anomalies, train_size=200, test_size=1000, random_state=0
)
X = pd.concat([normal, anomalies], ignore_index=True)
y = np.repeat([1, -1], [len(normal), len(anomalies)])

# %%
# Search with labels
# ------------------
# Numbers such as ``src_bytes`` have long tails, which quantiles cut off. The
# search determines which encoding is better. Only the scorer uses the labels:
# the splitter puts no known anomalies into training folds.

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
# Held-out rows turn scores into p-values. ``predict`` then flags 5 % of the
# normal rows on average, whatever the detector.

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
# ``select`` returns a list of suspects, of which on average at most one in ten
# is normal. The list is empty if some normal rows score as low as the
# anomalies do, even if they are few.

for name, detector in conformal.items():
    picked = detector.select(X, fdr=0.1)
    print(
        f"{name} picks {picked.sum()} rows, {(picked & (y == 1)).sum()} of "
        "them normal"
    )

# %%
# Explanations
# ------------
# The contributions of the columns to the score are shown for one connection.
# It has a typical score among the anomalies that both detectors flag.

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
# ``nearest_normal`` searches for the fewest changes that make it normal.

for name, detector in conformal.items():
    result = nearest_normal(detector, row, background=train)
    changes = row.compare(result.rows, result_names=("row", "normal"))
    print(f"{name}\n{changes.T}\n")

# %%
# ALAD also generates connections. Text values are among those that were seen,
# and whole numbers remain whole numbers.

detectors["ALAD"].sample(5, random_state=0)
