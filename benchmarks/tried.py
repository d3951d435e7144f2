"""What was tried to make ARN rank better: variants on a part of the development sets, one-class."""

import argparse
from functools import partial

import protocols
import results
from adbench import METHODS, SCORES_OF, load, rescored
from files import add_data_home

DATASETS = [
    *("40_vowels", "20_letter", "14_glass", "18_Ionosphere"),
    *("6_cardio", "38_thyroid", "30_satellite", "12_fault"),
]
VARIANTS = {
    "default": {},
    "label_noise=0": {"label_noise": 0.0},
    "label_noise_decay=1": {"label_noise_decay": 1.0},
    "kl_weight=0.1": {"kl_weight": 0.1},
    "kl_weight=1": {"kl_weight": 1.0},
    "adversarial_weight=0": {"adversarial_weight": 0.0},
    "adversarial_weight=0.1": {"adversarial_weight": 0.1},
    "latent_dim=64": {"latent_dim": 64},
    "lr=0.002": {"lr": 2e-3},
    "average of weights (decay 0.99)": {"callbacks": True},
    "n_members=3": {"n_members": 3},
}


def evaluate(dataset, variant, seed, data_home):
    """AUROC and average precision of each score, from one fit."""
    from skgad.callbacks import WeightAveraging

    split = protocols.split_one_class(*load(dataset, data_home), seed)
    params = dict(VARIANTS[variant])
    if "callbacks" in params:
        params["callbacks"] = [WeightAveraging(0.99)]
    detector = METHODS["ARN"](seed, **params).fit(split.X_train)
    rows = []
    for score in SCORES_OF["ARN"]:
        scores = -rescored(detector, score, split.X_train).score_samples(split.X_test)
        values = protocols.metrics(split.y_test, scores)
        rows.append({"score": score, "auroc": values["auroc"], "ap": values["ap"]})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=1)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    tasks = [
        (
            {"dataset": dataset, "variant": variant, "seed": seed},
            partial(evaluate, dataset, variant, seed, args.data_home),
        )
        for variant in args.variants
        for dataset in args.datasets
        for seed in range(args.seeds)
    ]
    results.run("arn_tried", tasks)


if __name__ == "__main__":
    main()
