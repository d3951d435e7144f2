"""
Detectors as scikit-learn estimators
====================================

Which of scikit-learn's tools work with a detector of skgad? This example shows
cross-validation, `clone` and `set_params`, data frames as output, and known
labels as metadata.
"""

# %%
# Cross-validation
# ----------------
# Only the scorer uses the labels. `OneClassKFold` keeps the outliers out of
# the training folds. The folds are trained in two processes.

import numpy as np
import pandas as pd
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgad import ALAD, CoRA
from skgad.model_selection import OneClassKFold

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
y = np.where(y == 1, 1, -1)  # benign tumors are inliers
alad = make_pipeline(StandardScaler(), ALAD(max_epochs=100, random_state=0))
detectors = {"ALAD": alad, "IsolationForest": IsolationForest(random_state=0)}
folds = OneClassKFold(3, shuffle=True, random_state=0)
table = pd.DataFrame(
    {
        name: cross_val_score(
            detector, X, y, cv=folds, scoring="roc_auc", n_jobs=2
        )
        for name, detector in detectors.items()
    }
)
table.rename_axis("fold").round(3)

# %%
# Copies, parameters and data frames
# ----------------------------------
# `clone` returns an unfitted copy. Parameters are set by name. `set_output`
# returns the latent codes as a data frame.

small = clone(alad).set_params(
    alad__latent_dim=2, alad__n_members=2, alad__max_epochs=50
)
small.set_output(transform="pandas")
codes = small.fit(X[y == 1]).transform(X)
codes.plot.scatter(*codes.columns[:2], c=y, cmap="coolwarm_r", s=5)
codes.head().round(2)

# %%
# Metadata
# --------
# Some detectors learn from what is known about some of the rows. They take it
# as metadata, `labels`, and not as `y`. A pipeline passes it on to a detector
# that requests it. Here the training table has all tumors, and half of the
# benign ones are known to be benign.

known = np.where((y == 1) & (np.arange(len(y)) % 2 == 0), 1, 0)
with sklearn.config_context(enable_metadata_routing=True):
    cora = CoRA(max_epochs=100, random_state=0).set_fit_request(labels=True)
    mixture = make_pipeline(StandardScaler(), cora)
    for what, labels in {
        "nothing": None,
        "half of the inliers": known,
    }.items():
        scores = mixture.fit(X, labels=labels).score_samples(X)
        unknown = known == 0
        auroc = roc_auc_score(y[unknown], scores[unknown])
        print(f"{what} known: AUROC of the unknown rows {auroc:.2f}")
