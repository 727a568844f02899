/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operators: one line each, in alphabetical order of their families' files.
 *   X(domain, type, least inputs, most inputs (-1: any), most outputs, class, weight input, qb__infer_..., qb__eval_...)
 * ALIAS is the same for an operator of another domain that is a type of the table already. How operators are lowered to
 * steps of a plan stands in core/exec/lower/lowerings.h.
 */
#ifndef QB_OPS_OPS_H
#define QB_OPS_OPS_H

#define QB_OPS(X, ALIAS) \
	/* binary.c */ \
	X("", Add, 2, 2, 1, QB_OP_ELTWISE, -1, arithmetic, add) \
	X("", And, 2, 2, 1, QB_OP_OTHER, -1, logic, and) \
	X("", BitShift, 2, 2, 1, QB_OP_OTHER, -1, bitwise, bit_shift) \
	X("", BitwiseAnd, 2, 2, 1, QB_OP_OTHER, -1, bitwise, bit_and) \
	X("", BitwiseOr, 2, 2, 1, QB_OP_OTHER, -1, bitwise, bit_or) \
	X("", BitwiseXor, 2, 2, 1, QB_OP_OTHER, -1, bitwise, bit_xor) \
	X("", Div, 2, 2, 1, QB_OP_ELTWISE, -1, arithmetic, div) \
	X("", Equal, 2, 2, 1, QB_OP_OTHER, -1, compare, equal) \
	X("", Greater, 2, 2, 1, QB_OP_OTHER, -1, compare, greater) \
	X("", GreaterOrEqual, 2, 2, 1, QB_OP_OTHER, -1, compare, greater_equal) \
	X("", Less, 2, 2, 1, QB_OP_OTHER, -1, compare, less) \
	X("", LessOrEqual, 2, 2, 1, QB_OP_OTHER, -1, compare, less_equal) \
	X("", Max, 1, -1, 1, QB_OP_ELTWISE, -1, arithmetic, variadic) \
	X("", Mean, 1, -1, 1, QB_OP_ELTWISE, -1, arithmetic, variadic) \
	X("", Min, 1, -1, 1, QB_OP_ELTWISE, -1, arithmetic, variadic) \
	X("", Mod, 2, 2, 1, QB_OP_OTHER, -1, arithmetic, mod) \
	X("", Mul, 2, 2, 1, QB_OP_ELTWISE, -1, arithmetic, mul) \
	X("", Or, 2, 2, 1, QB_OP_OTHER, -1, logic, or) \
	X("", Pow, 2, 2, 1, QB_OP_ELTWISE, -1, pow, pow) \
	X("", PRelu, 2, 2, 1, QB_OP_ELTWISE, -1, prelu, prelu) \
	X("", Sub, 2, 2, 1, QB_OP_ELTWISE, -1, arithmetic, sub) \
	X("", Sum, 1, -1, 1, QB_OP_ELTWISE, -1, arithmetic, variadic) \
	X("", Where, 3, 3, 1, QB_OP_OTHER, -1, where, where) \
	X("", Xor, 2, 2, 1, QB_OP_OTHER, -1, logic, xor) \
	/* center_crop_pad.c */ \
	X("", CenterCropPad, 2, 2, 1, QB_OP_PASS, -1, center_crop_pad, center_crop_pad) \
	/* col2im.c */ \
	X("", Col2Im, 3, 3, 1, QB_OP_ELTWISE, -1, col2im, col2im) \
	/* concat_split.c */ \
	X("", Concat, 1, -1, 1, QB_OP_PASS, -1, concat, concat) \
	X("", Split, 1, 2, -1, QB_OP_PASS, -1, split, split) \
	/* conv.c */ \
	X("", Conv, 2, 3, 1, QB_OP_MATMUL, 1, conv, conv) \
	X("", ConvInteger, 2, 4, 1, QB_OP_OTHER, -1, conv_integer, conv_integer) \
	X("", ConvTranspose, 2, 3, 1, QB_OP_MATMUL, 1, conv_transpose, conv_transpose) \
	X("", QLinearConv, 8, 9, 1, QB_OP_OTHER, -1, qlinear_conv, qlinear_conv) \
	/* depth_to_space.c */ \
	X("", DepthToSpace, 1, 1, 1, QB_OP_PASS, -1, depth_space, depth_space) \
	X("", SpaceToDepth, 1, 1, 1, QB_OP_PASS, -1, depth_space, depth_space) \
	/* determinant.c */ \
	X("", Det, 1, 1, 1, QB_OP_OTHER, -1, det, det) \
	/* einsum.c */ \
	X("", Einsum, 1, -1, 1, QB_OP_OTHER, -1, einsum, einsum) \
	/* expand_tile.c */ \
	X("", Expand, 2, 2, 1, QB_OP_PASS, -1, expand, expand) \
	X("", Tile, 2, 2, 1, QB_OP_PASS, -1, tile, tile) \
	/* gather.c */ \
	X("", Gather, 2, 2, 1, QB_OP_PASS, -1, gather, gather) \
	X("", GatherElements, 2, 2, 1, QB_OP_PASS, -1, gather_elements, gather_elements) \
	X("", GatherND, 2, 2, 1, QB_OP_PASS, -1, gather_nd, gather_nd) \
	X("", Scatter, 3, 3, 1, QB_OP_OTHER, -1, scatter_elements, scatter_elements) \
	X("", ScatterElements, 3, 3, 1, QB_OP_OTHER, -1, scatter_elements, scatter_elements) \
	X("", ScatterND, 3, 3, 1, QB_OP_OTHER, -1, scatter_nd, scatter_nd) \
	/* generate.c */ \
	X("", Compress, 2, 2, 1, QB_OP_PASS, -1, compress, compress) \
	X("", ConstantOfShape, 1, 1, 1, QB_OP_OTHER, -1, constant_of_shape, constant_of_shape) \
	X("", EyeLike, 1, 1, 1, QB_OP_OTHER, -1, eye_like, eye_like) \
	X("", NonZero, 1, 1, 1, QB_OP_OTHER, -1, nonzero, nonzero) \
	X("", OneHot, 3, 3, 1, QB_OP_OTHER, -1, one_hot, one_hot) \
	X("", Range, 3, 3, 1, QB_OP_OTHER, -1, range, range) \
	X("", Shape, 1, 1, 1, QB_OP_OTHER, -1, shape, shape) \
	X("", Size, 1, 1, 1, QB_OP_OTHER, -1, shape, shape) \
	/* grid_sample.c */ \
	X("", AffineGrid, 2, 2, 1, QB_OP_OTHER, -1, affine_grid, affine_grid) \
	X("", GridSample, 2, 2, 1, QB_OP_ELTWISE, -1, grid_sample, grid_sample) \
	/* matmul.c */ \
	X("", Gemm, 2, 3, 1, QB_OP_MATMUL, 1, gemm, gemm) \
	X("", MatMul, 2, 2, 1, QB_OP_MATMUL, 1, matmul, matmul) \
	X("", MatMulInteger, 2, 4, 1, QB_OP_OTHER, -1, matmul_integer, matmul_integer) \
	X("", QLinearMatMul, 8, 8, 1, QB_OP_OTHER, -1, qlinear_matmul, qlinear_matmul) \
	/* max_unpool.c */ \
	X("", MaxUnpool, 2, 3, 1, QB_OP_PASS, -1, max_unpool, max_unpool) \
	/* mean_variance_norm.c */ \
	X("", MeanVarianceNormalization, 1, 1, 1, QB_OP_ELTWISE, -1, mvn, mvn) \
	/* norm.c */ \
	X("", BatchNormalization, 5, 5, 5, QB_OP_ELTWISE, -1, batch_norm, batch_norm) \
	X("", GroupNormalization, 3, 3, 1, QB_OP_ELTWISE, -1, group_norm, group_norm) \
	X("", Hardmax, 1, 1, 1, QB_OP_OTHER, -1, softmax, softmax) \
	X("", InstanceNormalization, 3, 3, 1, QB_OP_ELTWISE, -1, instance_norm, instance_norm) \
	X("", LayerNormalization, 2, 3, 3, QB_OP_ELTWISE, -1, layer_norm, layer_norm) \
	X("", LogSoftmax, 1, 1, 1, QB_OP_ELTWISE, -1, softmax, softmax) \
	X("", LpNormalization, 1, 1, 1, QB_OP_ELTWISE, -1, softmax, softmax) \
	X("", LRN, 1, 1, 1, QB_OP_ELTWISE, -1, lrn, lrn) \
	X("", Softmax, 1, 1, 1, QB_OP_ELTWISE, -1, softmax, softmax) \
	/* pad.c */ \
	X("", Pad, 1, 4, 1, QB_OP_PASS, -1, pad, pad) \
	/* pool.c */ \
	X("", AveragePool, 1, 1, 1, QB_OP_ELTWISE, -1, pool, pool) \
	X("", GlobalAveragePool, 1, 1, 1, QB_OP_ELTWISE, -1, global_pool, global_pool) \
	X("", GlobalLpPool, 1, 1, 1, QB_OP_ELTWISE, -1, global_pool, global_pool) \
	X("", GlobalMaxPool, 1, 1, 1, QB_OP_PASS, -1, global_pool, global_pool) \
	X("", LpPool, 1, 1, 1, QB_OP_ELTWISE, -1, pool, pool) \
	X("", MaxPool, 1, 1, 2, QB_OP_PASS, -1, pool, pool) \
	/* quantize.c */ \
	X("", DequantizeLinear, 2, 3, 1, QB_OP_OTHER, -1, dequantize, dequantize) \
	X("", DynamicQuantizeLinear, 1, 1, 3, QB_OP_OTHER, -1, dynamic_quantize, dynamic_quantize) \
	X("", QuantizeLinear, 2, 3, 1, QB_OP_OTHER, -1, quantize, quantize) \
	/* reduce.c */ \
	X("", ArgMax, 1, 1, 1, QB_OP_OTHER, -1, arg, arg) \
	X("", ArgMin, 1, 1, 1, QB_OP_OTHER, -1, arg, arg) \
	X("", CumSum, 2, 2, 1, QB_OP_ELTWISE, -1, cumsum, cumsum) \
	X("", ReduceL1, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce) \
	X("", ReduceL2, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce) \
	X("", ReduceLogSum, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce) \
	X("", ReduceLogSumExp, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce) \
	X("", ReduceMax, 1, 2, 1, QB_OP_PASS, -1, reduce, reduce) \
	X("", ReduceMean, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce) \
	X("", ReduceMin, 1, 2, 1, QB_OP_PASS, -1, reduce, reduce) \
	X("", ReduceProd, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce) \
	X("", ReduceSum, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce) \
	X("", ReduceSumSquare, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce) \
	X("", TopK, 1, 2, 2, QB_OP_PASS, -1, topk, topk) \
	/* resize.c */ \
	X("", Resize, 1, 4, 1, QB_OP_ELTWISE, -1, resize, resize) \
	X("", Upsample, 1, 2, 1, QB_OP_ELTWISE, -1, resize, resize) \
	/* reverse_sequence.c */ \
	X("", ReverseSequence, 2, 2, 1, QB_OP_PASS, -1, reverse_sequence, reverse_sequence) \
	/* rnn.c */ \
	X("", GRU, 3, 6, 2, QB_OP_OTHER, -1, rnn, rnn) \
	X("", LSTM, 3, 8, 3, QB_OP_OTHER, -1, rnn, rnn) \
	X("", RNN, 3, 6, 2, QB_OP_OTHER, -1, rnn, rnn) \
	/* shape_ops.c */ \
	X("", Constant, 0, 0, 1, QB_OP_OTHER, -1, constant, constant) \
	X("", Dropout, 1, 3, 2, QB_OP_PASS, -1, dropout, dropout) \
	X("", Flatten, 1, 1, 1, QB_OP_PASS, -1, flatten, copy) \
	X("", Identity, 1, 1, 1, QB_OP_PASS, -1, identity, copy) \
	X("", Reshape, 2, 2, 1, QB_OP_PASS, -1, reshape, copy) \
	X("", Squeeze, 1, 2, 1, QB_OP_PASS, -1, squeeze, copy) \
	X("", Unsqueeze, 1, 2, 1, QB_OP_PASS, -1, unsqueeze, copy) \
	/* slice.c */ \
	X("", Slice, 1, 5, 1, QB_OP_PASS, -1, slice, slice) \
	/* transpose.c */ \
	X("", Transpose, 1, 1, 1, QB_OP_PASS, -1, transpose, transpose) \
	/* trilu.c */ \
	X("", Trilu, 1, 2, 1, QB_OP_PASS, -1, trilu, trilu) \
	/* unary.c */ \
	X("", Abs, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, abs) \
	X("", Acos, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, acos) \
	X("", Acosh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, acosh) \
	X("", Asin, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, asin) \
	X("", Asinh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, asinh) \
	X("", Atan, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, atan) \
	X("", Atanh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, atanh) \
	X("", BitwiseNot, 1, 1, 1, QB_OP_OTHER, -1, bitwise_not, bitwise_not) \
	X("", Cast, 1, 1, 1, QB_OP_OTHER, -1, cast, cast) \
	X("", CastLike, 2, 2, 1, QB_OP_OTHER, -1, cast, cast) \
	X("", Ceil, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, ceil) \
	X("", Celu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, celu) \
	X("", Clip, 1, 3, 1, QB_OP_ELTWISE, -1, clip, clip) \
	X("", Cos, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, cos) \
	X("", Cosh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, cosh) \
	X("", Elu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, elu) \
	X("", Erf, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, erf) \
	X("", Exp, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, exp) \
	X("", Floor, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, floor) \
	X("", Gelu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, gelu) \
	ALIAS("com.microsoft", Gelu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, gelu) \
	X("", HardSigmoid, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, hard_sigmoid) \
	X("", HardSwish, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, hard_swish) \
	X("", IsInf, 1, 1, 1, QB_OP_OTHER, -1, float_test, is_inf) \
	X("", IsNaN, 1, 1, 1, QB_OP_OTHER, -1, float_test, is_nan) \
	X("", LeakyRelu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, leaky_relu) \
	X("", Log, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, log) \
	X("", Mish, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, mish) \
	X("", Neg, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, neg) \
	X("", Not, 1, 1, 1, QB_OP_OTHER, -1, not, not) \
	X("", Reciprocal, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, reciprocal) \
	X("", Relu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, relu) \
	X("", Round, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, round) \
	X("", Selu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, selu) \
	X("", Shrink, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, shrink) \
	X("", Sigmoid, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, sigmoid) \
	X("", Sign, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, sign) \
	X("", Sin, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, sin) \
	X("", Sinh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, sinh) \
	X("", Softplus, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, softplus) \
	X("", Softsign, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, softsign) \
	X("", Sqrt, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, sqrt) \
	X("", Swish, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, swish) \
	X("", Tan, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, tan) \
	X("", Tanh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, tanh) \
	X("", ThresholdedRelu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, thresholded_relu)

#endif
