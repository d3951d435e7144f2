"""The figures behind the picture in the README: what `make demo` measures, for each seed."""

import argparse
import sys
from functools import partial
from pathlib import Path

import results

sys.path.append(str(Path(__file__).parents[1] / "examples"))
import demo


def evaluate(detector, seed):
    """One row of the demo's table, without the times, which are the machine's."""
    X_train, X_test, y_test = demo.load()
    _, scores, times = demo.run(demo.DETECTORS[detector](seed), X_train, X_test)
    figures = demo.measure(y_test, scores, times)
    return {name: value for name, value in figures.items() if "(s)" not in name}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    tasks = [
        ({"detector": detector, "seed": seed}, partial(evaluate, detector, seed))
        for detector in demo.DETECTORS
        for seed in range(args.seeds)
    ]
    results.run("demo", tasks)


if __name__ == "__main__":
    main()
