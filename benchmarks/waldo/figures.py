"""Figures 2a and 4 of WALDO on KDD99: where the codes are, and rows that the decoders generate.

Figure 2b, the decision with and without the advantage, comes from ``benchmarks.waldo.tables``.
"""

from functools import partial

import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from benchmarks.common import cli, results
from benchmarks.common.detectors import build
from benchmarks.common.metrics import decision_metrics
from benchmarks.waldo.splits import split_kdd99
from benchmarks.waldo.tables import LINEAR, PAPER, load

DETECTORS = {"ReLU codes": PAPER, "linear codes": LINEAR}
KINDS = ("inlier", "outlier")
N_ROWS = 1000
N_TSNE = 250


def evaluate(data, nu, codes, prior_on, seed, *, data_home):
    """Rows of results; ``part`` says what they hold: codes, distances or t-SNE."""
    bunch = load(data, data_home)
    split = split_kdd99(bunch.data, bunch.target, seed, nu)
    X, labels = split.training_rows()
    params = DETECTORS[codes] | {"prior_on": prior_on, "score_type": "difference"}
    detector = build("WALDO", seed, **params).fit(X, labels=labels)

    parts = [code_distances(detector, split)]
    if prior_on == "positive":
        real = {k: split.held_out[split.y_held_out == i][: 2 * N_ROWS] for i, k in enumerate(KINDS)}
        generated = {
            latent: {
                k: detector.sample(N_ROWS, kind=k, latent=latent, random_state=seed) for k in KINDS
            }
            for latent in ("fitted", "prior")
        }
        parts.append(row_distances(real, generated))
        if seed == 0:
            parts.append(embedding(real, generated["fitted"], seed=0))
    return parts


def code_distances(detector, split):
    """Figure 2a: distance of the codes of the mixture to the mean of the prior, which is 0."""
    distance = np.linalg.norm(detector.transform(split.mixture), axis=1)
    flags = detector.predict(split.mixture) == -1
    kinds = {k: distance[split.y_mixture == i] for i, k in enumerate(KINDS)}
    return {
        "part": "codes",
        "auroc": roc_auc_score(split.y_mixture, distance),
        "decision_f1": decision_metrics(split.y_mixture, flags, "")["_decision_f1"],
        "boxes": {k: summary(values) for k, values in kinds.items()},
        **{f"{k}_mean": float(values.mean()) for k, values in kinds.items()},
        **{f"{k}_sd": float(values.std()) for k, values in kinds.items()},
    }


def summary(values):
    """Statistics from which matplotlib draws a box; the whiskers are the 5 % and 95 % quantiles."""
    names = ("whislo", "q1", "med", "q3", "whishi")
    return dict(
        zip(names, np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist(), strict=True)
    )


def row_distances(real, generated):
    """Mean Euclidean distance of 1000 rows to the nearest of 1000 held-out rows of each kind."""
    reference = {k: NearestNeighbors(n_neighbors=1).fit(real[k][:N_ROWS]) for k in KINDS}
    sources = {f"real {k}s": real[k][N_ROWS:] for k in KINDS}
    for latent, rows in generated.items():
        sources |= {f"generated {k}s, {latent}": rows[k] for k in KINDS}
    return {
        "part": "distances",
        "distances": {
            name: {k: round(float(reference[k].kneighbors(rows)[0].mean()), 4) for k in KINDS}
            for name, rows in sources.items()
        },
    }


def embedding(real, generated, seed):
    """Figure 4: t-SNE of real and generated rows."""
    groups = {f"real {k}s": real[k][:N_TSNE] for k in KINDS}
    groups |= {f"generated {k}s": generated[k][:N_TSNE] for k in KINDS}
    points = TSNE(random_state=seed).fit_transform(np.concatenate([*groups.values()]))
    ends = np.cumsum([len(rows) for rows in groups.values()])
    parts = np.split(points.round(1).astype(float), ends[:-1])
    return {
        "part": "t-SNE",
        "points": {name: part.round(1).tolist() for name, part in zip(groups, parts, strict=True)},
    }


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="kdd/", seeds=1)
    parser.add_argument("--codes", nargs="+", choices=[*DETECTORS], default=[*DETECTORS])
    parser.add_argument("--nu", nargs="+", type=float, default=[0.2])
    args = parser.parse_args(arguments)
    keys = [
        {"data": "kdd99", "nu": nu, "codes": codes, "prior_on": prior_on, "seed": seed}
        for seed in range(args.seeds)
        for nu in args.nu
        for codes in args.codes
        for prior_on in ("positive", "all")
    ]
    results.run("waldo_figures", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
