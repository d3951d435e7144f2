"""Where the data of the benchmarks are, and how images and development sets are loaded.

Tables have loaders in ``skgad.datasets``. Images are in ``images/NAME.npz``: ``X`` is uint8 with
shape (n, height, width) or (n, channels, height, width), and ``y`` has the classes. CIFAR-10 is
stored as JPEG files: ``header`` is the beginning that all files share, ``body`` holds the rest of
each file, one after the other, and ``offsets`` says where each one starts and ends.
"""

import io
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import ROOT
from skgad.datasets import load_adbench

SHARED = ROOT.parent / "shared" / "data"
DATA_HOME = os.environ.get("SKGAD_DATA", str(SHARED if SHARED.exists() else "~/skgad_data"))


@lru_cache(maxsize=1)
def load_development_set(name, data_home):
    """Rows and labels (1 = anomaly) of a development set of ADBench."""
    bunch = load_adbench(name, data_home)
    return bunch.data, bunch.target


@lru_cache(maxsize=4)
def load_images(name, data_home):
    """Pixels as uint8, one flattened image per row with the channels first, and classes."""
    with np.load(Path(data_home).expanduser() / "images" / f"{name}.npz") as file:
        if "X" in file:
            return file["X"].reshape(len(file["X"]), -1), file["y"]
        header, body, offsets = file["header"].tobytes(), file["body"].tobytes(), file["offsets"]
        y = file["y"]
    files = (header + body[i:j] for i, j in zip(offsets, offsets[1:], strict=False))
    images = np.stack([np.asarray(Image.open(io.BytesIO(f)).convert("RGB")) for f in files])
    return images.transpose(0, 3, 1, 2).reshape(len(y), -1), y
