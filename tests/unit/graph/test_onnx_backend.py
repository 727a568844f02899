#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Runs the node tests of the onnx package through our operators' plain C: all pass but those that FAILS names, and those fail.

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
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
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

# why: tests that do not pass
FAILS = {
    "operators that are not supported": """basic_deform_conv_with_padding basic_deform_conv_without_padding
        deform_conv_with_mask_bias deform_conv_with_multiple_offset_groups roialign_aligned_false roialign_aligned_true
        roialign_mode_max unique_sorted_without_axis unique_not_sorted_without_axis unique_sorted_with_axis
        unique_sorted_with_axis_3d unique_sorted_with_negative_axis unique_length_1 unique_bfloat16_sorted_without_axis
        """.split(),
    "training, which is refused": """batchnorm_example_training_mode batchnorm_epsilon_training_mode training_dropout_default
        training_dropout_default_mask training_dropout training_dropout_mask""".split(),
    "the reference divides by the size before it is rounded down; ONNX Runtime does as we do":
        "resize_downsample_scales_linear_align_corners resize_downsample_scales_cubic_align_corners".split(),
    "16 bits, rounded behind each operator: off by one in the last place": """attention_4d_causal_bf16_expanded
        attention_4d_causal_fp16_expanded attention_4d_padded_kv_bf16_expanded attention_4d_causal_padded_kv_bf16_expanded
        attention_4d_attn_mask_causal_bf16_expanded attention_3d_causal_bf16_expanded""".split(),
}
EXPECTED = {f"test_{name}": why for why, names in FAILS.items() for name in names}


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
    passed, failed, out = [], {}, collections.Counter()
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
                passed.append(case.name)
            except (onnx_run.Failed, AssertionError, ValueError) as e:
                failed[case.name] = " ".join(str(e).split())[:300]
    wrong = [f"FAIL {name}: {why}" for name, why in failed.items() if name not in EXPECTED]
    wrong += [f"PASS {name}, which was to fail: {EXPECTED[name]}" for name in passed if name in EXPECTED]
    wrong += [f"NO TEST {name}, which was to fail" for name in EXPECTED if only in name and name not in failed and name not in passed]
    for line in wrong:
        print(line)
    for why, count in out.most_common():
        print(f"out of scope: {count} tests, {why}")
    for why, names in FAILS.items():
        print(f"expected to fail: {len(names)} tests, {why}")
    print(f"{len(passed)} of {len(passed) + len(failed)} node tests pass; {sum(out.values())} out of scope; {len(wrong)} differ from what is expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
