"""KDD99 in tables 1 and 2 of WALDO: known inliers, and a mixture with unknown outliers.

The detectors are trained on the mixture. The paper also tests them on it. Here they are tested on
other rows as well.
"""

from functools import lru_cache, partial

from sklearn.ensemble import IsolationForest

from benchmarks.common import cli, results
from benchmarks.common.baselines import CenterDistance, OneColumn, PCAResidual
from benchmarks.common.detectors import QUOTED, build
from benchmarks.waldo.metrics import decisions, ranking
from benchmarks.waldo.networks import KDD99Networks
from benchmarks.waldo.splits import split_kdd99
from skgad.datasets import load_kdd99

LOADERS = {"kdd99": load_kdd99}
PAPER = {
    "latent_dim": 32,
    "networks": KDD99Networks(),
    "prior_weight": 0.1,
    "lr": 1e-4,
    "lr_schedule": "constant",
    "batch_size": 3000,
    "max_epochs": 401,
    "advantage": True,
    "advantage_quantile": 0.0,
    "advantage_decay": 0.0,
}
LINEAR = PAPER | {"networks": KDD99Networks(relu_codes=False)}
DETECTORS = {
    "WALDO": PAPER,
    "CoRA": PAPER | {"prior_weight": 0.0},
    "WAE": PAPER | {"outlier_decoder": False},
    "WALDO, without advantage": PAPER | {"advantage": False},
    "WALDO, linear codes": LINEAR,
    "WALDO, linear codes, without advantage": LINEAR | {"advantage": False},
    "WALDO, linear codes, prior on all": LINEAR | {"prior_on": "all"},
    "WALDO, skgad's defaults": {},  # those of `build`
}
#: Methods of the tables that know nothing of the mixture, with their own networks and trainings.
OTHERS = ("ALAD", "DeepSVDD")
BASELINES = {
    "PCA-2 residual": lambda names, seed: PCAResidual(2),
    "count, negated": lambda names, seed: OneColumn(names.index("count")),
    "L2 distance to the mean": lambda names, seed: CenterDistance(2),
    "IsolationForest": lambda names, seed: IsolationForest(random_state=seed),
}


@lru_cache(maxsize=1)
def load(data, data_home):
    return LOADERS[data](data_home)


def evaluate(data, nu, contamination, method, seed, *, data_home):
    """Metrics of one run; for detectors of this package one row for each score."""
    bunch = load(data, data_home)
    split = split_kdd99(bunch.data, bunch.target, seed, nu, contamination)
    if method in BASELINES:
        detector = BASELINES[method](bunch.feature_names, seed).fit(split.positive)
        return ranking(detector, split)

    if method in OTHERS:
        return ranking(QUOTED[method](seed).fit(split.positive), split)

    detector = build("WALDO", seed, **DETECTORS[method])
    if method == "WAE":  # is trained on the known inliers only
        X = split.positive
        detector.fit(X)
    else:
        X, labels = split.training_rows()
        detector.fit(X, labels=labels)
    about = {"zero_codes": float((detector.transform(split.mixture) == 0).mean())}
    rows = []
    for score in ("inlier", "difference")[: 1 + detector.outlier_decoder]:
        detector.set_score_type(score, X)
        row = {"score": score} | ranking(detector, split)
        if score == "difference":
            detector.set_threshold(contamination="auto")  # where the decoders tie
            row |= decisions(detector, split)
        rows.append(row | about)
    return rows


def main(arguments=None):
    groups = {
        "baselines": list(BASELINES),
        "others": list(OTHERS),
        "paper": ["WALDO", "CoRA", "WAE"],
    }
    methods = [*BASELINES, *OTHERS, *DETECTORS]
    parser = cli.argument_parser(__doc__, folders="kdd/", seeds=4)
    parser.add_argument("--methods", nargs="+", choices=[*groups, *methods], default=groups)
    parser.add_argument("--nu", nargs="+", type=float, default=[0.05, 0.1, 0.2, 0.5])
    parser.add_argument("--contamination", nargs="+", type=float, default=[0.0, 0.05, 0.1])
    args = parser.parse_args(arguments)
    keys = [
        {"data": "kdd99", "nu": nu, "contamination": c, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for c in args.contamination
        for nu in args.nu
        for method in cli.expand(args.methods, groups)
    ]
    results.run("waldo_tables", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
