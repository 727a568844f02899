/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operators: one line each, in alphabetical order of their families' files.
 *   X(domain, type, least inputs, most inputs (-1: any), most outputs, class, weight input,
 *     qb__infer_..., qb__eval_..., plan_float or NULL, plan_int8 or NULL)
 * plan_float and plan_int8 are declared in core/exec/lower/lowerings.h.
 */
#define QB_OPS(X) \
	/* binary.c */ \
	X("", Add, 2, 2, 1, QB_OP_ELTWISE, -1, arithmetic, add, qb__plan_add, qb__plan_int8_binary) \
	X("", And, 2, 2, 1, QB_OP_OTHER, -1, logic, and, NULL, NULL) \
	X("", BitShift, 2, 2, 1, QB_OP_OTHER, -1, bitwise, bit_shift, NULL, NULL) \
	X("", BitwiseAnd, 2, 2, 1, QB_OP_OTHER, -1, bitwise, bit_and, NULL, NULL) \
	X("", BitwiseOr, 2, 2, 1, QB_OP_OTHER, -1, bitwise, bit_or, NULL, NULL) \
	X("", BitwiseXor, 2, 2, 1, QB_OP_OTHER, -1, bitwise, bit_xor, NULL, NULL) \
	X("", Div, 2, 2, 1, QB_OP_ELTWISE, -1, arithmetic, div, qb__plan_binary, qb__plan_int8_binary) \
	X("", Equal, 2, 2, 1, QB_OP_OTHER, -1, compare, equal, NULL, NULL) \
	X("", Greater, 2, 2, 1, QB_OP_OTHER, -1, compare, greater, NULL, NULL) \
	X("", GreaterOrEqual, 2, 2, 1, QB_OP_OTHER, -1, compare, greater_equal, NULL, NULL) \
	X("", Less, 2, 2, 1, QB_OP_OTHER, -1, compare, less, NULL, NULL) \
	X("", LessOrEqual, 2, 2, 1, QB_OP_OTHER, -1, compare, less_equal, NULL, NULL) \
	X("", Max, 1, -1, 1, QB_OP_ELTWISE, -1, arithmetic, variadic, qb__plan_binary, qb__plan_int8_table) \
	X("", Mean, 1, -1, 1, QB_OP_ELTWISE, -1, arithmetic, variadic, NULL, NULL) \
	X("", Min, 1, -1, 1, QB_OP_ELTWISE, -1, arithmetic, variadic, qb__plan_binary, qb__plan_int8_table) \
	X("", Mod, 2, 2, 1, QB_OP_OTHER, -1, arithmetic, mod, NULL, NULL) \
	X("", Mul, 2, 2, 1, QB_OP_ELTWISE, -1, arithmetic, mul, qb__plan_binary, qb__plan_int8_binary) \
	X("", Or, 2, 2, 1, QB_OP_OTHER, -1, logic, or, NULL, NULL) \
	X("", Pow, 2, 2, 1, QB_OP_ELTWISE, -1, pow, pow, qb__plan_binary, qb__plan_int8_binary) \
	X("", PRelu, 2, 2, 1, QB_OP_ELTWISE, -1, prelu, prelu, NULL, qb__plan_int8_binary) \
	X("", Sub, 2, 2, 1, QB_OP_ELTWISE, -1, arithmetic, sub, qb__plan_binary, qb__plan_int8_binary) \
	X("", Sum, 1, -1, 1, QB_OP_ELTWISE, -1, arithmetic, variadic, NULL, NULL) \
	X("", Where, 3, 3, 1, QB_OP_OTHER, -1, where, where, NULL, NULL) \
	X("", Xor, 2, 2, 1, QB_OP_OTHER, -1, logic, xor, NULL, NULL) \
	/* conv.c */ \
	X("", Conv, 2, 3, 1, QB_OP_MATMUL, 1, conv, conv, qb__plan_conv, qb__plan_int8_conv) \
	X("", ConvInteger, 2, 4, 1, QB_OP_OTHER, -1, conv_integer, conv_integer, NULL, NULL) \
	X("", ConvTranspose, 2, 3, 1, QB_OP_MATMUL, 1, conv_transpose, conv_transpose, qb__plan_conv_transpose, qb__plan_int8_conv_transpose) \
	X("", QLinearConv, 8, 9, 1, QB_OP_OTHER, -1, qlinear_conv, qlinear_conv, NULL, NULL) \
	/* einsum.c */ \
	X("", Einsum, 1, -1, 1, QB_OP_OTHER, -1, einsum, einsum, NULL, NULL) \
	/* gather.c */ \
	X("", Gather, 2, 2, 1, QB_OP_PASS, -1, gather, gather, qb__plan_move, qb__plan_int8_move) \
	X("", GatherElements, 2, 2, 1, QB_OP_PASS, -1, gather_elements, gather_elements, NULL, NULL) \
	X("", GatherND, 2, 2, 1, QB_OP_PASS, -1, gather_nd, gather_nd, NULL, NULL) \
	X("", Scatter, 3, 3, 1, QB_OP_OTHER, -1, scatter_elements, scatter_elements, NULL, NULL) \
	X("", ScatterElements, 3, 3, 1, QB_OP_OTHER, -1, scatter_elements, scatter_elements, NULL, NULL) \
	X("", ScatterND, 3, 3, 1, QB_OP_OTHER, -1, scatter_nd, scatter_nd, NULL, NULL) \
	/* make.c */ \
	X("", Compress, 2, 2, 1, QB_OP_PASS, -1, compress, compress, NULL, qb__plan_int8_move) \
	X("", ConstantOfShape, 1, 1, 1, QB_OP_OTHER, -1, constant_of_shape, constant_of_shape, NULL, NULL) \
	X("", EyeLike, 1, 1, 1, QB_OP_OTHER, -1, eye_like, eye_like, NULL, NULL) \
	X("", NonZero, 1, 1, 1, QB_OP_OTHER, -1, nonzero, nonzero, NULL, NULL) \
	X("", OneHot, 3, 3, 1, QB_OP_OTHER, -1, one_hot, one_hot, NULL, NULL) \
	X("", Range, 3, 3, 1, QB_OP_OTHER, -1, range, range, NULL, NULL) \
	X("", Shape, 1, 1, 1, QB_OP_OTHER, -1, shape, shape, NULL, NULL) \
	X("", Size, 1, 1, 1, QB_OP_OTHER, -1, shape, shape, NULL, NULL) \
	/* matmul.c */ \
	X("", Gemm, 2, 3, 1, QB_OP_MATMUL, 1, gemm, gemm, qb__plan_gemm, qb__plan_int8_gemm) \
	X("", MatMul, 2, 2, 1, QB_OP_MATMUL, 1, matmul, matmul, qb__plan_matmul, qb__plan_int8_matmul) \
	X("", MatMulInteger, 2, 4, 1, QB_OP_OTHER, -1, matmul_integer, matmul_integer, NULL, NULL) \
	X("", QLinearMatMul, 8, 8, 1, QB_OP_OTHER, -1, qlinear_matmul, qlinear_matmul, NULL, NULL) \
	/* move.c */ \
	X("", Concat, 1, -1, 1, QB_OP_PASS, -1, concat, concat, qb__plan_concat, qb__plan_int8_join) \
	X("", DepthToSpace, 1, 1, 1, QB_OP_PASS, -1, depth_space, depth_space, qb__plan_move, qb__plan_int8_move) \
	X("", Expand, 2, 2, 1, QB_OP_PASS, -1, expand, expand, qb__plan_move, qb__plan_int8_move) \
	X("", Pad, 1, 4, 1, QB_OP_PASS, -1, pad, pad, NULL, qb__plan_int8_move) \
	X("", ReverseSequence, 2, 2, 1, QB_OP_PASS, -1, reverse_sequence, reverse_sequence, NULL, qb__plan_int8_move) \
	X("", Slice, 1, 5, 1, QB_OP_PASS, -1, slice, slice, qb__plan_move, qb__plan_int8_move) \
	X("", SpaceToDepth, 1, 1, 1, QB_OP_PASS, -1, depth_space, depth_space, qb__plan_move, qb__plan_int8_move) \
	X("", Split, 1, 2, -1, QB_OP_PASS, -1, split, split, qb__plan_move, qb__plan_int8_move) \
	X("", Tile, 2, 2, 1, QB_OP_PASS, -1, tile, tile, qb__plan_move, qb__plan_int8_move) \
	X("", Transpose, 1, 1, 1, QB_OP_PASS, -1, transpose, transpose, qb__plan_transpose, qb__plan_int8_transpose) \
	X("", Trilu, 1, 2, 1, QB_OP_PASS, -1, trilu, trilu, NULL, NULL) \
	/* norm.c */ \
	X("", BatchNormalization, 5, 5, 5, QB_OP_ELTWISE, -1, batch_norm, batch_norm, qb__plan_batch_norm, qb__plan_int8_batch_norm) \
	X("", GroupNormalization, 3, 3, 1, QB_OP_ELTWISE, -1, group_norm, group_norm, qb__plan_group_norm, NULL) \
	X("", Hardmax, 1, 1, 1, QB_OP_OTHER, -1, softmax, softmax, NULL, NULL) \
	X("", InstanceNormalization, 3, 3, 1, QB_OP_ELTWISE, -1, instance_norm, instance_norm, qb__plan_group_norm, NULL) \
	X("", LayerNormalization, 2, 3, 3, QB_OP_ELTWISE, -1, layer_norm, layer_norm, qb__plan_layer_norm, qb__plan_int8_layer_norm) \
	X("", LogSoftmax, 1, 1, 1, QB_OP_ELTWISE, -1, softmax, softmax, qb__plan_softmax, NULL) \
	X("", LpNormalization, 1, 1, 1, QB_OP_ELTWISE, -1, softmax, softmax, NULL, NULL) \
	X("", LRN, 1, 1, 1, QB_OP_ELTWISE, -1, lrn, lrn, NULL, NULL) \
	X("", Softmax, 1, 1, 1, QB_OP_ELTWISE, -1, softmax, softmax, qb__plan_softmax, qb__plan_int8_softmax) \
	/* pool.c */ \
	X("", AveragePool, 1, 1, 1, QB_OP_ELTWISE, -1, pool, pool, qb__plan_pool, qb__plan_int8_pool) \
	X("", GlobalAveragePool, 1, 1, 1, QB_OP_ELTWISE, -1, global_pool, global_pool, qb__plan_global_pool, qb__plan_int8_global_pool) \
	X("", GlobalLpPool, 1, 1, 1, QB_OP_ELTWISE, -1, global_pool, global_pool, NULL, NULL) \
	X("", GlobalMaxPool, 1, 1, 1, QB_OP_PASS, -1, global_pool, global_pool, qb__plan_global_pool, qb__plan_int8_global_pool) \
	X("", LpPool, 1, 1, 1, QB_OP_ELTWISE, -1, pool, pool, NULL, NULL) \
	X("", MaxPool, 1, 1, 2, QB_OP_PASS, -1, pool, pool, qb__plan_pool, qb__plan_int8_pool) \
	/* quantize.c */ \
	X("", DequantizeLinear, 2, 3, 1, QB_OP_OTHER, -1, dequantize, dequantize, NULL, NULL) \
	X("", DynamicQuantizeLinear, 1, 1, 3, QB_OP_OTHER, -1, dynamic_quantize, dynamic_quantize, NULL, NULL) \
	X("", QuantizeLinear, 2, 3, 1, QB_OP_OTHER, -1, quantize, quantize, NULL, NULL) \
	/* rare.c */ \
	X("", BitwiseNot, 1, 1, 1, QB_OP_OTHER, -1, bitwise_not, bitwise_not, NULL, NULL) \
	X("", CenterCropPad, 2, 2, 1, QB_OP_PASS, -1, center_crop_pad, center_crop_pad, NULL, qb__plan_int8_move) \
	X("", Col2Im, 3, 3, 1, QB_OP_ELTWISE, -1, col2im, col2im, NULL, NULL) \
	X("", Det, 1, 1, 1, QB_OP_OTHER, -1, det, det, NULL, NULL) \
	X("", MaxUnpool, 2, 3, 1, QB_OP_PASS, -1, max_unpool, max_unpool, NULL, NULL) \
	X("", MeanVarianceNormalization, 1, 1, 1, QB_OP_ELTWISE, -1, mvn, mvn, NULL, NULL) \
	/* reduce.c */ \
	X("", ArgMax, 1, 1, 1, QB_OP_OTHER, -1, arg, arg, NULL, NULL) \
	X("", ArgMin, 1, 1, 1, QB_OP_OTHER, -1, arg, arg, NULL, NULL) \
	X("", CumSum, 2, 2, 1, QB_OP_ELTWISE, -1, cumsum, cumsum, NULL, NULL) \
	X("", ReduceL1, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce, qb__plan_reduce, NULL) \
	X("", ReduceL2, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce, qb__plan_reduce, NULL) \
	X("", ReduceLogSum, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce, NULL, NULL) \
	X("", ReduceLogSumExp, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce, NULL, NULL) \
	X("", ReduceMax, 1, 2, 1, QB_OP_PASS, -1, reduce, reduce, qb__plan_reduce, NULL) \
	X("", ReduceMean, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce, qb__plan_reduce, qb__plan_int8_mean) \
	X("", ReduceMin, 1, 2, 1, QB_OP_PASS, -1, reduce, reduce, qb__plan_reduce, NULL) \
	X("", ReduceProd, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce, NULL, NULL) \
	X("", ReduceSum, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce, qb__plan_reduce, NULL) \
	X("", ReduceSumSquare, 1, 2, 1, QB_OP_ELTWISE, -1, reduce, reduce, qb__plan_reduce, NULL) \
	X("", TopK, 1, 2, 2, QB_OP_PASS, -1, topk, topk, NULL, NULL) \
	/* resize.c */ \
	X("", Resize, 1, 4, 1, QB_OP_ELTWISE, -1, resize, resize, qb__plan_resize, qb__plan_int8_resize) \
	X("", Upsample, 1, 2, 1, QB_OP_ELTWISE, -1, resize, resize, qb__plan_resize, qb__plan_int8_resize) \
	/* rnn.c */ \
	X("", GRU, 3, 6, 2, QB_OP_OTHER, -1, rnn, rnn, NULL, NULL) \
	X("", LSTM, 3, 8, 3, QB_OP_OTHER, -1, rnn, rnn, NULL, NULL) \
	X("", RNN, 3, 6, 2, QB_OP_OTHER, -1, rnn, rnn, NULL, NULL) \
	/* sample.c */ \
	X("", AffineGrid, 2, 2, 1, QB_OP_OTHER, -1, affine_grid, affine_grid, NULL, NULL) \
	X("", GridSample, 2, 2, 1, QB_OP_ELTWISE, -1, grid_sample, grid_sample, NULL, NULL) \
	/* shape_ops.c */ \
	X("", Constant, 0, 0, 1, QB_OP_OTHER, -1, constant, constant, NULL, NULL) \
	X("", Dropout, 1, 3, 2, QB_OP_PASS, -1, dropout, dropout, qb__plan_alias, qb__plan_int8_alias) \
	X("", Flatten, 1, 1, 1, QB_OP_PASS, -1, flatten, copy, qb__plan_alias, qb__plan_int8_alias) \
	X("", Identity, 1, 1, 1, QB_OP_PASS, -1, identity, copy, qb__plan_alias, qb__plan_int8_alias) \
	X("", Reshape, 2, 2, 1, QB_OP_PASS, -1, reshape, copy, qb__plan_alias, qb__plan_int8_alias) \
	X("", Squeeze, 1, 2, 1, QB_OP_PASS, -1, squeeze, copy, qb__plan_alias, qb__plan_int8_alias) \
	X("", Unsqueeze, 1, 2, 1, QB_OP_PASS, -1, unsqueeze, copy, qb__plan_alias, qb__plan_int8_alias) \
	/* unary.c */ \
	X("", Abs, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, abs, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Acos, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, acos, NULL, qb__plan_int8_table) \
	X("", Acosh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, acosh, NULL, qb__plan_int8_table) \
	X("", Asin, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, asin, NULL, qb__plan_int8_table) \
	X("", Asinh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, asinh, NULL, qb__plan_int8_table) \
	X("", Atan, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, atan, NULL, qb__plan_int8_table) \
	X("", Atanh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, atanh, NULL, qb__plan_int8_table) \
	X("", Cast, 1, 1, 1, QB_OP_OTHER, -1, cast, cast, NULL, NULL) \
	X("", CastLike, 2, 2, 1, QB_OP_OTHER, -1, cast, cast, NULL, NULL) \
	X("", Ceil, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, ceil, NULL, qb__plan_int8_table) \
	X("", Celu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, celu, NULL, qb__plan_int8_table) \
	X("", Clip, 1, 3, 1, QB_OP_ELTWISE, -1, clip, clip, qb__plan_clip, qb__plan_int8_table) \
	X("", Cos, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, cos, NULL, qb__plan_int8_table) \
	X("", Cosh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, cosh, NULL, qb__plan_int8_table) \
	X("", Elu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, elu, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Erf, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, erf, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Exp, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, exp, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Floor, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, floor, NULL, qb__plan_int8_table) \
	X("", Gelu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, gelu, qb__plan_eltwise, qb__plan_int8_table) \
	X("com.microsoft", Gelu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, gelu, qb__plan_eltwise, qb__plan_int8_table) \
	X("", HardSigmoid, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, hard_sigmoid, NULL, qb__plan_int8_table) \
	X("", HardSwish, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, hard_swish, qb__plan_eltwise, qb__plan_int8_table) \
	X("", IsInf, 1, 1, 1, QB_OP_OTHER, -1, float_test, is_inf, NULL, NULL) \
	X("", IsNaN, 1, 1, 1, QB_OP_OTHER, -1, float_test, is_nan, NULL, NULL) \
	X("", LeakyRelu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, leaky_relu, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Log, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, log, NULL, qb__plan_int8_table) \
	X("", Mish, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, mish, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Neg, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, neg, NULL, qb__plan_int8_table) \
	X("", Not, 1, 1, 1, QB_OP_OTHER, -1, not, not, NULL, NULL) \
	X("", Reciprocal, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, reciprocal, NULL, qb__plan_int8_table) \
	X("", Relu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, relu, qb__plan_clip, qb__plan_int8_table) \
	X("", Round, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, round, NULL, qb__plan_int8_table) \
	X("", Selu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, selu, NULL, qb__plan_int8_table) \
	X("", Shrink, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, shrink, NULL, qb__plan_int8_table) \
	X("", Sigmoid, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, sigmoid, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Sign, 1, 1, 1, QB_OP_ELTWISE, -1, unary_number, sign, NULL, qb__plan_int8_table) \
	X("", Sin, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, sin, NULL, qb__plan_int8_table) \
	X("", Sinh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, sinh, NULL, qb__plan_int8_table) \
	X("", Softplus, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, softplus, NULL, qb__plan_int8_table) \
	X("", Softsign, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, softsign, NULL, qb__plan_int8_table) \
	X("", Sqrt, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, sqrt, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Swish, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, swish, qb__plan_eltwise, qb__plan_int8_table) \
	X("", Tan, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, tan, NULL, qb__plan_int8_table) \
	X("", Tanh, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, tanh, qb__plan_eltwise, qb__plan_int8_table) \
	X("", ThresholdedRelu, 1, 1, 1, QB_OP_ELTWISE, -1, unary_float, thresholded_relu, NULL, qb__plan_int8_table)
