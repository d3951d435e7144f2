"""Tables II to V of ARN (Liguori et al., ICDM 2021) with its splits, and what its numbers rest on.

Test rows are in random order, and each score depends on its row alone. "ARN-N, leak" is the
exception. Its batch norm has no running statistics, as in the authors' code. The same trained
network is scored in batches of 1024 rows that are sorted by label, as theirs, and in batches that
are not.
"""

import time
from copy import deepcopy
from functools import lru_cache, partial
from types import SimpleNamespace

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils import resample

from benchmarks.arn.networks import ARNNetworks
from benchmarks.arn.splits import SIZES, one_hot, split_table
from benchmarks.common import cli, results
from benchmarks.common.baselines import (
    CenterDistance,
    DenoisingAutoencoder,
    NeighborDistance,
    OneColumn,
    PCAResidual,
)
from benchmarks.common.detectors import QUOTED, SCORES_OF, build
from benchmarks.common.metrics import score_metrics, trapezoid_auprc
from skgad.datasets import (
    load_bank,
    load_covertype,
    load_creditcard,
    load_doh,
    load_kdd99,
    load_nsl_kdd,
)

KDD99, NSL = partial(load_kdd99, as_frame=True), partial(load_nsl_kdd, as_frame=True)
AREAS_AND_SOILS = [tuple(range(10, 14)), tuple(range(14, 54))]
ALL_CONTAMINATIONS = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50)
FEW_CONTAMINATIONS = ALL_CONTAMINATIONS[:3]
BATCH_SIZE = 1024


def data(load, lr_d, lr_g, epochs, **others):
    """A dataset, and how the paper trains on it (the epochs are those of ARN-N)."""
    defaults = {
        "is_anomaly": lambda bunch: bunch.target,
        "dropped": (),
        "groups": (),
        "contaminations": (),
        "seeds": 5,
    }
    paper = {"lr_d": lr_d, "lr_g": lr_g, "paper_epochs": epochs}
    return SimpleNamespace(load=load, **{**defaults, **paper, **others})


# The first five are run here. The others are for readers who have their files.
DATA = {
    "KDDCUP99": data(
        *(KDD99, 1e-4, 1e-3, 400),
        is_anomaly=lambda bunch: 1 - bunch.target,
        contaminations=ALL_CONTAMINATIONS,
    ),
    "KDDCUP99_Rev": data(
        *(KDD99, 1e-5, 1e-4, 400),
        is_anomaly=lambda bunch: 1 - bunch.target,
        dropped=("smurf", "neptune"),
        contaminations=FEW_CONTAMINATIONS,
    ),
    "KDDCUP99_Inv": data(KDD99, 1e-4, 1e-3, 400, contaminations=FEW_CONTAMINATIONS, seeds=3),
    "NSL-KDD": data(NSL, 1e-4, 1e-4, 200, contaminations=ALL_CONTAMINATIONS),
    "Bank": data(load_bank, 1e-4, 1e-3, 450),
    "DoH": data(load_doh, 1e-5, 1e-4, 1500, contaminations=ALL_CONTAMINATIONS),
    "DoH_Inv": data(load_doh, 1e-5, 1e-4, 1500, is_anomaly=lambda bunch: 1 - bunch.target),
    "CoverType": data(
        *(load_covertype, 1e-4, 1e-4, 50),
        groups=AREAS_AND_SOILS,
        contaminations=FEW_CONTAMINATIONS,
    ),
    "CreditCard": data(load_creditcard, 1e-4, 1e-3, 100),
}
RUN_HERE = list(DATA)[:5]
WEAK = {"KDDCUP99_Rev": (0.0, 0.01, 0.03), "Bank": (0.0, 0.01, 0.03)}


def ours(name, case, **params):
    """Detector of this package, as `build` makes it, for a case."""
    return build(name, case.seed, **params)


def gumbel(case, **params):
    return ours("ARN", case, categorical="gumbel", categorical_groups=case.groups, **params)


def paper(case, kind="N", batch_statistics=False, **changes):
    """ARN as in the notebooks that printed the tables, except for the number of epochs."""
    # The paper averages the divergence over 16 codes and the error over the columns.
    kl_weight = case.n_features / 16
    params = {
        "latent_dim": 16,
        "networks": ARNNetworks(batch_statistics),
        "adversarial_weight": 0.01,
        "reconstruction_weight": 1.0,
        "kl_weight": kl_weight,
        "kl_schedule": "constant",
        "free_bits": 0.0,
        "noise_scale": 0.0,
        "label_noise": 0.3,
        "label_noise_decay": 0.9995,
        "annealing": 0.9995,
        "output_activation": "sigmoid",
        "score_type": "discriminator",
        "batch_size": BATCH_SIZE,
        "max_epochs": case.epochs,
        "lr": case.data.lr_g,
        "lr_schedule": "constant",
        "net_params": {
            "optimizer__param_groups": [("*.discriminator.*", {"lr": case.data.lr_d})],
        },
    }
    if kind == "G":
        params |= {"kl_schedule": "annealed"}
        return gumbel(case, **(params | changes))
    return ours("ARN", case, **(params | changes))


PAPER = {
    "ARN-N, paper": paper,
    "ARN-G, paper": partial(paper, kind="G"),
    "ARN-N, leak": partial(paper, batch_statistics=True),
    "ARN-N, paper, without KL": partial(paper, kl_weight=0.0),
    "ARN-G, paper, without KL": partial(paper, kind="G", kl_weight=0.0),
    "ARN-G, paper, ELBO": partial(paper, kind="G", objective="elbo"),
}
OURS = {
    "ARN": partial(ours, "ARN"),
    "ARN, gumbel": gumbel,
    "ARN, without KL": partial(ours, "ARN", kl_weight=0.0),
    "ARN, ELBO": partial(ours, "ARN", objective="elbo"),
    "WALDO": partial(ours, "WALDO"),
    "Autoencoder": partial(ours, "WALDO", prior_weight=0.0, outlier_decoder=False),
}
BASELINES = {
    "count": lambda case: OneColumn(case.count, larger_is="anomalous"),
    "count, negated": lambda case: OneColumn(case.count),
    "L2 norm of z-scores": lambda case: make_pipeline(StandardScaler(), CenterDistance(2)),
    "PCA-2 residual": lambda case: PCAResidual(2),
    "IsolationForest": lambda case: IsolationForest(random_state=case.seed),
    "OneClassSVM": lambda case: OneClassSVM(gamma="auto"),  # the paper's
    "k-NN": lambda case: NeighborDistance(5),
    "Denoising autoencoder": lambda case: DenoisingAutoencoder(random_state=case.seed),
}
#: Methods of tables II and III, with their own networks and trainings.
OTHERS = {
    "FenceGAN": lambda case: QUOTED["FenceGAN"](case.seed),
    "GANomaly": lambda case: QUOTED["GANomaly"](case.seed),
}
METHODS = {**BASELINES, **OURS, **OTHERS, **PAPER}
MAX_ROWS = {"OneClassSVM": 5_000, "k-NN": 10_000}
# Run with min-max inputs only.
ONE_INPUT = {
    "count",
    "count, negated",
    *PAPER,
    "ARN, gumbel",
    "IsolationForest",
    "L2 norm of z-scores",
}
COUNTED = {"count": ("KDDCUP99", "KDDCUP99_Rev", "NSL-KDD"), "count, negated": ("KDDCUP99_Inv",)}
SCORES = {"ARN": SCORES_OF["ARN"], "WALDO": ("inlier", "difference")}

COMPARED = ["ARN-N, paper", "ARN-G, paper", "ARN", "ARN, gumbel"]
TABLES = {
    "2": [*BASELINES, "Autoencoder", *OTHERS, *COMPARED, "ARN-N, leak"],
    "3": [*COMPARED, "GANomaly", "Autoencoder", "IsolationForest"],
    "4": [*COMPARED, "WALDO"],
    "5": [*COMPARED, *(m for m in METHODS if m.endswith(("without KL", "ELBO")))],
}


@lru_cache(maxsize=1)
def load(load_file, data_home):
    """Bunch of a loader, its array, its one-hot groups, and the names of its other columns."""
    bunch = load_file(data_home)
    if isinstance(bunch.data, np.ndarray):
        return bunch, bunch.data, [], bunch.feature_names
    return bunch, *one_hot(bunch.data), [*bunch.data.select_dtypes("number")]


@lru_cache(maxsize=1)
def load_split(name, seed, contamination, known, data_home):
    """Split of a run with the inputs of the paper, and what methods need to know of the table."""
    this = DATA[name]
    bunch, X, groups, names = load(this.load, data_home)
    y, groups = this.is_anomaly(bunch), this.groups or groups
    if this.dropped:
        kept = ~np.isin(bunch.attack, this.dropped)
        X, y = X[kept], y[kept]
    split = split_table(X, y, groups, SIZES[name], seed, contamination=contamination, known=known)
    case = SimpleNamespace(
        data=this,
        seed=seed,
        groups=[group for group in groups if len(group) > 1],  # KDD99 has a constant one
        n_features=X.shape[1],
        count=names.index("count") if "count" in names else None,
    )
    return split, case


def evaluate(data, inputs, method, contamination, known, seed, epochs=None, *, data_home):
    """Metrics of one fit, one row for each score of the method."""
    split, case = load_split(data, seed, contamination, known, data_home)
    if inputs == "standardised":
        split = split.transform(StandardScaler())
    case.epochs = epochs
    detector = METHODS[method](case)
    X, labels = split.X_train[split.labels == 1], {}
    if known:
        X, labels = split.X_train, {"labels": split.labels}
    n_rows = min(len(X), MAX_ROWS.get(method, len(X)))
    if n_rows < len(X):
        X = resample(X, replace=False, n_samples=n_rows, random_state=case.seed)

    start = time.perf_counter()
    detector.fit(X, **labels)
    about = {"fit_seconds": time.perf_counter() - start}
    if hasattr(detector, "kl_divergence_"):
        about |= {"kl": detector.kl_divergence_, "variant_distance": detector.variant_distance_}
    if method == "ARN-N, leak":
        D = detector.net_.module_.game.discriminator.cpu()
        return [about | row for row in leak(D, split)]
    rows = []
    for score in SCORES.get(type(detector).__name__, [""]):
        if score == "difference" and not detector.outlier_decoder:
            continue
        if score:
            detector.set_score_type(score, X)
        start = time.perf_counter()
        scores = -detector.score_samples(split.X_test)
        about["score_seconds"] = time.perf_counter() - start
        rows.append(({"score": score} if score else {}) | about | measure(split.y_test, scores))
    return rows


def measure(y, scores):
    values = score_metrics(y, scores)
    return {"auroc": values["auroc"], "ap": values["ap"], "auprc": trapezoid_auprc(y, scores)}


def leak(D, split):
    """Score test rows with a discriminator without running statistics, in three ways."""
    X, y = torch.from_numpy(split.X_test), split.y_test
    by_label = np.argsort(y, kind="stable")
    fixed = fix_statistics(D, torch.from_numpy(split.X_train[split.labels == 1]))
    ways = {
        "batches sorted by label": (D, by_label),
        "shuffled batches": (D, np.arange(len(y))),
        "statistics of the training rows": (fixed, np.arange(len(y))),
    }
    for name, (network, order) in ways.items():
        with torch.inference_mode():
            logits = torch.cat([network(x) for x in X[order].split(BATCH_SIZE)])
        yield {"score": name} | measure(y[order], -logits.double().numpy())


@torch.no_grad()
def fix_statistics(D, X):
    """Copy of a discriminator whose batch norm uses statistics averaged over batches of X."""
    D = deepcopy(D).eval()
    for layer in D.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.track_running_stats, layer.momentum = True, None
            layer.running_mean = torch.zeros(layer.num_features)
            layer.running_var = torch.ones(layer.num_features)
            layer.num_batches_tracked = torch.tensor(0)
            layer.train()
    for x in X[torch.randperm(len(X))].split(BATCH_SIZE)[:-1]:
        D(x)
    return D.eval()


def cases(table, name):
    """Contamination and share of known anomalies for the runs of a table on a dataset."""
    if table == "3":
        return [(contamination, 0.0) for contamination in DATA[name].contaminations]
    if table == "4":
        return [(0.0, known) for known in WEAK.get(name, ())]
    return [(0.0, 0.0)]


def selected_keys(args):
    """Keys of the runs that the arguments select; runs that tables share occur once."""
    keys = (
        {
            "data": name,
            "inputs": inputs,
            "method": method,
            "contamination": contamination,
            "known": known,
            "seed": seed,
        }
        | ({"epochs": args.epochs} if method in PAPER else {})
        for table in args.tables
        for name in args.datasets
        for seed in range(args.seeds or DATA[name].seeds)
        for contamination, known in cases(table, name)
        for method in TABLES[table]
        for inputs in args.inputs
        if method in args.methods
        if name in COUNTED.get(method, [name])
        if inputs == "min-max" or method not in ONE_INPUT
        if known or method != "WALDO"
    )
    return list({tuple(key.items()): key for key in keys}.values())


def parse(arguments=None):
    groups = {
        "baselines": [*BASELINES, "Autoencoder"],
        "ours": list(OURS),
        "others": list(OTHERS),
        "paper": list(PAPER),
    }
    inputs = ["min-max", "standardised"]  # part of the keys of the results
    parser = cli.argument_parser(__doc__, folders="kdd/ and uci/")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--datasets", nargs="+", choices=DATA, default=RUN_HERE)
    parser.add_argument("--methods", nargs="+", choices=[*groups, *METHODS], default=list(METHODS))
    parser.add_argument("--inputs", nargs="+", choices=inputs, default=inputs)
    parser.add_argument("--seeds", type=int, help="default: 3 on KDDCUP99_Inv, 5 on the others")
    parser.add_argument("--epochs", type=int, default=20, help="with the paper's networks")
    args = parser.parse_args(arguments)
    args.methods = cli.expand(args.methods, groups)
    return args


def main(arguments=None):
    args = parse(arguments)
    keys = selected_keys(args)
    results.run("arn_tables", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
