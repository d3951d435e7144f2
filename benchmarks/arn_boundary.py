"""Does the discriminator of ARN at one half separate anomalies? As ``rcgan_boundary.py``."""

import argparse
from functools import partial

import results
from rcgan_boundary import evaluate

from skgad.datasets import list_adbench


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-home", default="../shared/data", help="holds the folder adbench/")
    args = parser.parse_args()
    measure = partial(evaluate, method="ARN", boundary="D = 1/2")
    tasks = [
        ({"dataset": name, "seed": 0}, partial(measure, name, 0, args.data_home))
        for name in list_adbench(args.data_home)
    ]
    results.run("arn_boundary", tasks)


if __name__ == "__main__":
    main()
