#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""TFLite files: real ones against the ONNX files made of them and against LiteRT where it is installed."""
import sys
import unittest

try:
    import numpy as np
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
    sys.exit(77)
import worker

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    Interpreter = None

IMAGES = "imagenet/sample-500.npz"
PREPROCESS = {"scale": 1 / 127.5, "mean": 1}
# network, top-1 of the .onnx beside it in float (None: there is none)
MOBILENETS = {
    "tf2_mobilenet_v2_1.0_224_ptq": 89.00,
    "mobilenet_v2_1.0_224_quant": None,
}


def ptq(model, data, **more):
    return worker.run({"type": "ptq", "model": model, "data": data, "preprocess": PREPROCESS, "schemes": ["carried"],
                       "latency": False, "calibration": {"samples": 1}} | more)[0]


def litert(path, x):
    """Outputs of the file as it is: quantized inputs in, quantized outputs out, as real numbers."""
    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    i, o = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = i["quantization"]
    outputs = []
    for image in x:
        nhwc = image.transpose(1, 2, 0)[None]
        if scale:
            info = np.iinfo(i["dtype"])
            nhwc = np.clip(np.rint(nhwc / scale) + zero, info.min, info.max)
        interpreter.set_tensor(i["index"], nhwc.astype(i["dtype"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(o["index"])[0])
    return np.stack(outputs)


class TFLite(worker.Case):
    def test_mobilenets__float_as_the_onnx_and_carried_close(self):
        for name, top1 in MOBILENETS.items():
            with self.subTest(name):
                result = ptq(self.shared(f"tflite/{name}.tflite"), self.shared(IMAGES))
                row = result["schemes"][0]
                if top1:
                    self.assertAlmostEqual(result["float"]["metric"], top1, delta=0.21)
                self.assertLess(abs(row["delta"]), 2.5)
                self.assertLess(row["size_bytes"], 0.3 * result["float"]["size_bytes"])

    def test_mobilenets__litert_predicts_the_same(self):
        if not Interpreter:
            self.skipTest("lacks litert: ai-edge-litert is not installed for this Python")
        data = np.load(self.shared(IMAGES))
        x = data["x"][:100]
        real = x.astype(np.float32) * np.float32(PREPROCESS["scale"]) - 1
        for name in MOBILENETS:
            with self.subTest(name):
                path = self.shared(f"tflite/{name}.tflite")
                labelled = self.path("labelled.npz")
                np.savez(labelled, x=x, y=litert(path, real).argmax(1))
                agreement = ptq(path, labelled)["schemes"][0]["metric"]
                self.assertGreaterEqual(agreement, 96)

    def test_mobilenet__runs_on_integers(self):
        result = ptq(self.shared("tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"), self.shared(IMAGES), samples=4,
                     latency={"min_seconds": 0, "min_queries": 10, "warmup_seconds": 0})
        latency = result["schemes"][0]["latency"]
        self.assertEqual(latency["execution"], "native")

    def test_deeplab__mean_iou(self):
        """The .onnx of this network has 94.86 in float; its class map may not be compared, its scores are."""
        result = ptq(self.shared("tflite/deeplabv3_mnv2_pascal_quant.tflite"), self.shared("pascal/bird.npz"),
                     metric="miou")
        self.assertAlmostEqual(result["float"]["metric"], 94.86, delta=0.5)
        self.assertAlmostEqual(result["schemes"][0]["metric"], 94.86, delta=3)

    def test_damaged_files__end_with_a_sentence(self):
        with open(self.shared("tflite/mobilenet_v1_0.25_128_quant.tflite"), "rb") as f:
            good = f.read()
        path = self.path("bad.tflite")
        rng = np.random.default_rng(1)
        for cut in (8, 100, len(good) // 2):
            self.refused(path, good[:cut])
        for _ in range(40):
            bad = bytearray(good)
            for at in rng.integers(8, 4096, 8):
                bad[at] = rng.integers(256)
            self.refused(path, bytes(bad), may_pass=True)

    def refused(self, path, content, may_pass=False):
        with open(path, "wb") as f:
            f.write(content)
        try:
            worker.run({"type": "inspect", "model": path})
            self.assertTrue(may_pass)
        except worker.Failed as e:
            self.assertNotEqual(e.code, "crash", e.detail)
            self.assertGreater(len(e.detail), 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
