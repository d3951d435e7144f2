"""
Searching for parameters
========================

How do you find good parameters if some rows have labels? The searches of
scikit-learn work as with any estimator, and reach down to the sizes of the
networks. Only the scorer uses the labels, and `fit` ignores them. Training
is short here to keep the example fast.
"""

# %%
# Grid search
# -----------
# The table has 357 benign tumors and 30 malignant ones. The detector trains on
# all rows of the training folds, as it would without labels. The labels of the
# test fold are used to score it.

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    StratifiedKFold,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skgad import ALAD

X, y = load_breast_cancer(return_X_y=True)
X = np.concatenate([X[y == 1], X[y == 0][:30]])
y = np.repeat([1, -1], [357, 30])

alad = ALAD(max_epochs=40, random_state=0)
detector = Pipeline([("scaler", StandardScaler()), ("alad", alad)])
grid = {
    "alad__latent_dim": [4, 16],
    "alad__lr": [1e-3, 2e-3],
    "alad__networks__hidden_layer_sizes": [(32,), (64, 32)],
}
folds = StratifiedKFold(3, shuffle=True, random_state=0)
search = GridSearchCV(detector, grid, scoring="roc_auc", cv=folds, n_jobs=2)
search.fit(X, y)

table = pd.DataFrame(search.cv_results_["params"])
table = table.rename(columns=lambda name: name.split("__")[-1])
table["mean AUROC"] = search.cv_results_["mean_test_score"]
table.round(3)

# %%
# Successive halving
# ------------------
# The number of epochs is the resource: many candidates are trained for a few
# epochs, and the best of them for longer.

halving = HalvingRandomSearchCV(
    detector,
    {
        "alad__latent_dim": [2, 4, 8, 16, 32],
        "alad__lr": [1e-4, 3e-4, 1e-3, 3e-3],
        "alad__networks__hidden_layer_sizes": [(32,), (64,), (64, 32)],
    },
    resource="alad__max_epochs",
    min_resources=5,
    max_resources=45,
    scoring="roc_auc",
    cv=folds,
    n_jobs=2,
    random_state=0,
)
halving.fit(X, y)
for name, value in halving.best_params_.items():
    print(name, value)

results = pd.DataFrame(halving.cv_results_)
ax = results.plot.scatter("n_resources", "mean_test_score")
ax.set(xlabel="epochs", ylabel="mean AUROC of a candidate")

# %%
# Progress bar
# ------------
# scikit-learn 1.9 and later versions have callbacks. The progress bar, which
# needs the package `rich`, shows the epochs. If it is set on a search, it
# shows the fits within the folds and candidates.

from sklearn.callback import ProgressBar

detector["alad"].set_callbacks(ProgressBar()).fit(
    StandardScaler().fit_transform(X)
)
