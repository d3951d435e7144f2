"""
From a raw table to explained decisions
=======================================

A table of text, numbers, booleans and holes goes in as it is. Out come
decisions with a known error rate, the reasons for them, and what the odd rows
would look like if they were normal. The same tools take a detector of
scikit-learn.
"""

# %%
# The table is made up: claims at an insurer of cars. What a repair costs
# depends on the damage and on the car. Of the odd claims, half are far too
# dear for their damage, and half are of windscreens that were broken in a
# theft, at night.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skgad import ALAD, TabularDetector
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
    """Normal claims."""
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


odd = claims(100)
odd.loc[:49, "damage"] = rng.choice(["windscreen", "scratch"], 50)
odd.loc[:49, "cost"] = rng.integers(3000, 6000, 50)
odd.loc[50:, ["damage", "hour", "police"]] = ["windscreen", 3, True]

normal = claims(3500)
normal.head()

# %%
# A search, with labels
# ---------------------
# Any detector can be inside; parameters of the detector and of the encoder can
# be searched. The splitter trains on normal rows alone, and the scorer takes
# the odd ones for the positive class. Half of the odd claims are known here.

train, X_normal = train_test_split(normal, test_size=1500, random_state=0)
known, X_odd = train_test_split(odd, test_size=0.5, random_state=0)

candidates = {
    "ALAD": (
        ALAD(max_epochs=60, random_state=0),
        {"detector__latent_dim": [4, 16]},
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
# Other rows have been kept for testing, and some of the normal ones for what
# comes next.

X_normal, X_calibration = train_test_split(
    X_normal, test_size=500, random_state=0
)
X = pd.concat([X_normal, X_odd], ignore_index=True)
y = np.repeat([1, -1], [len(X_normal), len(X_odd)])

_, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
for name, detector in detectors.items():
    RocCurveDisplay.from_estimator(detector, X, y, name=name, ax=ax)

# %%
# How sure?
# ---------
# Normal rows that the detector has not seen turn its scores into p-values. Of
# the rows that are picked at a false discovery rate of 0.1, about one in ten
# is normal, whatever the detector; a better detector has more picked.

for name, detector in detectors.items():
    conformal = ConformalDetector(FrozenEstimator(detector))
    picked = conformal.fit(X_calibration).select(X, fdr=0.1)
    print(
        f"{name}: {picked.sum()} rows picked, {(y[picked] == 1).sum()} of "
        f"them normal; {(y == -1).sum()} are odd"
    )

# %%
# Why?
# ----
# What each column contributes to the score of one claim of either kind. A
# column of text is one column here, whatever the encoder makes of it.

two = pd.concat([odd.iloc[[1]], odd.iloc[[60]]])
fig, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained")
for column, (name, detector) in enumerate(detectors.items()):
    why = explain(detector, two, background=train, random_state=0)
    for row, ax in enumerate(axes[:, column]):
        ExplanationDisplay.from_explanation(
            why, two, row=row, name=name, ax=ax
        )

# %%
# What would be normal?
# ---------------------
# The fewest changes that are found to make each claim an inlier. A claim that
# the detector does not take for an outlier is left as it is.

for name, detector in detectors.items():
    result = nearest_normal(detector, two, background=train)
    changes = two.compare(result.rows, result_names=("claim", "normal"))
    print(f"{name}\n{changes.T}\n")

# %%
# A detector that generates makes claims as well, in the same columns.

detectors["ALAD"].sample(5, random_state=0)
