#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Equations of Einsum against numpy: by their definition, and as the products that preparation makes of them."""
import os
import sys
import tempfile
import unittest

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
    sys.exit(77)
import onnx_run

rng = np.random.default_rng(7)
SIZES = dict(zip("abcdefgh", (2, 3, 4, 5, 6, 1, 7, 2)))
# As networks have them: attention, weights that split heads, positions, outer products, transposed results; then what
# stays as it is: diagonals, sums over one operand, three operands.
EQUATIONS = """abgc,abdc->abgd abgd,abdc->abgc bcad,bgad->bacg bacg,bgad->bcad abc,cde->abde bade,edc->bac abcd,ced->abce
    ab,ab->a ab,ab-> ab,ac->abc a,b->ab ab,cb->ca abd,cbd->dca abc,bc->ca cab,bdc->dba a,a->a ab,b->ab ,ab->ab ab,bc
    ...ab,...bc->...ac ...ab,bc->ca... b...a,...ac->...bc abc,dbc->ad abef,cfeb->ac acb,dbe->cade fab,fbc->fac
    aab,bc->abc ab,cd->ac abc,cd->ad ab,bc,cd->ad aab->ab abc->cb""".split()


def random_equation():
    letters = rng.permutation(list("abcdefg"))[: rng.integers(3, 7)]
    kinds = rng.integers(0, 4, len(letters))  # batch, first, second, summed
    terms = ["".join(rng.permutation([x for x, k in zip(letters, kinds) if k in keep]))
             for keep in ((0, 1, 3), (0, 2, 3), (0, 1, 2))]
    return f"{terms[0]},{terms[1]}->{terms[2]}"


def operands(equation):
    """Arrays of the letters' sizes; an ellipsis is [4,3] in the first and [3] in the second, where it broadcasts."""
    for i, term in enumerate(equation.split("->")[0].split(",")):
        shape = []
        for part in term.replace("...", ".").strip():
            shape += ([4, 3], [3])[i] if part == "." else [SIZES[part]]
        yield rng.normal(size=shape).astype(np.float32)


def save(path, equation, arrays, constant):
    names = [f"x{i}" for i in range(len(arrays))]
    shape = [d if d != SIZES["a"] else "N" for d in arrays[0].shape]  # free where it may be
    if constant is None:
        shape = arrays[0].shape
    dims = [shape if i == 0 else a.shape for i, a in enumerate(arrays)]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, d)
              for i, (n, d) in enumerate(zip(names, dims)) if i != constant]
    held = [numpy_helper.from_array(arrays[constant], names[constant])] if constant is not None else []
    graph = helper.make_graph(
        [helper.make_node("Einsum", names, ["s"], equation=equation), helper.make_node("Neg", ["s"], ["y"])], "g",
        inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


class Einsum(unittest.TestCase):
    def check(self, equation, constant):
        arrays = list(operands(equation))
        want = -np.einsum(equation, *[a.astype(np.float64) for a in arrays])
        given = [a for i, a in enumerate(arrays) if i != constant]
        for prepare in (False, True):
            with self.subTest(equation=equation, constant=constant, prepare=prepare), \
                    tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model.onnx")
                save(path, equation, arrays, constant)
                got = onnx_run.run(path, given, prepare=prepare)[0]
                self.assertEqual(got.shape, want.shape)
                np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)

    def test_equations__of_networks__equal_numpy(self):
        for equation in EQUATIONS:
            self.check(equation, None)

    def test_equations__with_a_constant__equal_numpy(self):
        for equation in EQUATIONS:
            if equation.count(",") == 1 and not equation.startswith(","):
                self.check(equation, 0)
                self.check(equation, 1)

    def test_equations__at_random__equal_numpy(self):
        for _ in range(60):
            self.check(random_equation(), rng.choice([None, 0, 1]))


if __name__ == "__main__":
    unittest.main()
