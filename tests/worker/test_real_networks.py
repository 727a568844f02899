#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real trained networks through the ptq job: the accuracies that their authors and ONNX Runtime measured."""
import unittest

import worker

NETWORKS = {
    "ds_cnn": dict(
        model="mlperf-tiny/ds_cnn.onnx", data="mlperf-tiny/kws01-test-1000.npz",
        top1=91.50, int8_within=1.0),
    "resnet8": dict(
        model="mlperf-tiny/resnet8.onnx", data="cifar10/test-846.npz", top1=87.71, int8_within=1.0),
    "resnet20": dict(
        model="cifar10/resnet20.onnx", data="cifar10/test-846.npz", top1=91.73, int8_within=1.0,
        preprocess={"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}),
    "mobilenet_v2": dict(
        model="imagenet/mobilenet_v2.onnx", data="imagenet/sample-500.npz", top1=89.00,
        int8_within=1.5, preprocess={"scale": 1 / 127.5, "mean": 1}),
    "deeplabv3": dict(
        model="pascal/deeplabv3_mobilenet_v2.onnx", data="pascal/bird.npz", metric="miou", top1=94.86,
        int8_within=1.5, preprocess={"scale": 1 / 127.5, "mean": 1}),
}


class RealNetworks(worker.Case):
    def job(self, name, **more):
        n = NETWORKS[name]
        return {
            "type": "ptq", "metric": n.get("metric", "top1"), "model": self.shared(n["model"]),
            "data": self.shared(n["data"]), "preprocess": n.get("preprocess", {}), "schemes": ["int8"], "latency": False,
            **more}

    def check(self, name):
        n = NETWORKS[name]
        result, _ = worker.run(self.job(name))
        self.assertAlmostEqual(result["float"]["metric"], n["top1"], delta=0.006)
        int8 = result["schemes"][0]
        self.assertGreaterEqual(int8["metric"], n["top1"] - n["int8_within"])
        self.assertAlmostEqual(int8["delta"], int8["metric"] - result["float"]["metric"])
        self.assertGreater(int8["output_sqnr_db"], 10)
        self.assertLess(int8["size_bytes"], 0.5 * result["float"]["size_bytes"])
        kinds = {t["kind"] for t in int8["tensors"]}
        self.assertEqual(kinds, {"weight", "activation"})
        for t in int8["tensors"]:
            self.assertLess(t["min"], t["max"], t["name"])

    def test_metrics__do_not_depend_on_threads(self):
        one, _ = worker.run(self.job("ds_cnn", schemes=["int8", "E4"]), "--threads", "1")
        two, _ = worker.run(self.job("ds_cnn", schemes=["int8", "E4"]), "--threads", "2")
        self.assertEqual((len(one["schemes"]), len(two["schemes"])), (2, 2))
        for a, b in zip(one["schemes"], two["schemes"]):
            self.assertEqual(a["metric"], b["metric"])
            self.assertEqual(a["output_sqnr_db"], b["output_sqnr_db"])
            self.assertEqual(a["tensors"], b["tensors"])
            self.assertTrue(a["tensors"])

    def test_weights_of_4_bits__adaround_comes_within_2_points_of_float(self):
        for name in ("ds_cnn", "resnet8"):
            result, _ = worker.run(self.job(name, schemes=[
                "w4a8", {"name": "learned", "scheme": "w4a8", "methods": ["adaround"]}]))
            nearest, learned = result["schemes"]
            self.assertGreaterEqual(learned["delta"], -2, name)
            self.assertGreater(learned["output_sqnr_db"], nearest["output_sqnr_db"] + 6, name)

    def test_layers_behind_relu6__learned_biases_and_scales_by_the_output_help(self):
        layers = {f"{name}/Conv": {"weights": "int4"} for name in (
            "conv_2d_3", "conv_2d_6", "conv_2d_9", "depthwise_conv_2d_12", "conv_2d_13")}

        def scheme(name, **params):
            return {"name": name, "weights": None, "activations": None, "layers": layers,
                    "methods": [{"name": "adaround", "iterations": 200, "positions": 4096, **params}]}

        result, _ = worker.run(self.job("mobilenet_v2", samples=30, calibration={"samples": 30, "spread": True}, schemes=[
            scheme("the paper's", biases=False, scales="range"), scheme("biases", scales="range"), scheme("both")]))
        paper, biases, both = (row["output_sqnr_db"] for row in result["schemes"])
        self.assertGreater(biases, paper + 1)
        self.assertGreater(both, paper + 1)

    def test_odd_number_of_samples__all_are_counted(self):
        result, _ = worker.run(self.job("ds_cnn", samples=37, calibration={"samples": 10}))
        self.assertEqual(result["samples"], 37)
        self.assertAlmostEqual(result["float"]["metric"] * 37 / 100, round(
            result["float"]["metric"] * 37 / 100), places=6)


for network in NETWORKS:
    setattr(RealNetworks, f"test_{network}__float_and_int8_accuracy",
            lambda self, network=network: self.check(network))

if __name__ == "__main__":
    unittest.main(verbosity=2)
