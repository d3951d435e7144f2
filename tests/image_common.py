"""Small images, Datasets of them, and detectors with convolutional networks."""

import numpy as np
import torch
from common import tiny
from torch.utils.data import Dataset

from skgad import ConvNet


def pixels(n_samples=40, shape=(1, 6, 6), seed=0):
    """Rows of uint8 pixels: images with a bright corner."""
    images = np.random.RandomState(seed).randint(0, 64, size=(n_samples, *shape))
    images[:, :, :3, :3] += 190
    return images.astype(np.uint8).reshape(n_samples, -1)


def convnet(**params):
    """Small convolutional networks for the images of :func:`pixels`."""
    defaults = {"image_shape": (1, 6, 6), "channels": (3, 4), "discriminator_layer_sizes": (5,)}
    return ConvNet(**{**defaults, **params})


def image_detector(name, device, networks=None, **params):
    """Small instance of a detector with convolutional networks and three latent dimensions."""
    networks = networks or convnet(dropout=0.1)
    return tiny(name, device=device, **{"latent_dim": 3, "networks": networks, **params})


def n_parameters(network):
    """Number of parameters of a network."""
    return sum(p.numel() for p in network.parameters())


class Images(Dataset):
    """Dataset that counts how many items are read."""

    def __init__(self, rows, make=lambda row: row):
        self.rows = rows
        self.make = make
        self.n_read = 0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        assert isinstance(index, int)
        self.n_read += 1
        return self.make(self.rows[index])


#: Ways in which a Dataset can return a row of pixels as an item.
ITEMS = {
    "rows": lambda row: row,
    "images": lambda row: row.reshape(1, 6, 6),
    "images without channels": lambda row: row.reshape(6, 6),
    "tensors": lambda row: torch.tensor(row).reshape(1, 6, 6),
    "pairs": lambda row: (torch.tensor(row).reshape(1, 6, 6), 7),
    "lists": lambda row: [row, "name"],
    "floats": lambda row: (row / 255).astype(np.float32),
    "float64": lambda row: torch.tensor(row / 255).reshape(1, 6, 6),
}
