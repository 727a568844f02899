# SPDX-License-Identifier: Apache-2.0
"""Writes small TFLite files: tables by the numbers of their fields in TFLite's schema."""
import flatbuffers
import numpy as np

TYPES = {"float32": 0, "bool": 6, "int32": 2, "uint8": 3, "int64": 4, "int16": 7, "int8": 9}
# operator -> (BuiltinOperator, BuiltinOptions or 0)
OPERATORS = {
    "ADD": (0, 11), "AVERAGE_POOL_2D": (1, 5), "CONCATENATION": (2, 10), "CONV_2D": (3, 1),
    "DEPTHWISE_CONV_2D": (4, 2), "DEQUANTIZE": (6, 0), "FULLY_CONNECTED": (9, 8), "LOGISTIC": (14, 0),
    "MAX_POOL_2D": (17, 5), "MUL": (18, 21), "RELU": (19, 0), "RELU6": (21, 0), "RESHAPE": (22, 17),
    "RESIZE_BILINEAR": (23, 15), "SOFTMAX": (25, 9), "TANH": (28, 0), "PAD": (34, 22), "TRANSPOSE": (39, 26),
    "MEAN": (40, 27), "SUB": (41, 28), "MAXIMUM": (55, 39), "ARG_MAX": (56, 40), "SLICE": (65, 0),
    "TRANSPOSE_CONV": (67, 49), "SUM": (74, 27), "RESIZE_NEAREST_NEIGHBOR": (97, 74), "LEAKY_RELU": (98, 75),
    "QUANTIZE": (114, 0), "HARD_SWISH": (117, 0),
    "GATHER": (36, 23), "BATCH_TO_SPACE_ND": (37, 0), "SPACE_TO_BATCH_ND": (38, 0), "SQUEEZE": (43, 30),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (44, 71), "STRIDED_SLICE": (45, 32), "EXP": (47, 0), "SPLIT": (49, 35),
    "LOG_SOFTMAX": (50, 0), "CAST": (53, 37), "PRELU": (54, 0), "MINIMUM": (57, 39), "SIN": (66, 0),
    "EXPAND_DIMS": (70, 52), "LOG": (73, 0), "SQRT": (75, 0), "RSQRT": (76, 0), "POW": (78, 0), "REDUCE_MAX": (82, 27),
    "PACK": (83, 59), "UNPACK": (88, 64), "SQUARE": (92, 0), "SQUARED_DIFFERENCE": (99, 0), "SPLIT_V": (102, 79),
    "CEIL": (104, 0), "COS": (108, 0), "ELU": (111, 0), "ROUND": (116, 0), "BATCH_MATMUL": (126, 101),
    "GELU": (150, 116), "DEPTH_TO_SPACE": (5, 94), "L2_NORMALIZATION": (11, 11),
}


class Tensor:
    """shape and dtype, or data; scale (one or one a channel along axis) and zero make it quantized."""

    def __init__(self, name, shape=None, dtype="float32", data=None, scale=None, zero=0, axis=0, variable=False):
        self.variable = variable  # a state that the interpreter keeps
        self.name, self.data = name, None if data is None else np.asarray(data)
        self.shape = list(self.data.shape) if shape is None else list(shape)
        self.dtype = dtype if data is None else self.data.dtype.name
        self.scale = None if scale is None else np.atleast_1d(np.asarray(scale, np.float32))
        self.zero = np.broadcast_to(np.asarray(zero, np.int64), (0 if scale is None else len(self.scale),))
        self.axis = axis


def byte(v): return ("PrependInt8Slot", v)
def integer(v): return ("PrependInt32Slot", v)
def real(v): return ("PrependFloat32Slot", v)


def _table(b, fields):
    """fields: number -> (slot writer, value) or an offset."""
    b.StartObject(max(fields, default=-1) + 1)
    for number, v in fields.items():
        if isinstance(v, tuple):
            getattr(b, v[0])(number, v[1], None)
        elif v is not None:
            b.PrependUOffsetTRelativeSlot(number, v, 0)
    return b.EndObject()


def _tables(b, offsets):
    b.StartVector(4, len(offsets), 4)
    for o in reversed(offsets):
        b.PrependUOffsetTRelative(o)
    return b.EndVector()


def _vector(b, values, dtype):
    return b.CreateNumpyVector(np.asarray(values, dtype))


def build(tensors, operators, inputs, outputs):
    """operators: (type, inputs, outputs, {option field: byte|integer|real}), tensors by name ("" is absent)."""
    b = flatbuffers.Builder(1024)
    index = {t.name: i for i, t in enumerate(tensors)} | {"": -1}
    buffers, tables = [_table(b, {})], []
    for t in tensors:
        buffer = 0
        if t.data is not None:
            raw = np.frombuffer(np.ascontiguousarray(t.data).tobytes(), np.uint8)
            buffer = len(buffers)
            buffers.append(_table(b, {0: _vector(b, raw, np.uint8)}))
        quantization = None
        if t.scale is not None:
            quantization = _table(b, {2: _vector(b, t.scale, np.float32), 3: _vector(b, t.zero, np.int64),
                                      6: integer(t.axis)})
        tables.append(_table(b, {0: _vector(b, t.shape, np.int32), 1: byte(TYPES[t.dtype]),
                                 2: ("PrependUint32Slot", buffer), 3: b.CreateString(t.name), 4: quantization,
                                 5: byte(t.variable)}))
    types = sorted({o[0] for o in operators})
    nodes = []
    for kind, ins, outs, options in operators:
        fields = {1: _vector(b, [index[i] for i in ins], np.int32), 2: _vector(b, [index[o] for o in outs], np.int32)}
        if OPERATORS[kind][1]:
            fields |= {3: ("PrependUint8Slot", OPERATORS[kind][1]), 4: _table(b, options)}
        nodes.append(_table(b, {0: ("PrependUint32Slot", types.index(kind))} | fields))
    graph = _table(b, {
        0: _tables(b, tables), 1: _vector(b, [index[i] for i in inputs], np.int32),
        2: _vector(b, [index[o] for o in outputs], np.int32), 3: _tables(b, nodes), 4: b.CreateString("main")})
    codes = [_table(b, {0: byte(min(OPERATORS[t][0], 127)), 2: integer(1), 3: integer(OPERATORS[t][0])}) for t in types]
    b.Finish(_table(b, {0: ("PrependUint32Slot", 3), 1: _tables(b, codes), 2: _tables(b, [graph]),
                        3: b.CreateString("tests"), 4: _tables(b, buffers)}), b"TFL3")
    return bytes(b.Output())
