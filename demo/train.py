#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the demo's network and data: digits.onnx, digits-test.npz, digits-train.npz.

The data is the set of handwritten digits that scikit-learn ships (1797 images of 8 x 8, the test part of the UCI
"Optical Recognition of Handwritten Digits"), enlarged to 16 x 16; 1197 images are for training, and the 600 others
become 1200 test images, each turned, shifted and made noisy at random. The network is a small MobileNetV2:
depthwise separable convolutions, batch norms, residuals. It is deep and narrow on purpose: rounding errors add up
over its 39 layers, so that number formats differ visibly.

Needs python3-torch and python3-sklearn (Debian 12 has both). One thread and fixed seeds: the same machine and
versions write the same files again.
"""
import argparse
import pathlib

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
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


class Block(nn.Module):
    """MobileNetV2's inverted residual: expand, depthwise, project."""

    def __init__(self, inputs, outputs, stride, expansion=3):
        super().__init__()
        wide = inputs * expansion
        self.same = stride == 1 and inputs == outputs
        self.expand = nn.Conv2d(inputs, wide, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(wide)
        self.depth = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.depth_bn = nn.BatchNorm2d(wide)
        self.project = nn.Conv2d(wide, outputs, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = F.relu(self.expand_bn(self.expand(x)))
        y = F.relu(self.depth_bn(self.depth(y)))
        y = self.project_bn(self.project(y))
        return x + y if self.same else y


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, 1, 1, bias=False)
        self.stem_bn = nn.BatchNorm2d(8)
        self.blocks = nn.Sequential(
            Block(8, 8, 1), Block(8, 12, 2), Block(12, 12, 1), Block(12, 16, 1),
            Block(16, 16, 2), Block(16, 20, 1), Block(20, 20, 1), Block(20, 20, 1),
            Block(20, 24, 1), Block(24, 24, 1), Block(24, 24, 1), Block(24, 24, 1))
        self.head = nn.Conv2d(24, 48, 1, bias=False)
        self.head_bn = nn.BatchNorm2d(48)
        self.classify = nn.Linear(48, 10)

    def forward(self, x):
        x = F.relu(self.stem_bn(self.stem(x)))
        x = F.relu(self.head_bn(self.head(self.blocks(x))))
        return self.classify(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


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


def train(model, x, y, epochs, batch=64):
    generator = torch.Generator().manual_seed(7)
    x, y = torch.tensor(x).float() / 255, torch.tensor(y)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=2e-4)
    steps = len(x) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, epochs * steps, pct_start=0.2)
    model.train()
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        total = 0.0
        for step in range(steps):
            pick = order[step * batch:(step + 1) * batch]
            loss = F.cross_entropy(model(distort(x[pick], generator)), y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1:3d} of {epochs}: loss {total / steps:.4f}", flush=True)


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return float((model(torch.tensor(x).float()).argmax(1).numpy() == y).mean() * 100)


def export(model, path):
    """Batch norms stay apart (PRESERVE does not fuse them): folding them is quantbench's work."""
    model.eval()
    torch.onnx.export(model, torch.zeros(1, 1, SIZE, SIZE), str(path), opset_version=13,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                      input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    (train_x, train_y), (test_x, test_y) = digits()
    test_x, test_y = np.concatenate([test_x, test_x]), np.concatenate([test_y, test_y])
    test_x = distort(torch.tensor(test_x) / 255, torch.Generator().manual_seed(11))
    test_x = (test_x * 255).round().to(torch.uint8).numpy()
    model = Digits()
    print(sum(p.numel() for p in model.parameters()), "parameters")
    train(model, train_x, train_y, args.epochs)
    # It was trained on images from 0 to 1; the files hold 0 to 255, and so shall the network's input.
    with torch.no_grad():
        model.stem.weight /= 255
    print(f"top-1 on {len(test_x)} test images: {accuracy(model, test_x, test_y):.2f} %")
    export(model, args.out / "digits.onnx")
    np.savez_compressed(args.out / "digits-test.npz", x=test_x, y=test_y)
    np.savez_compressed(args.out / "digits-train.npz", x=train_x, y=train_y)


if __name__ == "__main__":
    main()
