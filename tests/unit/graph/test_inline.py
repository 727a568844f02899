#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Functions of a model's own and Ifs of known conditions, against ONNX Runtime: as imported and as prepared."""
import os
import sys
import tempfile
import unittest

try:
    import numpy as np
    import onnx
    import onnx.reference
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
    sys.exit(77)
import onnx_run

FLOAT, BOOL = TensorProto.FLOAT, TensorProto.BOOL
node = helper.make_node


def info(name, shape=None, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def body(name, nodes, outputs, constants=()):
    """A branch."""
    return helper.make_graph(nodes, name, [], [info(o) for o in outputs],
                             [numpy_helper.from_array(np.asarray(v), k) for k, v in dict(constants).items()])


def function(name, inputs, outputs, nodes, attributes=(), defaults=(), domain="local", opset=17, overload="", domains=()):
    f = helper.make_function(domain, name, inputs, outputs, nodes,
                             [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains],
                             attributes, list(defaults))
    if overload:
        f.overload = overload
    return f


def refer(n, name, to, kind):
    """Attribute `name` of node n is what its function's attribute `to` is."""
    a = n.attribute.add()
    a.name, a.ref_attr_name, a.type = name, to, kind
    return n


class Inline(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "m.onnx")
        self.rng = np.random.default_rng(3)

    def save(self, nodes, outputs=("y",), constants=(), functions=(), shape=("N", 1, 4), opset=17, ir=8, domains=("local",)):
        graph = helper.make_graph(nodes, "g", [info("x", shape)], [info(o) for o in outputs],
                                  [numpy_helper.from_array(np.asarray(v), k) for k, v in dict(constants).items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains],
                                  ir_version=ir, functions=list(functions))
        onnx.save(model, self.path)

    def check(self, *args, runtime=True, **kwargs):
        self.save(*args, **kwargs)
        shape = [3 if isinstance(d, str) else d for d in kwargs.get("shape", ("N", 1, 4))]
        x = self.rng.normal(size=shape).astype(np.float32)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        if runtime:
            want = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"]).run(None, {"x": x})
        else:
            want = onnx.reference.ReferenceEvaluator(self.path).run(None, {"x": x})
        for prepare in (False, True):
            got = onnx_run.run(self.path, [x], prepare=prepare)
            self.assertEqual(len(got), len(want))
            for a, b in zip(got, want):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

    def fails(self, *args, words, **kwargs):
        self.save(*args, **kwargs)
        with self.assertRaises(onnx_run.Failed) as caught:
            onnx_run.run(self.path, [np.zeros((3, 1, 4), np.float32)])
        for word in words:
            self.assertIn(word, str(caught.exception))

    # ---- If

    def both(self, then=None, other=None, **attrs):
        return node("If", ["k"], ["y"], name="choice", **attrs,
                    then_branch=body("t", then or [node("Relu", ["x"], ["o"])], ["o"]),
                    else_branch=body("e", other or [node("Neg", ["x"], ["o"])], ["o"]))

    def test_if__constant(self):
        for k in (True, False):
            for shape in ((), (1,)):
                self.check([self.both()], constants={"k": np.full(shape, k)})

    def test_if__constant_node_and_arithmetic(self):
        self.check([node("Constant", [], ["a"], value_int=3), node("Constant", [], ["b"], value_int=4), node("Less", ["a", "b"], ["l"]),
                    node("Not", ["l"], ["k"]), self.both()])

    def test_if__follows_from_a_shape_with_a_free_batch(self):
        # as PyTorch writes squeeze
        for dim in (1, 2):
            for opset in (11, 17):
                squeeze = node("Squeeze", ["x"], ["o"], axes=[1]) if opset < 13 else node("Squeeze", ["x", "one"], ["o"])
                self.check([node("Shape", ["x"], ["s"]), node("Gather", ["s", "at"], ["d"], axis=0), node("Equal", ["d", "one0"], ["k"]),
                            self.both([squeeze], [node("Identity", ["x"], ["o"])])],
                           constants={"at": np.int64(1), "one0": np.int64(1), "one": np.array([1])}, shape=("N", dim, 4), opset=opset, runtime=dim == 1)

    def test_if__shape_of_a_computed_value(self):
        self.check([node("ReduceMax", ["x"], ["m"], axes=[2], keepdims=1), node("Shape", ["m"], ["s"]), node("Gather", ["s", "at"], ["d"]),
                    node("Equal", ["d", "at1"], ["k"]), self.both()], constants={"at": np.int64(2), "at1": np.int64(1)})

    def test_if__on_the_batch_or_on_data__says_so(self):
        self.fails([node("Shape", ["x"], ["s"]), node("Gather", ["s", "at"], ["d"]), node("Equal", ["d", "one"], ["k"]), self.both()],
                   constants={"at": np.int64(0), "one": np.int64(1)}, words=["choice", "condition k", "not known"])
        self.fails([node("ReduceMax", ["x"], ["m"], keepdims=0), node("Greater", ["m", "z"], ["k"]), self.both()],
                   constants={"z": np.float32(0)}, words=["choice", "condition k", "not known"])

    def test_if__captures_constants_of_both_scopes_and_hides_names(self):
        then = helper.make_graph([node("Add", ["x", "w"], ["t"]), node("Mul", ["t", "v"], ["o"])], "t", [], [info("o")],
                                 [numpy_helper.from_array(np.float32(3), "w")])
        other = body("e", [node("Neg", ["x"], ["o"])], ["o"])
        self.check([node("Relu", ["x"], ["c"]), node("If", ["k"], ["z"], then_branch=then, else_branch=other), node("Add", ["z", "c"], ["y"])],
                   constants={"k": np.array(True), "v": np.float32(2)})

    def test_if__names_inside_two_branches_and_behind_them_are_alike(self):
        def inner(scale):
            return dict(then_branch=body("t", [node("Mul", ["x", "s"], ["t"]), node("Relu", ["t"], ["o"])], ["o"], {"s": np.float32(scale)}),
                        else_branch=body("e", [node("Neg", ["x"], ["o"])], ["o"]))
        self.check([node("If", ["k"], ["a"], **inner(2)), node("If", ["k"], ["b"], **inner(-3)), node("Sub", ["a", "b"], ["t9"]),
                    node("Abs", ["t9"], ["y"])], constants={"k": np.array(True)})
        # a value of the network behind has the name of one inside: ONNX forbids it, exporters write it
        self.check([node("If", ["k"], ["a"], **inner(2)), node("Abs", ["a"], ["t"]), node("Neg", ["t"], ["y"])],
                   constants={"k": np.array(True)}, runtime=False)

    def test_if__nested_and_passing_values_on(self):
        deep = node("If", ["k2"], ["p"], then_branch=body("t2", [node("Exp", ["x"], ["q"])], ["q"]), else_branch=body("e2", [node("Neg", ["h"], ["q"])], ["q"]))
        for k2 in (True, False):
            self.check([node("If", ["k"], ["y"], then_branch=body("t", [node("Tanh", ["x"], ["h"]), node("Not", ["nk2"], ["k2"]), deep], ["p"]),
                             else_branch=body("e", [node("Neg", ["x"], ["o"])], ["o"]))], constants={"k": np.array(True), "nk2": np.array(not k2)})

    def test_if__gives_outer_values_constants_and_one_value_twice(self):
        then = body("t", [node("Relu", ["x"], ["r"])], ["r", "x", "c", "r", "w"], {"c": np.float32([1, 2])})
        other = body("e", [node("Neg", ["x"], ["r"])], ["r", "r", "r", "r", "r"])
        self.check([node("If", ["k"], ["a", "b", "c2", "d", "e"], then_branch=then, else_branch=other)], outputs=["a", "b", "c2", "d", "e"],
                   constants={"k": np.array(True), "w": np.float32([5])}, runtime=False)

    def test_if__unknown_operators_of_the_other_branch_do_not_matter(self):
        self.check([self.both(other=[node("SequenceEmpty", [], ["o"])])], constants={"k": np.array(True)}, runtime=False)

    def test_if__missing_branch_or_condition__says_so(self):
        self.fails([node("If", ["k"], ["y"], name="choice", else_branch=body("e", [node("Neg", ["x"], ["o"])], ["o"]))],
                   constants={"k": np.array(True)}, words=["choice", "then_branch is missing"])
        self.fails([self.both()], constants={"k": np.float32(1)}, words=["choice", "bool"])
        self.fails([node("Loop", ["n", "k"], ["y"], body=body("b", [node("Neg", ["x"], ["o"])], ["o"]))],
                   constants={"k": np.array(True), "n": np.int64(2)}, words=["control flow"])

    # ---- functions

    def test_function__once_and_twice(self):
        twice = function("Twice", ["a"], ["b"], [node("Relu", ["a"], ["t"]), node("Add", ["t", "a"], ["b"])])
        self.check([node("Twice", ["x"], ["t"], domain="local", name="f1"), node("Twice", ["t"], ["y"], domain="local")], functions=[twice])

    def test_function__attributes_given_default_and_left_out(self):
        leaky = function("Leak", ["a"], ["b"], [refer(node("LeakyRelu", ["a"], ["b"]), "alpha", "slope", onnx.AttributeProto.FLOAT)],
                         ["slope"])
        self.check([node("Leak", ["x"], ["y"], domain="local", slope=.7)], functions=[leaky])
        self.check([node("Leak", ["x"], ["y"], domain="local")], functions=[leaky])
        with_default = function("Leak", ["a"], ["b"], [refer(node("LeakyRelu", ["a"], ["b"]), "alpha", "slope", onnx.AttributeProto.FLOAT)],
                                defaults=[helper.make_attribute("slope", .4)])
        for more in ({}, {"slope": .9}):
            self.check([node("Leak", ["x"], ["y"], domain="local", **more)], functions=[with_default], ir=9)

    def test_function__attributes_through_nested_calls(self):
        inner = function("In", ["a"], ["b"], [refer(node("LeakyRelu", ["a"], ["b"]), "alpha", "p", onnx.AttributeProto.FLOAT)], ["p"])
        outer = function("Out", ["a"], ["b"], [refer(node("In", ["a"], ["t"], domain="local"), "p", "q", onnx.AttributeProto.FLOAT),
                                               node("In", ["t"], ["b"], domain="local", p=3.)], ["q"], domains=["local"])
        self.check([node("Out", ["x"], ["y"], domain="local", q=.25)], functions=[outer, inner])

    def test_function__absent_inputs_and_outputs(self):
        clip = function("Limit", ["a", "lo", "hi"], ["b", "c"], [node("Clip", ["a", "lo", "hi"], ["b"]), node("Neg", ["b"], ["c"])])
        self.check([node("Limit", ["x", "", "m"], ["y", "unread"], domain="local")], functions=[clip], constants={"m": np.float32(.2)})
        self.check([node("Limit", ["x", "m", ""], ["", "y"], domain="local")], functions=[clip], constants={"m": np.float32(.2)})

    def test_function__passes_an_input_on(self):
        both = function("Both", ["a"], ["a", "b"], [node("Neg", ["a"], ["b"])])
        self.check([node("Both", ["x"], ["p", "q"], domain="local"), node("Add", ["p", "q"], ["z"]), node("Sub", ["p", "q"], ["y"])],
                   functions=[both], runtime=False)

    def test_function__its_names_are_those_of_the_network(self):
        f = function("F", ["x"], ["y"], [node("Neg", ["x"], ["t"]), node("Exp", ["t"], ["y"])])
        self.check([node("Abs", ["x"], ["t"]), node("F", ["t"], ["u"], domain="local"), node("F", ["u"], ["y"], domain="local")], functions=[f])

    def test_function__of_another_opset(self):
        f = function("F", ["a"], ["b"], [node("ReduceMean", ["a"], ["b"], axes=[2])], opset=17)
        self.check([node("F", ["x"], ["y"], domain="local")], functions=[f], opset=18, runtime=False)

    def test_function__overloads(self):
        fs = [function("F", ["a"], ["b"], [node(op, ["a"], ["b"])], overload=o) for op, o in (("Neg", "n"), ("Exp", "e"))]
        calls = [node("F", ["x"], ["t"], domain="local"), node("F", ["t"], ["y"], domain="local")]
        calls[0].overload, calls[1].overload = "e", "n"
        self.check(calls, functions=fs, ir=10)

    def test_function__holds_an_if_and_constants(self):
        f = function("F", ["a"], ["b"], [node("Constant", [], ["k"], value=numpy_helper.from_array(np.array(False))),
                                         node("If", ["k"], ["b"], then_branch=body("t", [node("Neg", ["a"], ["o"])], ["o"]),
                                              else_branch=body("e", [node("Exp", ["a"], ["o"])], ["o"]))])
        self.check([node("F", ["x"], ["y"], domain="local")], functions=[f])

    def test_function__in_a_branch(self):
        f = function("F", ["a"], ["b"], [node("Exp", ["a"], ["b"])])
        self.check([self.both([node("F", ["x"], ["o"], domain="local")])], constants={"k": np.array(True)}, functions=[f])

    def test_function__in_place_of_an_operator(self):
        f = function("Gelu", ["a"], ["b"], [node("Exp", ["a"], ["b"])], domain="com.microsoft")
        self.check([node("Gelu", ["x"], ["y"], domain="com.microsoft")], functions=[f], domains=["com.microsoft"], runtime=False)

    def test_function__that_calls_itself__is_refused(self):
        f = function("F", ["a"], ["b"], [node("F", ["a"], ["b"], domain="local")], domains=["local"])
        self.fails([node("F", ["x"], ["y"], domain="local")], functions=[f], words=["nested more than", "deep"])

    def test_function__that_grows_without_bound__is_refused(self):
        fs = [function("F0", ["a"], ["b"], [node("Neg", ["a"], ["b"])])]
        for i in range(1, 25):
            fs.append(function(f"F{i}", ["a"], ["b"], [node(f"F{i - 1}", ["a"], ["t"], domain="local"), node(f"F{i - 1}", ["t"], ["b"], domain="local")],
                               domains=["local"]))
        self.fails([node("F24", ["x"], ["y"], domain="local")], functions=fs, words=["more than", "nodes"])

    def test_function__unknown_operators__are_named(self):
        f = function("F", ["a"], ["b"], [node("Strange", ["a"], ["b"], name="odd")])
        self.fails([node("F", ["x"], ["y"], domain="local", name="call")], functions=[f], words=["call/odd", "Strange", "not supported"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
