"""Where the data of the benchmarks are, and the images among them.

Tables have their loaders in ``skgad.datasets``. Images are in ``images/NAME.npz``: ``X``, uint8 of
shape (n, height, width) or (n, channels, height, width), and ``y``, the classes. Of CIFAR-10 there
is a copy in JPEG: ``header``, which all of its files begin with, their other bytes ``body``, one
file after the other, and ``offsets``.
"""

import io
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA_HOME = os.environ.get("SKGAD_DATA", str(BESIDE if BESIDE.exists() else "~/skgad_data"))


def add_data_home(parser, holds):
    """Add the option ``--data-home``."""
    parser.add_argument("--data-home", default=DATA_HOME, help=f"holds {holds} (%(default)s)")


@lru_cache(maxsize=4)
def load_images(name, data_home):
    """Pixels of type uint8, one image in a row, channels first, and classes."""
    with np.load(Path(data_home).expanduser() / "images" / f"{name}.npz") as file:
        if "X" in file:
            return file["X"].reshape(len(file["X"]), -1), file["y"]
        header, body, offsets = file["header"].tobytes(), file["body"].tobytes(), file["offsets"]
        y = file["y"]
    files = (header + body[i:j] for i, j in zip(offsets, offsets[1:], strict=False))
    images = np.stack([np.asarray(Image.open(io.BytesIO(f)).convert("RGB")) for f in files])
    return images.transpose(0, 3, 1, 2).reshape(len(y), -1), y
