#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""Fake quantizers and their gradients against PyTorch's autograd on each estimator as its paper writes it down."""
import os
import subprocess
import sys
import unittest

try:
    import torch
except ImportError as e:
    print(f"SKIP: lacks torch: {e}; it is the package torch")
    sys.exit(77)
import numpy as np

TOOL = os.path.join(os.environ.get("top_builddir", "build"), "tests/tools/fake_quantize")
TOLERANCE = 1e-4
torch.set_num_threads(1)


class Round(torch.autograd.Function):
    """round() whose gradient is passed on, or as EWGS scales it: g (1 + delta sign(g) (v - round(v)))."""

    @staticmethod
    def forward(ctx, v, delta):
        ctx.save_for_backward(v - torch.round(v))
        ctx.delta = delta
        return torch.round(v)

    @staticmethod
    def backward(ctx, g):
        (distance,) = ctx.saved_tensors
        return g * (1 + ctx.delta * torch.sign(g) * distance), None


def ste(x, s, beta, n, p, _):
    code = Round.apply(x / s, 0.0)
    # Not clamp(), which passes nothing on at the ends themselves.
    return s * torch.where((code >= n) & (code <= p), code, torch.clamp(code, n, p).detach())


def lsq(x, s, beta, n, p, _):
    v = torch.clamp((x - beta) / s, n, p)
    return s * Round.apply(v, 0.0) + beta


def pact(x, s, beta, n, p, _):
    """The largest value a = s p learns from what is clipped alone; the step does not."""
    a = s * p
    clipped = torch.minimum(torch.maximum(x, a / p * n), a)
    return clipped + (torch.round(clipped / s) * s - clipped).detach()


def ewgs(x, s, beta, n, p, delta):
    return s * Round.apply(torch.clamp(x / s, n, p), float(delta))


def dsq(x, s, beta, n, p, alpha):
    v = torch.clamp(x / s, n, p)
    scale, k, middle = 1 / (1 - alpha), torch.log(2 / alpha - 1), torch.floor(v).detach() + 0.5
    soft = middle + scale / 2 * torch.tanh(k * (v - middle))
    # Beyond the range nothing is soft.
    inside = (x / s >= n) & (x / s <= p)
    soft = torch.where(inside, soft, v)
    return s * (soft + (torch.round(v) - soft).detach())


def fp8(x, c, exponent, mantissa):
    """Kuzmin et al., 2022: the bias follows from the largest value c; the octave is held."""
    b = 2**exponent - torch.log2(c) + np.log2(2 - 2.0**-mantissa) - 1
    clipped = torch.minimum(torch.maximum(x, -c), c)
    octave = torch.clamp(torch.floor(torch.log2(torch.abs(clipped)) + b), min=1).detach()
    step = 2.0 ** (octave - b - mantissa)
    return step * Round.apply(clipped / step, 0.0)


INTEGERS = {"int2": (-2, 1), "int3": (-4, 3), "int4": (-8, 7), "int8": (-128, 127), "uint2": (0, 3), "uint4": (0, 15), "uint8": (0, 255)}


def run(name, estimator, factor, x, g, scale, offset=None):
    outer, channels, inner = x.shape
    data = b"".join(a.astype(np.float32).tobytes() for a in (x, g, scale) + ((offset,) if offset is not None else ()))
    out = subprocess.run([TOOL, name, estimator, str(factor), str(outer), str(channels), str(inner), str(int(offset is not None))],
                         input=data, capture_output=True, check=True).stdout
    out = np.frombuffer(out, np.float32)
    n = x.size
    return out[:n].reshape(x.shape), out[n:2 * n].reshape(x.shape), out[2 * n:2 * n + channels], \
        out[2 * n + channels:2 * n + 2 * channels], out[-1]


class FakeQuantize(unittest.TestCase):
    def near(self, got, want, what):
        want = np.asarray(want, np.float64)
        worst = np.max(np.abs(got - want)) / max(np.max(np.abs(want)), 1e-3)
        self.assertLess(worst, TOLERANCE, what)

    def operands(self, n, p, layout, seed):
        random = np.random.default_rng(seed)
        outer, channels, inner = layout
        scale = random.uniform(0.05, 0.6, channels).astype(np.float32)
        # Away from halves and ends, where float32 and float64 may decide otherwise.
        v = np.floor(random.normal(0, 0.6 * (p - n), (outer, channels, inner))) + 0.08 + 0.36 * random.random((outer, channels, inner))
        x = (v * scale[:, None]).astype(np.float32)
        return x, random.normal(size=x.shape).astype(np.float32), scale

    def check(self, name, estimator, formula, factor, layout, offsets=False):
        n, p = INTEGERS[name.replace("_asym", "")]
        x, g, scale = self.operands(n, p, layout, len(name) + layout[1])
        beta = np.zeros_like(scale)
        if offsets:
            scale = np.full_like(scale, 0.25)  # so that offsets are whole steps exactly, and both ways round alike
            beta = (scale * np.float32(-(n + 2))).astype(np.float32)
        t = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in (x, scale[:, None], beta[:, None], np.array(factor))]
        y = formula(t[0], t[1], t[2], n, p, t[3])
        y.backward(torch.tensor(g.astype(np.float64)))
        got = run(name, estimator, factor, x, g, scale, beta if offsets else None)
        what = f"{name} {estimator} {layout}"
        self.near(got[0], y.detach(), what + " y")
        self.near(got[1], t[0].grad, what + " dx")
        self.near(got[2], t[1].grad.squeeze(1), what + " dscale")
        if offsets:
            self.near(got[3], t[2].grad.squeeze(1), what + " doffset")
        if estimator == "dsq":
            self.near(got[4], t[3].grad, what + " dalpha")

    def test_integers(self):
        for name in INTEGERS:
            for layout in ((1, 1, 4096), (3, 5, 200), (300, 7, 1)):
                for estimator, formula, factor in (("ste", ste, 0), ("lsq", lsq, 0), ("pact", pact, 0), ("ewgs", ewgs, 0.3),
                                                   ("dsq", dsq, 0.25)):
                    with self.subTest(name=name, estimator=estimator, layout=layout):
                        self.check(name, estimator, formula, factor, layout)

    def test_learned_offsets(self):
        for name in ("uint4_asym", "int4_asym", "uint8_asym"):
            for layout in ((1, 1, 4096), (300, 7, 1)):
                with self.subTest(name=name, layout=layout):
                    self.check(name, "lsq", lsq, 0, layout, offsets=True)

    def test_floats(self):
        random = np.random.default_rng(3)
        for exponent in (2, 3, 4, 5):
            mantissa = 7 - exponent
            c = random.uniform(0.5, 3, 5).astype(np.float32)
            x = (random.normal(size=(3, 5, 400)) * 0.6 * c[:, None]).astype(np.float32)
            g = random.normal(size=x.shape).astype(np.float32)
            # The largest value of the canonical grid, by what is far above it.
            most = run(f"E{exponent}", "lsq", 0, np.full((1, 1, 1), 1e30), np.ones((1, 1, 1)), np.ones(1))[0].item()
            scale = (c / most).astype(np.float32)
            t = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in (x, scale[:, None])]
            y = fp8(t[0], t[1] * most, exponent, mantissa)
            y.backward(torch.tensor(g.astype(np.float64)))
            got = run(f"E{exponent}", "lsq", 0, x, g, scale)
            # A tie of float64 that float32 rounds otherwise, or an octave's end, moves few elements by a step.
            moved = np.abs(got[0] - y.detach().numpy()) > 1e-5 * c.max()
            self.assertLess(moved.sum(), 3)
            self.near(got[1], t[0].grad, f"E{exponent} dx")
            if not moved.any():
                self.near(got[2], t[1].grad.squeeze(1), f"E{exponent} dscale")


if __name__ == "__main__":
    unittest.main()
