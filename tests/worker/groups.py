# SPDX-License-Identifier: Apache-2.0
"""Asymmetric integers in groups by numpy: what quantizers, exports and surveys are compared with."""
import numpy as np


def padded(rows, group):
    """[rows, groups, group], short groups with zeros, which no range changes by."""
    blocks = -(-rows.shape[1] // group)
    return np.pad(rows, ((0, 0), (0, blocks * group - rows.shape[1]))).reshape(len(rows), blocks, group)


def codes_in_groups(rows, bits, group):
    """Codes [rows, n] from 0, scales and zero points [rows, groups]."""
    x, top = padded(rows.astype(np.float32), group), 2 ** bits - 1
    lo, hi = np.minimum(x.min(2), 0).astype(np.float64), np.maximum(x.max(2), 0).astype(np.float64)
    scale = np.where(hi > lo, (hi - lo) / top, 1).astype(np.float32)
    zero = np.clip(np.rint(-lo / scale.astype(np.float64)), 0, top)
    codes = np.clip(np.rint(x / scale[..., None]) + zero[..., None], 0, top).astype(np.int32)
    return codes.reshape(len(rows), -1)[:, :rows.shape[1]], scale, zero.astype(np.int32)


def quantized_in_groups(rows, bits, group):
    codes, scale, zero = codes_in_groups(rows, bits, group)
    numbers = (padded(codes, group) - zero[..., None]).astype(np.float32) * scale[..., None]
    return numbers.reshape(len(rows), -1)[:, :rows.shape[1]]
