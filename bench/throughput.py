#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the inner loops of the kernels could reach by llvm-mca's model of a processor, also of one that is not at hand: work a
cycle, beside the model's peak for the same instruction. Operands come from the first-level cache there.

    throughput.py [BUILD-DIRECTORY] [ROW ...]

ROW: part of a row's name. Reads the objects of the build; needs llvm-mca (package llvm) and objdump. The kernels for Arm are
compiled here, by gcc-aarch64-linux-gnu; their processors' models are in llvm-mca from version 17 on (package llvm-19)."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

# kernel, object, function, instruction that does the work, work of one, unit, processor
FMA512, FMA256 = ("vfmadd231ps.*%zmm", 16, "MAC"), ("vfmadd231ps.*%ymm", 8, "MAC")
ANY_FMA512, ANY_FMA256 = (r"vfn?madd\d+ps.*%zmm", 16, "MAC"), (r"vfn?madd\d+ps.*%ymm", 8, "MAC")
DOT512, MADD256 = ("vpdpbusd.*%zmm", 64, "MAC"), ("vpmaddwd.*%ymm", 16, "MAC")
AVX512, AVX2 = "icelake-server", "skylake"
GEMM512, GEMM256 = "f32/libquantbench_a-gemm_avx512.o", "f32/libquantbench_a-gemm_avx2.o"
DEPTHWISE512, DEPTHWISE256 = "f32/libquantbench_a-depthwise_avx512.o", "f32/libquantbench_a-depthwise_avx2.o"
ROWS = [
    ("float GEMM, AVX2, 6 rows x 1 panel", GEMM256, "tiles_avx2_6", *FMA256, AVX2),
    ("float GEMV, AVX2, 4 panels", GEMM256, "gemv_avx2", *FMA256, AVX2),
    *((f"float GEMM, AVX-512, {r} row{'s' * (r > 1)} x {p} panel{'s' * (p > 1)}", GEMM512, f"tile_{r}_{p}", *FMA512, AVX512)
      for r, p in ((8, 3), (8, 2), (8, 1), (7, 3), (6, 4), (5, 4), (4, 4), (3, 4), (2, 8), (1, 8))),
    ("float GEMM, AVX-512, 8 rows of halves", GEMM512, "split_8", *FMA512, AVX512),
    ("float depthwise 3x3, AVX2, stride 1", DEPTHWISE256, "pixels_3x3_s1", *ANY_FMA256, AVX2),
    ("float depthwise 3x3, AVX-512, stride 1", DEPTHWISE512, "pixels_3x3_s1", *ANY_FMA512, AVX512),
    ("float depthwise 3x3, AVX-512, stride 2", DEPTHWISE512, "pixels_3x3_s2", *ANY_FMA512, AVX512),
    ("int8 GEMM, AVX2, 6 pixels", "int8/libquantbench_a-avx2.o", "tile_6", *MADD256, AVX2),
    ("int8 GEMM, AVX-512 VNNI, 6 pixels x 4 blocks", "int8/libquantbench_a-avx512.o", "bytes_6_4", *DOT512, AVX512),
    ("int8 GEMM, AVX-512 VNNI, 12 pixels x 2 blocks", "int8/libquantbench_a-avx512.o", "bytes_12_2", *DOT512, AVX512),
    *((f"int8 GEMM, AVX-512 VNNI, 6 x 4, {what} ahead", "int8/libquantbench_a-avx512.o", name, *DOT512, AVX512)
      for what, name in (("weights", "bytes_ask_weights"), ("all", "bytes_ask"))),
    ("4-bit GEMM, AVX-512 VNNI, 6 pixels x 4 blocks", "int8/libquantbench_a-avx512.o", "nibbles_6_4", *DOT512, AVX512),
    *((f"int8 depthwise{what}, AVX-512 VNNI", "int8/libquantbench_a-avx512.o", name, *DOT512, AVX512)
      for what, name in ((" 3x3, stride 1", "depthwise_sliding"), (" 3x3", "depthwise_nine"), ("", "depthwise_block"))),
]
# Functions of elements (softmax is mostly exp): work is a vector's elements for each store.
for name in ("exp", "gelu", "sigmoid", "tanh"):
    for level, register, lanes, cpu in (("avx2", "ymm", 8, AVX2), ("avx512", "zmm", 16, AVX512)):
        ROWS.append((f"{name}, {level}", "f32/libquantbench_a-math.o", f"qb_f32_{name}_{level}",
                     rf"vmov[au]ps\s+%{register}\d+,.*\(", lanes, "element", cpu))
# For Arm, by the source that is compiled.
FMLA = (r"fmla\s", 4, "MAC")
UDOT, SDOT, USMMLA, SMLAL = (r"udot\s", 16, "MAC"), (r"sdot\s", 16, "MAC"), (r"usmmla\s", 32, "MAC"), (r"smlal2?\s", 4, "MAC")
ROWS += [
    ("float GEMM, NEON, 6 rows x 1 panel", "f32/gemm_neon", "tiles_6", *FMLA, "neoverse-n1"),
    ("float GEMV, NEON, 4 panels", "f32/gemm_neon", "gemv", *FMLA, "neoverse-n1"),
    ("int8 GEMM, NEON, 4 pixels", "int8/neon", "tile_whole", *SMLAL, "neoverse-n1"),
    ("int8 GEMM, NEON dot, 4 pixels", "int8/neon_dot", "tile_bytes", *UDOT, "neoverse-n1"),
    ("4-bit GEMM, NEON dot, 4 pixels", "int8/neon_dot", "tile_nibbles", *UDOT, "neoverse-n1"),
    ("int8 GEMM, NEON I8MM, 6 pixels", "int8/neon_i8mm", "bytes_6", *USMMLA, "neoverse-n2"),
    ("4-bit GEMM, NEON I8MM, 6 pixels", "int8/neon_i8mm", "nibbles_6", *USMMLA, "neoverse-n2"),
    *((f"int8 depthwise{what}, NEON dot", "int8/neon_dot", name, *SDOT, "neoverse-n1")
      for what, name in ((" 3x3, stride 1", "depthwise_sliding"), (" 3x3", "depthwise_nine"), ("", "depthwise_block"))),
    ("int8 depthwise, NEON", "int8/neon", "depthwise", *SMLAL, "neoverse-n1"),
]
PEAK = {
    r"fmla\s": "fmla v{}.4s, v30.4s, v31.s[0]",
    r"udot\s": "udot v{}.4s, v30.16b, v31.16b", r"sdot\s": "sdot v{}.4s, v30.16b, v31.16b",
    r"usmmla\s": "usmmla v{}.4s, v30.16b, v31.16b", r"smlal2?\s": "smlal v{}.4s, v30.4h, v31.4h",
    "vfmadd231ps.*%zmm": "vfmadd231ps %zmm30, %zmm31, %zmm{}", "vfmadd231ps.*%ymm": "vfmadd231ps %ymm14, %ymm15, %ymm{}",
    r"vfn?madd\d+ps.*%zmm": "vfmadd231ps %zmm30, %zmm31, %zmm{}", r"vfn?madd\d+ps.*%ymm": "vfmadd231ps %ymm14, %ymm15, %ymm{}",
    "vpdpbusd.*%zmm": "vpdpbusd %zmm30, %zmm31, %zmm{}", "vpmaddwd.*%ymm": "vpmaddwd %ymm14, %ymm15, %ymm13\nvpaddd %ymm13, %ymm{0}, %ymm{0}",
}


CROSS = "aarch64-linux-gnu"
# Newest first: Arm's models are young.
MCA = next((f for f in (*(f"llvm-mca-{v}" for v in range(30, 16, -1)), "llvm-mca") if shutil.which(f)), None)


def is_arm(cpu):
    return cpu.startswith("neoverse")


def cycles(lines, cpu):
    """Of one pass of the instructions, repeated for long."""
    n = 400
    target = [f"-mtriple={CROSS}"] if is_arm(cpu) else []
    p = subprocess.run([MCA, *target, f"-mcpu={cpu}", f"-iterations={n}"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if p.returncode:
        sys.exit(f"{MCA}: {p.stderr.strip().splitlines()[0]}")
    return int(re.search(r"Total Cycles:\s+(\d+)", p.stdout)[1]) / n


def disassembly(build, path, cpu):
    if not is_arm(cpu):
        return subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"{build}/core/kernels/{path}"], capture_output=True, text=True,
                              check=True).stdout
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "kernels.o")
        subprocess.run([f"{CROSS}-gcc", "-std=gnu11", "-O2", "-fno-math-errno", "-ffp-contract=off", f"-I{top}", "-c",
                        f"{top}/core/kernels/{path}.c", "-o", out], check=True)
        return subprocess.run([f"{CROSS}-objdump", "-d", "--no-show-raw-insn", out], capture_output=True, text=True, check=True).stdout


def functions(text):
    """name -> [(address, instruction)] of an object."""
    found, at = {}, None
    for line in text.splitlines():
        m = re.match(r"[0-9a-f]+ <(.+)>:", line)
        if m:
            at = found.setdefault(m[1], [])
        m = re.match(r"\s+([0-9a-f]+):\s+(\S.*)", line)
        if m and at is not None:
            at.append((int(m[1], 16), re.split(r"# |//|<", m[2])[0].strip()))
    return found


# Of x86 and of Arm.
JUMP = r"(?:j\w+|b(?:\.\w+)?|cbn?z\s+\w+,|tbn?z\s+\w+,\s+#\w+,)\s+([0-9a-f]+)$"
NO_WORK = r"j\w+ |b(\.\w+)?\s|cbn?z|tbn?z|nop|ret|vzeroupper|call|bl\s"


def inner_loops(code):
    """Instructions of the loops that hold no other: from the target of a jump back to the jump."""
    places = {address: i for i, (address, _) in enumerate(code)}
    loops = []
    for i, (_, text) in enumerate(code):
        m = re.match(JUMP, text)
        if m and places.get(int(m[1], 16), i + 1) <= i:
            loops.append((places[int(m[1], 16)], i))
    inner = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    # Jumps inside, to what is seldom run, are left out.
    return [[t for _, t in code[a:b + 1] if not re.match(NO_WORK, t)] for a, b in inner]


def row(build, title, path, name, instruction, work, unit, cpu, objects={}):
    if path not in objects:
        objects[path] = functions(disassembly(build, path, cpu))
    loops = [loop for f, code in objects[path].items() if re.fullmatch(name, re.sub(r"\.\w+\.\d+$", "", f)) for loop in inner_loops(code)]
    count = lambda loop: sum(bool(re.match(instruction, t)) for t in loop)
    best = max(loops, key=lambda loop: (count(loop), -len(loop)), default=[])
    if not best or not count(best):
        sys.exit(f"{title}: no loop of {name} in {path} has {instruction}")
    rate = count(best) * work / cycles(best, cpu)
    if instruction not in PEAK:
        return f"{title:48} {cpu:15} {rate:6.2f} {unit}s/cycle"
    peak = 10 * work / cycles([PEAK[instruction].format(i) for i in range(10)], cpu)
    return f"{title:48} {cpu:15} {rate:6.1f} {unit}s/cycle of {peak:5.1f}, {rate / peak:4.0%}"


def main():
    build, only = (sys.argv + ["."])[1], sys.argv[2:]
    if not MCA or not shutil.which("objdump"):
        print("throughput.py: lacks llvm-mca or objdump")
        return 77
    arm = MCA != "llvm-mca" and shutil.which(f"{CROSS}-gcc")
    for r in ROWS:
        if is_arm(r[-1]) and not arm:
            print(f"{r[0]:48} lacks llvm-mca of version 17 or later, or {CROSS}-gcc")
        elif not only or any(o in r[0] for o in only):
            print(row(build, *r), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
