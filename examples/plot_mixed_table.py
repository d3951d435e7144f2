"""
A table of numbers and categories in a pipeline
===============================================

How do you use a detector with a `ColumnTransformer`? This example encodes a
data frame with a text column, inspects the fitted pipeline, and saves and
loads it.
"""

# %%
# The table is simulated. The amount of a card payment depends on the shop,
# except for a few anomalies.

import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

from skgad import ALAD

rng = np.random.default_rng(0)


def payments(n_rows, shop_of_the_amount=None):
    """Simulate payments, with amounts typical of the shop or of another."""
    shop = rng.choice(
        ["bakery", "grocery", "jeweler"], n_rows, p=[0.4, 0.5, 0.1]
    )
    typical = pd.Series({"bakery": 8, "grocery": 50, "jeweler": 900})
    other = (
        shop
        if shop_of_the_amount is None
        else np.full(n_rows, shop_of_the_amount)
    )
    return pd.DataFrame(
        {
            "shop": shop,
            "amount": typical[other].to_numpy()
            * rng.lognormal(0, 0.3, n_rows),
            "hour": rng.normal(14, 3, n_rows).clip(8, 20).round(),
        }
    )


normal = payments(2000)
anomalies = payments(100, shop_of_the_amount="jeweler").query(
    "shop != 'jeweler'"
)
normal.head()

# %%
# Categories are one-hot encoded, and numbers are scaled to the same range. The
# encoder returns a sparse matrix, which the detector accepts.

encode = make_column_transformer(
    (OneHotEncoder(), ["shop"]),
    (MinMaxScaler(), ["amount", "hour"]),
    sparse_threshold=1.0,
)
detector = make_pipeline(
    encode, ALAD(latent_dim=3, max_epochs=60, random_state=0)
).fit(normal)

X = pd.concat([payments(500), anomalies], ignore_index=True)
y = np.where(X.index < 500, 1, -1)
print(f"AUROC {roc_auc_score(y, detector.score_samples(X)):.3f}")

# %%
# Which columns does the detector rely on? Permutation importance shuffles one
# column at a time and measures how much the area under the ROC curve drops.

importance = permutation_importance(
    detector, X, y, scoring="roc_auc", n_repeats=5, random_state=0
)
_, ax = plt.subplots(layout="constrained")
ax.barh(
    X.columns, importance.importances_mean, xerr=importance.importances_std
)
ax.set(xlabel="drop in AUROC when permuted")

# %%
# After saving and loading with joblib, the pipeline gives the same scores to
# the last bit.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "detector.joblib")
    joblib.dump(detector, path)
    loaded = joblib.load(path)

print(np.array_equal(detector.score_samples(X), loaded.score_samples(X)))
