#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Torch modules as networks of jobs: what the server measures of one is what PyTorch computes."""
import sys
import unittest

try:
    import torch
except ImportError as e:
    print(f"SKIP: lacks torch: {e}; it is the package torch")
    sys.exit(77)
import served
from served import quantbench

torch.set_num_threads(1)


def network():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Dropout(0.5),
                               torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(64, 5))


def data():
    torch.manual_seed(4)
    return torch.randn(300, 1, 8, 8), torch.randint(0, 5, (300,))


class Torch(served.Served):
    def test_module__submitted__measures_what_pytorch_computes(self):
        net, (x, y) = network().train(), data()
        job = self.client.submit(model=(net, x[:2]), data=(x, y), metric="top1", schemes=["int8"], latency=False)
        self.assertTrue(net.training)  # as it was
        result = job.result()
        self.assertEqual((job.info["model"]["name"], result["samples"]), ("Sequential.onnx", 300))
        with torch.no_grad():
            accuracy = 100 * (net.eval()(x).argmax(1) == y).double().mean().item()
        self.assertAlmostEqual(result["float"]["metric"], accuracy, delta=0.34)  # a sample whose scores are near may flip
        self.assertEqual(self.client.upload_model(network(), example=x[:2])["id"], job.info["model"]["id"])

    def test_module__two_inputs__are_named(self):
        class Sum(torch.nn.Module):
            def forward(self, a, b):
                return torch.relu(a) + b

        model = self.client.upload_model(Sum(), "sum.onnx", example=(torch.zeros(1, 3), torch.zeros(1, 3)), input_names=["left", "right"])
        self.assertEqual([i["name"] for i in model["inspection"]["result"]["inputs"]], ["left", "right"])
        self.assertEqual(model["inspection"]["result"]["inputs"][0]["shape"], ["N", 3])

    def test_module__cannot_be_exported__says_why(self):
        class Broken(torch.nn.Module):
            def forward(self, x):
                raise ValueError("no such layer")

        for options, code, words in (({}, "no_example", "give example="), ({"example": torch.zeros(1)}, "export", "no such layer")):
            with self.assertRaises(quantbench.Error) as why:
                self.client.upload_model(Broken(), **options)
            self.assertEqual(why.exception.code, code)
            self.assertIn(words, str(why.exception))

    def test_run__module_and_tensors__need_no_server(self):
        net, (x, y) = network(), data()
        result = quantbench.run(model=(net, x[:1]), data={"x": x, "y": y}, schemes=["int8"], metric="top1", latency=False,
                                program=served.PROGRAM, bar=served.Silent())
        self.assertEqual((result["model"], result["data"]), ("Sequential.onnx", "arrays.npz"))


if __name__ == "__main__":
    unittest.main()
