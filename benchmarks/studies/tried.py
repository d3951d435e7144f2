"""Variants of ALAD and ARN that were tried, on a part of the development sets."""

from functools import partial

from benchmarks.common import cli, results
from benchmarks.common.data import load_development_set
from benchmarks.common.detectors import SCORES_OF, build
from benchmarks.common.metrics import score_metrics
from benchmarks.common.splits import split_one_class
from skgad import MLP
from skgad.callbacks import WeightAveraging

DATASETS = [
    *("40_vowels", "20_letter", "14_glass", "18_Ionosphere"),
    *("6_cardio", "38_thyroid", "30_satellite", "12_fault"),
]


def mini_batches(number, n_rows, batch_size=128, **params):
    """Parameters with the number of epochs that gives about `number` mini-batches."""
    return params | {"max_epochs": round(number / max(1, round(n_rows / batch_size)))}


#: Changes to what `build` makes: parameters, or a function of the number of training rows.
VARIANTS = {
    "ALAD": {
        "default": {},
        "latent_weight=1": {"latent_weight": 1.0},
        "latent_discriminator=False": {"latent_discriminator": False},
        "spectral_norm=True": {"spectral_norm": True},
        "ema_decay=None": {"ema_decay": None},
        "ema_decay=0.999": {"ema_decay": 0.999},
        "lr_schedule='constant'": {"lr_schedule": "constant"},
        "lr=0.0005": {"lr": 5e-4},
        "lr=0.005": {"lr": 5e-3},
        "latent_dim=16": {"latent_dim": 16},
        "batch_size=32, as many mini-batches": {"batch_size": 32},
        "layers of 64 and 32 units": {"networks": MLP((64, 32))},
        "dropout of 0.2": {"networks": MLP(dropout=0.2)},
        "5000 mini-batches": partial(mini_batches, 5000),
        "n_members=3": {"n_members": 3},
        "5000 mini-batches, n_members=3": partial(mini_batches, 5000, n_members=3),
    },
    "ARN": {
        "default": {},
        "label_noise=0": {"label_noise": 0.0},
        "label_noise_decay=1": {"label_noise_decay": 1.0},
        "kl_weight=0.1": {"kl_weight": 0.1},
        "kl_weight=1": {"kl_weight": 1.0},
        "adversarial_weight=0": {"adversarial_weight": 0.0},
        "adversarial_weight=0.1": {"adversarial_weight": 0.1},
        "latent_dim=64": {"latent_dim": 64},
        "lr=0.002": {"lr": 2e-3},
        "average of weights (decay 0.99)": {"callbacks": [WeightAveraging(0.99)]},
        "n_members=3": {"n_members": 3},
    },
}


def evaluate(dataset, variant, seed, *, method, data_home):
    """AUROC and average precision of each score, from one fit."""
    split = split_one_class(*load_development_set(dataset, data_home), seed)
    params = VARIANTS[method][variant]
    params = params(len(split.X_train)) if callable(params) else params
    detector = build(method, seed, **params).fit(split.X_train)
    rows = []
    for score in SCORES_OF[method]:
        scores = -detector.set_score_type(score, split.X_train).score_samples(split.X_test)
        values = score_metrics(split.y_test, scores)
        rows.append({"score": score, "auroc": values["auroc"], "ap": values["ap"]})
    return rows


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=1)
    parser.add_argument("method", choices=VARIANTS)
    parser.add_argument("--variants", nargs="+", help="default: all")
    cli.add_datasets(parser, DATASETS)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "variant": variant, "seed": seed}
        for variant in args.variants or VARIANTS[args.method]
        for dataset in args.datasets
        for seed in range(args.seeds)
    ]
    measure = partial(evaluate, method=args.method, data_home=args.data_home)
    results.run(f"{args.method.lower()}_tried", measure, keys, args.jobs)


if __name__ == "__main__":
    main()
