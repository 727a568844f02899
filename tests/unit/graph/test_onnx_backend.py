#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Runs the node tests of the onnx package through our operators' plain C, and states the share that passes.

Out of scope, by name: what a network trained in floating point does not hold at inference. REASONS says why."""
import collections
import os
import sys
import tempfile
import warnings

import numpy as np

try:
    import onnx
    from onnx import numpy_helper
    from onnx.backend.test.case.node import collect_testcases
except ImportError:
    print("skipped: the onnx package is not installed for this Python")
    sys.exit(77)
import onnx_run

# operator: why it is out
REASONS = {
    "control flow and sequences": """If Loop Scan SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert
        SequenceLength SequenceMap SplitToSequence ConcatFromSequence Optional OptionalGetElement OptionalHasElement
        """.split(),
    "strings": """StringConcat StringNormalizer StringSplit RegexFullMatch TfIdfVectorizer LabelEncoder""".split(),
    "training": "Adam Adagrad Momentum Gradient SoftmaxCrossEntropyLoss NegativeLogLikelihoodLoss".split(),
    "random numbers": """Bernoulli RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial""".split(),
    "signal processing and images, before or after a network": """DFT STFT MelWeightMatrix BlackmanWindow HannWindow
        HammingWindow ImageDecoder NonMaxSuppression""".split(),
    "classical machine learning (domain ai.onnx.ml)": """ArrayFeatureExtractor Binarizer TreeEnsemble""".split(),
}
OUT = {op: why for why, ops in REASONS.items() for op in ops}
NUMERIC = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16, *range(17, 23)}
GOAL = 0.95


def out_of_scope(model):
    for node in model.graph.node:
        if node.op_type in OUT:
            return OUT[node.op_type]
        if node.domain in ("", "ai.onnx") and not onnx.defs.has(node.op_type, 21):
            return "operators newer than opset 21"
    if any(o.domain in ("", "ai.onnx") and o.version < 7 for o in model.opset_import):
        return "opset below 7"
    if any(node.domain.startswith("ai.onnx.preview") for node in model.graph.node):
        return "preview operators"
    if model.functions:
        return "functions of the model's own"
    for v in list(model.graph.input) + list(model.graph.output):
        if not v.type.HasField("tensor_type"):
            return "sequences, maps and optionals"
        if v.type.tensor_type.elem_type not in NUMERIC:
            return "element types other than numbers of 4 to 64 bits (float4, strings, complex numbers)"
    return None


def to_opset_21(model):
    """Later versions of these operators added element types and kept the meaning of what we import."""
    for o in model.opset_import:
        if o.domain in ("", "ai.onnx") and o.version > 21:
            o.version = 21
    model.ir_version = min(model.ir_version, 10)


def dense(a):
    return numpy_helper.to_array(a) if isinstance(a, onnx.TensorProto) else np.asarray(a)


def compare(got, want, case):
    want = dense(want)
    assert got.dtype == want.dtype and got.shape == want.shape, \
        f"{got.dtype}{got.shape}, not {want.dtype}{want.shape}"
    if want.dtype.kind in "biu":
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=case.rtol, atol=case.atol)


def check(case, folder):
    path = os.path.join(folder, "model.onnx")
    to_opset_21(case.model)
    onnx.save(case.model, path)
    for inputs, outputs in case.data_sets:
        got = onnx_run.run(path, [dense(x) for x in inputs])
        for a, b in zip(got, outputs, strict=True):
            compare(a, b, case)


def main():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    passed, failed, out = 0, [], collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            if only not in case.name or case.model is None:
                continue
            why = out_of_scope(case.model)
            if why:
                out[why] += 1
                continue
            try:
                check(case, folder)
                passed += 1
            except (onnx_run.Failed, AssertionError, ValueError) as e:
                failed.append((case.name, " ".join(str(e).split())[:300]))
    for name, why in failed:
        print(f"FAIL {name}: {why}")
    for why, count in out.most_common():
        print(f"out of scope: {count} tests, {why}")
    share = passed / max(passed + len(failed), 1)
    print(f"{passed} of {passed + len(failed)} node tests pass ({100 * share:.1f} %); {sum(out.values())} out of scope")
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
