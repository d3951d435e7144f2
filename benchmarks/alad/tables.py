"""Tables II, V and VII of ALAD (Zenati et al., ICDM 2018) on KDD99 and Arrhythmia.

The splits and thresholds are those of the authors' code, which feeds raw values to the networks.
Each run is repeated with scaled values. ALAD saves checkpoints to ``benchmarks/checkpoints``, so
that a run that was interrupted continues where it was.
"""

import os
from functools import lru_cache, partial
from types import SimpleNamespace

import joblib
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from benchmarks.alad.networks import ArrhythmiaNetworks, KDD99Networks
from benchmarks.alad.splits import split_arrhythmia, split_kdd99
from benchmarks.common import ROOT, cli, results
from benchmarks.common.baselines import CenterDistance, OneColumn, PCAResidual
from benchmarks.common.detectors import QUOTED, SCORES_OF, build
from benchmarks.common.metrics import score_metrics
from skgad.datasets import load_arrhythmia, load_kdd99

CHECKPOINTS = ROOT / "benchmarks" / "checkpoints"

KDD99 = SimpleNamespace(
    load=load_kdd99,
    split=split_kdd99,
    rate=0.20,
    scaler=MinMaxScaler(),
    epochs=100,
    epochs_per_checkpoint=5,
    params={"latent_dim": 32, "networks": KDD99Networks(), "batch_size": 50},
)
ARRHYTHMIA = SimpleNamespace(
    load=load_arrhythmia,
    split=split_arrhythmia,
    rate=0.15,
    scaler=make_pipeline(
        StandardScaler(), FunctionTransformer(np.clip, kw_args={"a_min": -10, "a_max": 10})
    ),
    epochs=1000,
    epochs_per_checkpoint=50,
    params={"latent_dim": 64, "networks": ArrhythmiaNetworks(), "batch_size": 32},
)
DATA = {"kdd99": KDD99, "arrhythmia": ARRHYTHMIA}

BASELINES = {
    "count, negated": lambda names: OneColumn(names.index("count")),
    "L1 distance to the mean": lambda names: CenterDistance(1),
    "L2 distance to the mean": lambda names: CenterDistance(2),
    "L1 distance to the median": lambda names: CenterDistance(1, np.median),
    "L1 norm of z-scores": lambda names: make_pipeline(StandardScaler(), CenterDistance(1)),
    "L2 norm of z-scores": lambda names: make_pipeline(StandardScaler(), CenterDistance(2)),
    **{
        f"PCA-{n} residual": lambda names, n=n: PCAResidual(n)  # of n components
        for n in (1, 2, 5, 10, 20)
    },
}
#: Methods of table II, with their own networks and trainings, on scaled values only.
OTHERS = ("DSEBM-r", "DSEBM-e", "DAGMM", "AnoGAN")
# Table V; the authors' code has no spectral norm on tables, so it ran the third one.
ABLATION = {
    "ALAD, baseline": {"latent_discriminator": False, "spectral_norm": False},
    "ALAD, +SN": {"latent_discriminator": False, "spectral_norm": True},
    "ALAD, +DL": {"latent_discriminator": True, "spectral_norm": False},
    "ALAD, +SN +DL": {"latent_discriminator": True, "spectral_norm": True},
}
UNTRAINED = "ALAD, untrained"  # how well the networks rank before they learn anything
TRAINING = {"lr": 1e-5, "lr_schedule": "constant", "ema_decay": 0.999, "latent_weight": 1.0}


@lru_cache(maxsize=1)
def load(data, inputs, data_home):
    bunch = DATA[data].load(data_home)
    split = DATA[data].split(bunch.data, bunch.target)
    return split.transform(DATA[data].scaler) if inputs == "scaled" else split, bunch.feature_names


def evaluate(data, inputs, method, seed, epochs=None, *, data_home):
    """Metrics of one run; for ALAD one row for each score."""
    split, names = load(data, inputs, data_home)
    paper = DATA[data]

    def row(detector):
        scores = -detector.score_samples(split.X_test)
        return score_metrics(split.y_test, scores, paper.rate)

    def alad_rows(detector, X):
        # All parts of a training that was interrupted count.
        times = {"fit_seconds": sum(detector.history_[:, "dur"])}
        return [
            {"score": score, **row(detector.set_score_type(score, X)), **times}
            for score in SCORES_OF["ALAD"]
        ]

    if method in ABLATION:
        detector = train_alad(data, inputs, method, seed, epochs, split.X_train)
        return alad_rows(detector, split.X_train)
    if method == UNTRAINED:
        detector = build("ALAD", seed, **paper.params, max_epochs=1, lr=1e-30)
        X = split.X_train[: paper.params["batch_size"]]
        return alad_rows(detector.fit(X), X)
    if method in OTHERS:
        return row(QUOTED[method](seed).fit(split.X_train))
    if method == "IsolationForest":
        return row(IsolationForest(random_state=seed).fit(split.X_train))
    return row(BASELINES[method](names).fit(split.X_train))


def train_alad(data, inputs, method, seed, epochs, X):
    """Train ALAD as in the paper, from the checkpoint if there is one."""
    name = f"{data}-{inputs}-{method}-{seed}-{epochs}"
    path = CHECKPOINTS / f"{name.replace(', ', '-').replace(' ', '')}.joblib"
    paper = DATA[data]
    if path.exists():
        detector = joblib.load(path)
    else:
        params = {**paper.params, **TRAINING, **ABLATION[method]}
        detector = build("ALAD", seed, **params, warm_start=True)
    while (left := epochs - getattr(detector, "n_iter_", 0)) > 0:
        detector.set_params(max_epochs=min(left, paper.epochs_per_checkpoint)).fit(X)
        CHECKPOINTS.mkdir(exist_ok=True)
        joblib.dump(detector, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)
        print(f"{name}: epoch {detector.n_iter_}", flush=True)
    return detector


def main(arguments=None):
    groups = {
        "baselines": [*BASELINES, "IsolationForest", UNTRAINED],
        "others": list(OTHERS),
        "alad": list(ABLATION),
    }
    methods = cli.expand(groups, groups)
    parser = cli.argument_parser(__doc__, folders="kdd/ and uci/", seeds=3)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--inputs", nargs="+", choices=["raw", "scaled"], default=["scaled", "raw"])
    parser.add_argument("--methods", nargs="+", choices=[*groups, *methods], default=groups)
    parser.add_argument("--epochs", type=int, help="of ALAD; default: as many as in the paper")
    args = parser.parse_args(arguments)
    keys = [
        {"data": data, "inputs": inputs, "method": method, "seed": seed}
        | ({"epochs": args.epochs or DATA[data].epochs} if method in ABLATION else {})
        for data in args.data
        for inputs in args.inputs
        for method in cli.expand(args.methods, groups)
        for seed in range(1 if method in BASELINES else args.seeds)
        if method != "count, negated" or data == "kdd99"
        if method not in OTHERS or inputs == "scaled"
    ]
    results.run("alad_tables", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
