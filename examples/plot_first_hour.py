"""
The first hour with skgad
=========================

This example is for reading line by line, or as a notebook: it finds the
anomalies of a table, decides with a known error rate, explains the decisions
and generates new rows. An executed notebook is in ``examples`` in the
repository.
"""

# %%
# A table
# -------
# The table is simulated, so that we know the truth: payments in three shops,
# with a missing value in one row of ten. The amount of an anomaly is common,
# but not in its shop.

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)


def make_payments(n_rows):
    typical = {"bakery": 8, "grocery": 50, "jeweler": 900}
    shop = rng.choice(list(typical), n_rows, p=[0.4, 0.4, 0.2])
    amount = pd.Series(shop).map(typical) * rng.lognormal(0, 0.3, n_rows)
    items = rng.poisson(2, n_rows) + 1.0
    items[rng.random(n_rows) < 0.1] = np.nan
    hour = rng.normal(14, 3, n_rows).clip(8, 20).round()
    columns = {"shop": shop, "amount": amount.round(2)}
    return pd.DataFrame({**columns, "items": items, "hour": hour})


train, calibration = make_payments(2000), make_payments(500)
test = make_payments(500)
y = np.ones(500, dtype=int)  # 1 is an inlier, -1 an outlier
y[:20] = -1
test.loc[:19, "shop"] = ["bakery", "grocery"] * 10
test.loc[:19, "amount"] = (900 * rng.lognormal(0, 0.3, 20)).round(2)
train.head()

# %%
# Fit
# ---
# `TabularDetector` encodes the columns. `Autoencoder` is its default detector;
# it is named here to set the seed.

from skgad import Autoencoder, TabularDetector

detector = TabularDetector(Autoencoder(random_state=0)).fit(train)

# %%
# Evaluate
# --------
# Low scores are abnormal, as in scikit-learn. Any detector of scikit-learn can
# take the place of the autoencoder.

from sklearn.ensemble import IsolationForest

from skgad.inspection import ScoreHistogramDisplay
from skgad.metrics import outlier_average_precision_score

forest = TabularDetector(IsolationForest(random_state=0)).fit(train)
for name, fitted in {"Autoencoder": detector, "forest": forest}.items():
    ap = outlier_average_precision_score(y, fitted.score_samples(test))
    print(f"{name}: average precision {ap:.2f}")

ScoreHistogramDisplay.from_estimator(detector, test, y)

# %%
# Decide
# ------
# Normal rows that are new to the detector turn scores into p-values. Of the
# rows that `select` picks, about one in ten is normal.

from sklearn.frozen import FrozenEstimator

from skgad.calibration import ConformalDetector

conformal = ConformalDetector(FrozenEstimator(detector)).fit(calibration)
picked = conformal.select(test, fdr=0.1)
print(f"{picked.sum()} rows picked, {(y[picked] == -1).sum()} of 20 anomalies")

# %%
# Explain
# -------
# What does each column contribute to the score of the first anomaly?

from skgad.inspection import ExplanationDisplay

ExplanationDisplay.from_estimator(
    detector, test[:1], background=train, random_state=0
)

# %%
# Which changes would make it normal?

from skgad.inspection import nearest_normal

result = nearest_normal(detector, test[:5], background=train)
test[:5].compare(result.rows, result_names=("payment", "normal"))

# %%
# Generate
# --------
# New payments have the columns and the distributions of the table.

from skgad.inspection import SamplesDisplay

SamplesDisplay.from_estimator(detector, train, random_state=0)
detector.sample(5, random_state=0)

# %%
# Next steps
# ----------
# :doc:`/user_guide/choosing` helps you pick a detector, and
# :doc:`/gallery/plot_front_door` has a search for parameters.
