"""Speed of AMA on MNIST: seconds of an epoch over a bare torch loop's, and images per second.

All times are processor time of one thread, the least of several rounds in turn.
"""

import argparse
import time
from functools import partial

import bare_ama
import results
import torch
from files import add_data_home, load_images
from skorch.callbacks import Callback
from speed import least_seconds

from skgad import AMA, ConvNet


class EpochSeconds(Callback):
    """Processor time of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.seconds_ = []

    def on_epoch_begin(self, net, **kwargs):
        self.start_ = time.process_time()

    def on_epoch_end(self, net, **kwargs):
        self.seconds_.append(time.process_time() - self.start_)


def measure(name, data_home, n_images=1024, n_epochs=2, rounds=5):
    X = load_images("mnist_train", data_home)[0][:n_images]
    params = {"batch_size": 128, "score_type": "features", "max_epochs": n_epochs}
    params |= {"negatives": "outward", "warm_up": 0}
    networks = ConvNet(channels=(16, 32), output_activation="sigmoid")
    detector = AMA(networks=networks, **params, callbacks=[EpochSeconds()], random_state=0)
    pixels, make_game = torch.from_numpy(X), detector._make_game(X.shape[1])
    if name == "epoch":
        ours, theirs = [], []
        for _ in range(rounds):
            detector.fit(X)
            ours += dict(detector.net_.callbacks_)["EpochSeconds"].seconds_
            theirs += bare_ama.train(
                pixels, make_game(), n_epochs, detector.batch_size, detector.lr
            )[1]
        seconds = min(ours), min(theirs)
    else:
        game = detector.set_params(max_epochs=1).fit(X).net_.module_.scorers[0]
        seconds = least_seconds(
            partial(detector.score_samples, X), partial(bare_ama.score, pixels, game), rounds=rounds
        )
    return {
        "n_images": n_images,
        "skgad_seconds": seconds[0],
        "bare_seconds": seconds[1],
        "ratio": seconds[0] / seconds[1],
        "images_per_second": n_images / seconds[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_home(parser, "images/")
    args = parser.parse_args()
    tasks = [
        ({"measure": name}, partial(measure, name, args.data_home)) for name in ("epoch", "score")
    ]
    results.run("ama_speed", tasks)


if __name__ == "__main__":
    main()
