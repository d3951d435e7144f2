"""
From a raw table to explained decisions
=======================================

How do you get from a table with text, numbers, booleans and missing values to
decisions that you can explain? This example takes the table as it is. It makes
decisions with a known error rate, explains them, and shows which changes would
make an anomaly normal. The same tools work with a detector of scikit-learn.
"""

# %%
# The data
# --------
# The table is simulated: claims at a car insurance company. The cost of a
# repair depends on the damage and on the car. Half of the anomalies are claims
# that are far too expensive for their damage. The other half are windscreens
# that were broken in a theft at night.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skgad import Autoencoder, TabularDetector
from skgad.calibration import ConformalDetector
from skgad.inspection import (
    ExplanationDisplay,
    RocCurveDisplay,
    explain,
    nearest_normal,
)
from skgad.metrics import SCORERS
from skgad.model_selection import OneClassKFold
from skgad.preprocessing import TabularEncoder

rng = np.random.default_rng(0)
COST = pd.Series({"windscreen": 400, "scratch": 900, "collision": 4000})
FACTOR = pd.Series({"small": 0.7, "family": 1.0, "luxury": 2.5})


def claims(n_rows):
    """Simulate normal claims."""
    damage = rng.choice(COST.index, n_rows, p=[0.4, 0.4, 0.2])
    car = rng.choice(FACTOR.index, n_rows, p=[0.4, 0.5, 0.1])
    cost = COST[damage].to_numpy() * FACTOR[car].to_numpy()
    table = pd.DataFrame(
        {
            "damage": damage,
            "car": car,
            "age": rng.integers(18, 80, n_rows).astype(float),
            "cost": (cost * rng.lognormal(0, 0.2, n_rows)).astype(int),
            "hour": (rng.normal(14, 3, n_rows) % 24).round(),
            "police": (damage == "collision") & (rng.random(n_rows) < 0.8),
        }
    )
    table.loc[rng.random(n_rows) < 0.1, "age"] = np.nan
    return table


anomalies = claims(100)
anomalies.loc[:49, "damage"] = rng.choice(["windscreen", "scratch"], 50)
anomalies.loc[:49, "cost"] = rng.integers(3000, 6000, 50)
anomalies.loc[50:, ["damage", "hour", "police"]] = ["windscreen", 3, True]

normal = claims(3500)
normal.head()

# %%
# A search with labels
# --------------------
# `TabularDetector` works with any detector, and with `Autoencoder` if none is
# given. The grid may have parameters of the detector and of the encoder. The
# splitter trains on normal rows only, and the scorer takes the anomalies for
# the positive class. Here, half of the anomalies are known.

train, X_normal = train_test_split(normal, test_size=1500, random_state=0)
known, X_anomalies = train_test_split(anomalies, test_size=0.5, random_state=0)

candidates = {
    "Autoencoder": (
        Autoencoder(random_state=0),
        {"detector__latent_dim": [8, 32]},
    ),
    "IsolationForest": (
        IsolationForest(contamination=0.05, random_state=0),
        {
            "detector__max_features": [0.5, 1.0],
            "encoder__numeric": ["standard", "quantile"],
        },
    ),
}
detectors = {}
for name, (detector, grid) in candidates.items():
    search = GridSearchCV(
        TabularDetector(detector, encoder=TabularEncoder()),
        grid,
        scoring=SCORERS["outlier_average_precision"],
        cv=OneClassKFold(2, random_state=0),
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
# The other rows are used for testing, except for some normal rows, which are
# kept for the next step.

X_normal, X_calibration = train_test_split(
    X_normal, test_size=500, random_state=0
)
X = pd.concat([X_normal, X_anomalies], ignore_index=True)
y = np.repeat([1, -1], [len(X_normal), len(X_anomalies)])

_, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
for name, detector in detectors.items():
    RocCurveDisplay.from_estimator(detector, X, y, name=name, ax=ax)

# %%
# Decisions with a known error rate
# ---------------------------------
# `ConformalDetector` uses normal rows that are new to the detector to turn
# scores into p-values. At a false discovery rate of 0.1, about one in ten of
# the picked rows is normal, whatever the detector. A better detector picks
# more rows.

for name, detector in detectors.items():
    conformal = ConformalDetector(FrozenEstimator(detector))
    picked = conformal.fit(X_calibration).select(X, fdr=0.1)
    print(
        f"{name}: {picked.sum()} rows picked, {(y[picked] == 1).sum()} of "
        f"them normal; there are {(y == -1).sum()} anomalies"
    )

# %%
# Explanations
# ------------
# What does each column contribute to the score? The plots show one anomaly of
# each type. A text column is one column here, however many columns the encoder
# makes of it.

two = pd.concat([anomalies.iloc[[1]], anomalies.iloc[[60]]])
fig, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained")
for column, (name, detector) in enumerate(detectors.items()):
    why = explain(detector, two, background=train, random_state=0)
    for row, ax in enumerate(axes[:, column]):
        ExplanationDisplay.from_explanation(
            why, two, row=row, name=name, ax=ax
        )

# %%
# Which changes would make a claim normal?
# ----------------------------------------
# `nearest_normal` changes as few columns as it can to make each claim an
# inlier. It does not change a claim that the detector takes for an inlier
# already.

for name, detector in detectors.items():
    result = nearest_normal(detector, two, background=train)
    changes = two.compare(result.rows, result_names=("claim", "normal"))
    print(f"{name}\n{changes.T}\n")

# %%
# The autoencoder also generates claims, with the same columns.

detectors["Autoencoder"].sample(5, random_state=0)
