#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the demo's data: digits-test.npz, digits-train.npz. The network is made of it by the job train.json.

The data is the set of handwritten digits that scikit-learn ships (1797 images of 8 x 8, the test part of the UCI
"Optical Recognition of Handwritten Digits"), enlarged to 16 x 16; 1197 images are for training, and the 600 others
become 1200 test images, each turned, shifted and made noisy at random.

Needs PyTorch, whose random numbers the distortions are, and scikit-learn.
"""
import argparse
import pathlib

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

SIZE = 16
TEST = 600


def digits():
    """uint8 images [N,1,16,16] and labels, shuffled, in a training and a test part."""
    bunch = load_digits()
    x = torch.tensor(bunch.images, dtype=torch.float32)[:, None] * (255 / 16)
    x = F.interpolate(x, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    x = x.round().clamp(0, 255).to(torch.uint8).numpy()
    order = np.random.default_rng(2024).permutation(len(x))
    x, y = x[order], bunch.target[order].astype(np.int64)
    return (x[TEST:], y[TEST:]), (x[:TEST], y[:TEST])


def distort(x, generator):
    """Images from 0 to 1, each turned, sheared, scaled, shifted, dimmed and made noisy in its own way."""
    n = len(x)
    r = torch.rand(n, 7, generator=generator) * 2 - 1
    angle, shear = r[:, 0] * 0.3, r[:, 1] * 0.2
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = (1 + r[:, 2] * 0.15) * torch.cos(angle)
    theta[:, 0, 1] = -torch.sin(angle) + shear
    theta[:, 1, 0] = torch.sin(angle)
    theta[:, 1, 1] = (1 + r[:, 3] * 0.15) * torch.cos(angle)
    theta[:, :, 2] = r[:, 4:6] * 0.15
    x = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
    x = x * (0.75 + 0.25 * r[:, 6])[:, None, None, None]
    return (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    args = parser.parse_args()
    (train_x, train_y), (test_x, test_y) = digits()
    test_x, test_y = np.concatenate([test_x, test_x]), np.concatenate([test_y, test_y])
    test_x = distort(torch.tensor(test_x) / 255, torch.Generator().manual_seed(11))
    test_x = (test_x * 255).round().to(torch.uint8).numpy()
    np.savez_compressed(args.out / "digits-test.npz", x=test_x, y=test_y)
    np.savez_compressed(args.out / "digits-train.npz", x=train_x, y=train_y)


if __name__ == "__main__":
    main()
