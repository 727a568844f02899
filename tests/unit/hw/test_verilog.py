#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Verilog of units: Icarus simulates it and must agree with arithmetic done here; Yosys synthesises it, and its
count of gates stands beside ours. The units come out of the hwcost job, as a user gets them."""
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from fractions import Fraction

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "worker"))
import worker

SEED = 3
VECTORS = 2000
UNITS = [("int8", "fixed"), ("E4", "fixed"), ("int8", "fp16"), ("E4", "fp16"), ("int8", "fp32"), ("E4", "fp32"),
         (["int4", "int8"], "fixed"), ("mxfp4", "bf16")]
FLOATS = {"fp16": (5, 10), "bf16": (8, 7), "fp32": (8, 23)}
OPERANDS = {"E4": (4, 3, 7), "mxfp4": (2, 1, 1)}


def number(name, code):
    """What an operand's code means, and its sign of zero."""
    if name.startswith("int"):
        bits = int(name[3:])
        return Fraction(code - (code >> bits - 1 << bits)), 0
    exponent_bits, mantissa_bits, bias = OPERANDS[name]
    sign = code >> exponent_bits + mantissa_bits
    return (-1) ** sign * magnitude(code, exponent_bits, mantissa_bits, bias), sign


def magnitude(code, exponent_bits, mantissa_bits, bias):
    exponent = code >> mantissa_bits & (1 << exponent_bits) - 1
    mantissa = code & (1 << mantissa_bits) - 1
    if exponent:
        mantissa += 1 << mantissa_bits
    return Fraction(mantissa) * Fraction(2) ** (max(exponent, 1) - bias - mantissa_bits)


def round_to(value, sign, exponent_bits, mantissa_bits):
    """The code nearest to |value|, ties to even, by search over neighbouring codes."""
    bias = (1 << exponent_bits - 1) - 1
    infinity = (1 << exponent_bits) - 1 << mantissa_bits
    low, high = 0, infinity
    while high - low > 1:
        middle = (low + high) // 2
        if magnitude(middle, exponent_bits, mantissa_bits, bias) <= value:
            low = middle
        else:
            high = middle
    # Beyond the largest number, infinity counts as the next one.
    above = magnitude(high - 1, exponent_bits, mantissa_bits, bias)
    above += magnitude(high - 1, exponent_bits, mantissa_bits, bias) - magnitude(high - 2, exponent_bits, mantissa_bits, bias) \
        if high == infinity else magnitude(high, exponent_bits, mantissa_bits, bias) - above
    below = magnitude(low, exponent_bits, mantissa_bits, bias)
    if value - below > above - value or (value - below == above - value and low & 1):
        low = high
    return sign << exponent_bits + mantissa_bits | low


def expected(operands, accumulator, bits, a, b, acc):
    (x, sx), (y, sy) = number(operands[0], a), number(operands[1], b)
    product = x * y
    if accumulator == "fixed":
        # The grid of the smallest product.
        least = Fraction(1)
        for name in operands:
            if name in OPERANDS:
                least *= Fraction(2) ** (1 - OPERANDS[name][2] - OPERANDS[name][1])
        return (acc + int(product / least)) % (1 << bits)
    exponent_bits, mantissa_bits = FLOATS[accumulator]
    bias = (1 << exponent_bits - 1) - 1
    sign = acc >> exponent_bits + mantissa_bits
    value = (-1) ** sign * magnitude(acc, exponent_bits, mantissa_bits, bias) + product
    if value == 0:
        # Negative where both zeros are; integers have one zero, and exact differences are positive.
        return (sign & (sx ^ sy) if product == 0 else 0) << bits - 1
    return round_to(abs(value), int(value < 0), exponent_bits, mantissa_bits)


def operand_bits(name):
    return int(name[3:]) if name.startswith("int") else 1 + sum(OPERANDS[name][:2])


BENCH = """module bench;
  reg [{a}:0] a; reg [{b}:0] b; reg [{acc}:0] acc; wire [{acc}:0] next;
  {unit}_next unit(.a(a), .b(b), .acc(acc), .next(next));
  reg clk = 0; reg clear; wire [{acc}:0] sum;
  {unit} clocked(.clk(clk), .clear(clear), .a(a), .b(b), .acc(sum));
  integer file, got;
  initial begin
    clear = 1; #1 clk = 1; #1 clk = 0; clear = 0;
    file = $fopen("vectors", "r");
    while (!$feof(file)) begin
      got = $fscanf(file, "%h %h %h\\n", a, b, acc);
      #1 clk = 1; #1 clk = 0; #1 $display("%h %h", next, sum);
    end
    $finish;
  end
endmodule
"""


class Verilog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        job = {"type": "hwcost", "workdir": str(cls.folder), "rounds": 0,
               "units": [{"operands": o, "accumulator": a} for o, a in UNITS]}
        cls.result, cls.events = worker.run(job)

    def each(self):
        self.assertEqual(len(self.result["rows"]), len(UNITS))
        for (operands, accumulator), row in zip(UNITS, self.result["rows"]):
            pair = operands if isinstance(operands, list) else [operands, operands]
            name = f"mac_{pair[0]}_{pair[1]}_{accumulator}"
            with self.subTest(name):
                yield name, pair, accumulator, row

    def vectors(self, pair, accumulator, bits):
        draw = random.Random(SEED)
        vectors = []
        while len(vectors) < VECTORS:
            a, b, acc = (draw.getrandbits(n) for n in (operand_bits(pair[0]), operand_bits(pair[1]), bits))
            if accumulator in FLOATS:
                exponent_bits, mantissa_bits = FLOATS[accumulator]
                if draw.random() < 0.7:
                    # Near the product, where the alignment does something.
                    exponent = min(max((1 << exponent_bits - 1) + draw.randrange(-8, 16), 0), (1 << exponent_bits) - 2)
                    acc = acc & ~((1 << exponent_bits) - 1 << mantissa_bits) | exponent << mantissa_bits
                if acc >> mantissa_bits & (1 << exponent_bits) - 1 == (1 << exponent_bits) - 1:
                    continue
            vectors.append((a, b, acc))
        return vectors

    @unittest.skipUnless(shutil.which("iverilog") and shutil.which("vvp"),
                         "lacks iverilog: the Verilog is not simulated")
    def test_verilog__icarus__equals_exact_arithmetic(self):
        for name, pair, accumulator, row in self.each():
            bits = row["register_bits"]
            vectors = self.vectors(pair, accumulator, bits)
            (self.folder / "bench.v").write_text(BENCH.format(
                unit=name, a=operand_bits(pair[0]) - 1, b=operand_bits(pair[1]) - 1, acc=bits - 1))
            (self.folder / "vectors").write_text("".join("%x %x %x\n" % v for v in vectors))
            subprocess.run(["iverilog", "-g2005", "-o", "bench.vvp", "bench.v", f"{name}.v"], cwd=self.folder, check=True)
            out = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=self.folder, check=True, capture_output=True, text=True).stdout
            lines = [line.split() for line in out.splitlines() if re.fullmatch(r"[0-9a-fx]+ [0-9a-fx]+", line)]
            self.assertEqual(len(lines), len(vectors))
            total = 0
            for (a, b, acc), (got, total_got) in zip(vectors, lines):
                self.assertEqual(int(got, 16), expected(pair, accumulator, bits, a, b, acc),
                                 f"seed {SEED}: {a:#x} {b:#x} {acc:#x}")
                total = expected(pair, accumulator, bits, a, b, total)
                if accumulator in FLOATS and total >> FLOATS[accumulator][1] & 31 == 31 and accumulator == "fp16":
                    break  # infinity, and what follows it is not arithmetic
                self.assertEqual(int(total_got, 16), total, f"seed {SEED}: the register after {a:#x} {b:#x}")

    @unittest.skipUnless(shutil.which("yosys"), "lacks yosys: the Verilog is not synthesised")
    def test_verilog__yosys__counts_about_as_many_gates(self):
        for name, _, _, row in self.each():
            script = (f"read_verilog {name}.v; synth -flatten -top {name}_next; "
                      "abc -g AND,OR,XOR,NAND,NOR,XNOR; opt_clean; stat")
            out = subprocess.run(["yosys", "-p", script], cwd=self.folder, check=True, capture_output=True, text=True).stdout
            cells = int(re.findall(r"Number of cells:\s+(\d+)", out)[-1])
            print(f"{name}: {row['gates']} gates, Yosys {cells}, published {row['published']}", file=sys.stderr)
            # A synthesiser may find what folding does not, but a unit that is half or twice as large is a mistake.
            self.assertLess(row["gates"] / cells, 1.5)
            self.assertGreater(row["gates"] / cells, 0.67)

    def test_hwcost__artifacts__one_file_a_unit(self):
        names = [e["name"] for e in self.events if e["event"] == "artifact"]
        self.assertEqual(len(names), len(UNITS))
        for name in names:
            self.assertIn("endmodule", (self.folder / name).read_text())

    def test_hwcost__rows__parts_add_up_and_pairs_are_verified(self):
        result, _ = worker.run({"type": "hwcost", "macs": 1000, "units": [
            {"operands": "int8"}, {"operands": ["int4", "E4"], "accumulator": "fp16"}]})
        for row in result["rows"]:
            self.assertEqual(sum(row["parts"].values()), row["gates"])
            self.assertEqual(row["macs_gates"], 1000 * row["gates"])
        self.assertEqual([row["verified_pairs"] for row in result["rows"]], [65536, 4096])
        self.assertEqual([row["published"] for row in result["rows"]], [750, None])
        self.assertEqual(result["rows"][1]["operands"], ["int4", "E4"])

    def test_hwcost__bad_jobs__name_the_field(self):
        for job, words in [({"units": []}, "units"), ({"units": [{"operands": "nf4"}]}, "units[0]"),
                           ({"units": [{"operands": ["int8"]}]}, "units[0].operands"),
                           ({"units": [{"operands": "int8", "accumulator": "fp8"}]}, "fp16"),
                           ({"units": [{"operands": "int8"}], "multiplier": "magic"}, "multiplier"),
                           ({"units": [{"operands": "int8", "width": 3}]}, "width")]:
            with self.assertRaises(worker.Failed) as raised:
                worker.run({"type": "hwcost", **job})
            self.assertIn(words, raised.exception.detail)


if __name__ == "__main__":
    unittest.main()
