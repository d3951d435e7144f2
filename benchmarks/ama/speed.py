"""Speed of AMA on MNIST: training and scoring, compared with a bare torch loop.

All times are processor times of one thread, the shortest of several rounds in turn.
"""

import time
from functools import partial

import torch
from skorch.callbacks import Callback

from benchmarks.ama import bare_loop
from benchmarks.common import cli, results
from benchmarks.common.data import load_images
from benchmarks.common.detectors import build
from benchmarks.common.timing import shortest_times
from skgad import ConvNet


class EpochSeconds(Callback):
    """Processor time of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.seconds_ = []

    def on_epoch_begin(self, net, **kwargs):
        self.start_ = time.process_time()

    def on_epoch_end(self, net, **kwargs):
        self.seconds_.append(time.process_time() - self.start_)


def evaluate(measure, *, data_home, n_images=1024, n_epochs=2, rounds=5):
    """Seconds of the estimator and of the bare loop for an epoch ("epoch") or scores ("score")."""
    X = load_images("mnist_train", data_home)[0][:n_images]
    params = {"batch_size": 128, "score_type": "features", "max_epochs": n_epochs}
    params |= {"negatives": "outward", "warm_up": 0}
    networks = ConvNet(channels=(16, 32), output_activation="sigmoid")
    detector = build("AMA", 0, networks=networks, **params, callbacks=[EpochSeconds()])
    pixels = torch.from_numpy(X)
    make_game = detector.game_class.factory(detector.networks, X, detector.game_params())
    if measure == "epoch":
        ours, theirs = [], []
        for _ in range(rounds):
            detector.fit(X)
            ours += dict(detector.net_.callbacks_)["EpochSeconds"].seconds_
            theirs += bare_loop.train(
                pixels, make_game(), n_epochs, detector.batch_size, detector.lr
            )[1]
        seconds = min(ours), min(theirs)
    else:
        game = detector.set_params(max_epochs=1).fit(X).net_.module_.scorer
        seconds = shortest_times(
            partial(detector.score_samples, X),
            partial(bare_loop.score, pixels, game),
            rounds=rounds,
        )
    return {
        "n_images": n_images,
        "skgad_seconds": seconds[0],
        "bare_seconds": seconds[1],
        "ratio": seconds[0] / seconds[1],
        "images_per_second": n_images / seconds[0],
    }


def main(arguments=None):
    args = cli.argument_parser(__doc__, folders="images/", jobs=False).parse_args(arguments)
    keys = [{"measure": name} for name in ("epoch", "score")]
    results.run("ama_speed", partial(evaluate, data_home=args.data_home), keys)


if __name__ == "__main__":
    main()
