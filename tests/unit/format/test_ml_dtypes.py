# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Hardware formats against ml_dtypes: every code, every half-precision number, both sides of every threshold."""
import os
import subprocess
import sys

try:
    import ml_dtypes
    import numpy as np
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
    sys.exit(77)

DUMP = os.path.join(os.environ.get("top_builddir", "."), "tests/unit/format/dump_format")
PAIRS = {
    "e4m3fn_overflow": "float8_e4m3fn", "e4m3fnuz_overflow": "float8_e4m3fnuz",
    "e4m3b11fnuz_overflow": "float8_e4m3b11fnuz", "e4m3_overflow": "float8_e4m3",
    "e3m4_overflow": "float8_e3m4", "e5m2_overflow": "float8_e5m2",
    "e5m2fnuz_overflow": "float8_e5m2fnuz", "e3m2": "float6_e3m2fn", "e2m3": "float6_e2m3fn",
    "e2m1": "float4_e2m1fn", "e8m0": "float8_e8m0fnu", "bf16": "bfloat16", "fp16": "float16",
}


def dump(arguments, data=b""):
    out = subprocess.run([DUMP, *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(out, np.float32)


def compare(name, what, x, ours, theirs, has_nan):
    # Formats without NaN: ml_dtypes makes NaN a negative zero, we a zero.
    same = np.isnan(ours) & np.isnan(theirs) if has_nan else np.isnan(x)
    same |= (ours == theirs) & (np.signbit(ours) == np.signbit(theirs))
    if not same.all():
        i = int(np.argmin(same))
        sys.exit(f"{name}, {what}: {(~same).sum()} differ; {x[i]!r} gives {ours[i]!r}, ml_dtypes {theirs[i]!r}")


np.seterr(all="ignore")
half = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
for name, peer in PAIRS.items():
    dtype = np.dtype(getattr(ml_dtypes, peer, None) or peer)
    codes = dump(["-c", name])
    bits = np.uint16 if dtype.itemsize == 2 else np.uint8
    theirs = np.arange(len(codes)).astype(bits).view(dtype).astype(np.float32)
    has_nan = bool(np.isnan(theirs).any())
    compare(name, "codes", theirs, codes, theirs, True)
    values = np.unique(theirs[np.isfinite(theirs)]).astype(np.float64)
    middle = ((values[1:] + values[:-1]) / 2).astype(np.float32)
    beyond = np.float32(values[-1] + (values[-1] - values[-2]) / 2)
    middle = np.concatenate([middle, [beyond, -beyond]]).astype(np.float32)
    around = np.concatenate([np.nextafter(middle, np.float32(-np.inf)), middle,
                             np.nextafter(middle, np.float32(np.inf))])
    if name == "e8m0":
        # ml_dtypes 0.6 rounds the number just below 1.5 * 2^-127 away from its nearest neighbour, 2^-127.
        around = around[around != np.nextafter(np.float32(1.5 * 2.0**-127), np.float32(0))]
    for what, x in (("half-precision numbers", half), ("thresholds", around)):
        compare(name, what, x, dump([name], x.tobytes()), x.astype(dtype).astype(np.float32), has_nan)
print(f"{len(PAIRS)} formats agree with ml_dtypes {ml_dtypes.__version__}")
