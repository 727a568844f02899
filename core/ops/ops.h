/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operators: one line each, in alphabetical order of their families' files.
 *   X(domain, type, least inputs, most inputs (-1: any), most outputs, class, weight input, traits, qb__infer_...,
 *     qb__eval_..., qb__gradient_... or none)
 * ALIAS is the same for an operator of another domain that is a type of the table already. How operators are lowered to
 * steps of a plan stands in core/exec/lower/lowerings.h. Operators of the domain "quantbench" are those of training
 * graphs: no file may hold them, all their shapes are concrete, and what each means stands above its evaluation.
 */
#ifndef QB_OPS_OPS_H
#define QB_OPS_OPS_H

/* What an operator is, for those who treat several alike: T(name). An operator without a trait is
 * treated with care: a new one at most loses speed until its row says more. */
#define QB_OP_TRAITS(T) \
	/* Its outputs hold elements of its first input (of a Concat: of all inputs) and no others. */ \
	T(MOVES) \
	/* Hands its first input on in another shape, order of dimensions or type. */ \
	T(VIEW) \
	/* Is its first input again where the shape stays (of a Pad: where it pads nothing). */ \
	T(KEEPS_ORDER) \
	/* Takes any number of inputs, and of a single one it is that one. */ \
	T(OF_ONE) \
	/* Its step computes a Relu or a Clip behind it as well (core/graph/activation.h). */ \
	T(ACTIVATION) \
	/* Slides a kernel over positions: weights [M,C/group,...] or [C,M/group,...]. */ \
	T(CONVOLUTION) \
	/* The last two of four dimensions are those of images. */ \
	T(SPATIAL) \
	/* If one of its values of four dimensions is an image, [N,C,H,W], all of them are. */ \
	T(SAME_LAYOUT) \
	/* Channel by channel, and f(s * x) = s * f(x) for s > 0. */ \
	T(HOMOGENEOUS) \
	/* May join the scores of attention with a mask. */ \
	T(MASKS) \
	/* Picks from its first input by index: a table of embeddings where that is constant. */ \
	T(LOOKUP) \
	/* Quantizes, dequantizes, or computes with codes and their scales. */ \
	T(CODES) \
	/* Each element of the output may take all of the inputs to compute. */ \
	T(PRODUCTS) \
	/* Each element of the output takes some of the inputs, by no attribute kernel_shape. */ \
	T(WINDOWS)

#define QB_OPS(X, ALIAS) \
	/* binary.c */ \
	X("", Add, 2, 2, 1, QB_OP_ELTWISE, -1, ACTIVATION | SAME_LAYOUT | MASKS, arithmetic, add, add) \
	X("", And, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, logic, and, none) \
	X("", BitShift, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise, bit_shift, none) \
	X("", BitwiseAnd, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise, bit_and, none) \
	X("", BitwiseOr, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise, bit_or, none) \
	X("", BitwiseXor, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise, bit_xor, none) \
	X("", Div, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, arithmetic, div, div) \
	X("", Equal, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, equal, none) \
	X("", Greater, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, greater, none) \
	X("", GreaterOrEqual, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, greater_equal, none) \
	X("", Less, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, less, none) \
	X("", LessOrEqual, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, less_equal, none) \
	X("", Max, 1, -1, 1, QB_OP_ELTWISE, -1, OF_ONE | SAME_LAYOUT | MASKS, arithmetic, variadic, extreme) \
	X("", Mean, 1, -1, 1, QB_OP_ELTWISE, -1, OF_ONE | SAME_LAYOUT, arithmetic, variadic, mean) \
	X("", Min, 1, -1, 1, QB_OP_ELTWISE, -1, OF_ONE | SAME_LAYOUT | MASKS, arithmetic, variadic, extreme) \
	X("", Mod, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, arithmetic, mod, mod) \
	X("", Mul, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, arithmetic, mul, mul) \
	X("", Or, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, logic, or, none) \
	X("", Pow, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, pow, pow, pow) \
	X("", PRelu, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | HOMOGENEOUS, prelu, prelu, prelu) \
	X("", Sub, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | MASKS, arithmetic, sub, sub) \
	X("", Sum, 1, -1, 1, QB_OP_ELTWISE, -1, OF_ONE | SAME_LAYOUT, arithmetic, variadic, add) \
	X("", Where, 3, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT | MASKS, where, where, where) \
	X("", Xor, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, logic, xor, none) \
	/* center_crop_pad.c */ \
	X("", CenterCropPad, 2, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, center_crop_pad, center_crop_pad, center_crop_pad) \
	/* col2im.c */ \
	X("", Col2Im, 3, 3, 1, QB_OP_ELTWISE, -1, PRODUCTS, col2im, col2im, none) \
	/* concat_split.c */ \
	X("", Concat, 1, -1, 1, QB_OP_PASS, -1, MOVES | OF_ONE | SAME_LAYOUT, concat, concat, concat) \
	X("", Split, 1, 2, -1, QB_OP_PASS, -1, MOVES | SAME_LAYOUT, split, split, split) \
	/* conv.c */ \
	X("", Conv, 2, 3, 1, QB_OP_MATMUL, 1, ACTIVATION | CONVOLUTION | SPATIAL | SAME_LAYOUT, conv, conv, conv) \
	X("", ConvInteger, 2, 4, 1, QB_OP_OTHER, -1, SAME_LAYOUT | PRODUCTS, conv_integer, conv_integer, none) \
	X("", ConvTranspose, 2, 3, 1, QB_OP_MATMUL, 1, ACTIVATION | CONVOLUTION | SPATIAL | SAME_LAYOUT, conv_transpose, conv_transpose, conv_transpose) \
	X("", QLinearConv, 8, 9, 1, QB_OP_OTHER, -1, SAME_LAYOUT | CODES | PRODUCTS, qlinear_conv, qlinear_conv, none) \
	/* depth_to_space.c */ \
	X("", DepthToSpace, 1, 1, 1, QB_OP_PASS, -1, MOVES | SPATIAL | SAME_LAYOUT, depth_space, depth_space, depth_to_space) \
	X("", SpaceToDepth, 1, 1, 1, QB_OP_PASS, -1, MOVES | SPATIAL | SAME_LAYOUT, depth_space, depth_space, space_to_depth) \
	/* determinant.c */ \
	X("", Det, 1, 1, 1, QB_OP_OTHER, -1, PRODUCTS, det, det, none) \
	/* einsum.c */ \
	X("", Einsum, 1, -1, 1, QB_OP_OTHER, -1, PRODUCTS, einsum, einsum, einsum) \
	/* expand_tile.c */ \
	X("", Expand, 2, 2, 1, QB_OP_PASS, -1, MOVES | KEEPS_ORDER | SAME_LAYOUT, expand, expand, expand) \
	X("", Tile, 2, 2, 1, QB_OP_PASS, -1, MOVES | KEEPS_ORDER | SAME_LAYOUT, tile, tile, tile) \
	/* fake_quantize.c */ \
	X("quantbench", FakeQuantize, 2, 4, 1, QB_OP_OTHER, -1, SAME_LAYOUT, fake_quantize, fake_quantize, fake_quantize) \
	X("quantbench", FakeQuantizeGradient, 5, 5, 4, QB_OP_OTHER, -1, SAME_LAYOUT, fake_quantize_gradient, fake_quantize_gradient, none) \
	/* gather.c */ \
	X("", Gather, 2, 2, 1, QB_OP_PASS, -1, MOVES | LOOKUP, gather, gather, gather) \
	X("", GatherElements, 2, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT | LOOKUP, gather_elements, gather_elements, gather_elements) \
	X("", GatherND, 2, 2, 1, QB_OP_PASS, -1, LOOKUP, gather_nd, gather_nd, gather_nd) \
	X("", Scatter, 3, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT, scatter_elements, scatter_elements, scatter_elements) \
	X("", ScatterElements, 3, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT, scatter_elements, scatter_elements, scatter_elements) \
	X("", ScatterND, 3, 3, 1, QB_OP_OTHER, -1, 0, scatter_nd, scatter_nd, scatter_nd) \
	/* generate.c */ \
	X("", Compress, 2, 2, 1, QB_OP_PASS, -1, 0, compress, compress, none) \
	X("", ConstantOfShape, 1, 1, 1, QB_OP_OTHER, -1, 0, constant_of_shape, constant_of_shape, none) \
	X("", EyeLike, 1, 1, 1, QB_OP_OTHER, -1, 0, eye_like, eye_like, zero) \
	X("", NonZero, 1, 1, 1, QB_OP_OTHER, -1, 0, nonzero, nonzero, none) \
	X("", OneHot, 3, 3, 1, QB_OP_OTHER, -1, 0, one_hot, one_hot, none) \
	X("", Range, 3, 3, 1, QB_OP_OTHER, -1, 0, range, range, none) \
	X("", Shape, 1, 1, 1, QB_OP_OTHER, -1, 0, shape, shape, none) \
	X("", Size, 1, 1, 1, QB_OP_OTHER, -1, 0, shape, shape, none) \
	/* grid_sample.c */ \
	X("", AffineGrid, 2, 2, 1, QB_OP_OTHER, -1, 0, affine_grid, affine_grid, none) \
	X("", GridSample, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | WINDOWS, grid_sample, grid_sample, none) \
	/* matmul.c */ \
	X("", Gemm, 2, 3, 1, QB_OP_MATMUL, 1, ACTIVATION, gemm, gemm, gemm) \
	X("", MatMul, 2, 2, 1, QB_OP_MATMUL, 1, ACTIVATION, matmul, matmul, matmul) \
	X("", MatMulInteger, 2, 4, 1, QB_OP_OTHER, -1, PRODUCTS, matmul_integer, matmul_integer, none) \
	X("", QLinearMatMul, 8, 8, 1, QB_OP_OTHER, -1, CODES | PRODUCTS, qlinear_matmul, qlinear_matmul, none) \
	/* max_unpool.c */ \
	X("", MaxUnpool, 2, 3, 1, QB_OP_PASS, -1, SAME_LAYOUT, max_unpool, max_unpool, max_unpool) \
	/* mean_variance_norm.c */ \
	X("", MeanVarianceNormalization, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, mvn, mvn, mvn) \
	/* norm.c */ \
	X("", BatchNormalization, 5, 5, 5, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT, batch_norm, batch_norm, batch_norm) \
	X("", GroupNormalization, 3, 3, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, group_norm, group_norm, group_norm) \
	X("", Hardmax, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, softmax, softmax, zero) \
	X("", InstanceNormalization, 3, 3, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT, instance_norm, instance_norm, instance_norm) \
	X("", LayerNormalization, 2, 3, 3, QB_OP_ELTWISE, -1, 0, layer_norm, layer_norm, layer_norm) \
	X("", LogSoftmax, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, softmax, softmax, log_softmax) \
	X("", LpNormalization, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, softmax, softmax, lp_norm) \
	X("", LRN, 1, 1, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | WINDOWS, lrn, lrn, lrn) \
	X("", Softmax, 1, 1, 1, QB_OP_ELTWISE, -1, 0, softmax, softmax, softmax) \
	/* pad.c */ \
	X("", Pad, 1, 4, 1, QB_OP_PASS, -1, KEEPS_ORDER | SAME_LAYOUT, pad, pad, pad) \
	/* pool.c */ \
	X("", AveragePool, 1, 1, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | HOMOGENEOUS, pool, pool, average_pool) \
	X("", GlobalAveragePool, 1, 1, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | HOMOGENEOUS, global_pool, global_pool, global_average_pool) \
	X("", GlobalLpPool, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, global_pool, global_pool, global_lp_pool) \
	X("", GlobalMaxPool, 1, 1, 1, QB_OP_PASS, -1, SPATIAL | SAME_LAYOUT | HOMOGENEOUS, global_pool, global_pool, global_max_pool) \
	X("", LpPool, 1, 1, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT, pool, pool, lp_pool) \
	X("", MaxPool, 1, 1, 2, QB_OP_PASS, -1, SPATIAL | SAME_LAYOUT | HOMOGENEOUS, pool, pool, max_pool) \
	/* quantize.c */ \
	X("", DequantizeLinear, 2, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT | CODES, dequantize, dequantize, none) \
	X("", DynamicQuantizeLinear, 1, 1, 3, QB_OP_OTHER, -1, SAME_LAYOUT | CODES, dynamic_quantize, dynamic_quantize, none) \
	X("", QuantizeLinear, 2, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT | CODES, quantize, quantize, none) \
	/* reduce.c */ \
	X("", ArgMax, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, arg, arg, none) \
	X("", ArgMin, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, arg, arg, none) \
	X("", CumSum, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, cumsum, cumsum, cumsum) \
	X("", ReduceL1, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce, reduce_l1) \
	X("", ReduceL2, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce, reduce_l2) \
	X("", ReduceLogSum, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce, reduce_log_sum) \
	X("", ReduceLogSumExp, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce, reduce_log_sum_exp) \
	X("", ReduceMax, 1, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, reduce, reduce, reduce_extreme) \
	X("", ReduceMean, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce, reduce_mean) \
	X("", ReduceMin, 1, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, reduce, reduce, reduce_extreme) \
	X("", ReduceProd, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce, reduce_prod) \
	X("", ReduceSum, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce, reduce_sum) \
	X("", ReduceSumSquare, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce, reduce_sum_square) \
	X("", TopK, 1, 2, 2, QB_OP_PASS, -1, SAME_LAYOUT | WINDOWS, topk, topk, topk) \
	/* resize.c */ \
	X("", Resize, 1, 4, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | WINDOWS, resize, resize, resize) \
	X("", Upsample, 1, 2, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | WINDOWS, resize, resize, resize) \
	/* reverse_sequence.c */ \
	X("", ReverseSequence, 2, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, reverse_sequence, reverse_sequence, reverse_sequence) \
	/* rnn.c */ \
	X("", GRU, 3, 6, 2, QB_OP_OTHER, -1, 0, rnn, rnn, none) \
	X("", LSTM, 3, 8, 3, QB_OP_OTHER, -1, 0, rnn, rnn, none) \
	X("", RNN, 3, 6, 2, QB_OP_OTHER, -1, 0, rnn, rnn, none) \
	/* shape_ops.c */ \
	X("", Constant, 0, 0, 1, QB_OP_OTHER, -1, 0, constant, constant, none) \
	X("", Dropout, 1, 3, 2, QB_OP_PASS, -1, SAME_LAYOUT, dropout, dropout, reshape) \
	X("", Flatten, 1, 1, 1, QB_OP_PASS, -1, MOVES | VIEW | KEEPS_ORDER, flatten, copy, reshape) \
	X("", Identity, 1, 1, 1, QB_OP_PASS, -1, MOVES | VIEW | SAME_LAYOUT, identity, copy, reshape) \
	X("", Reshape, 2, 2, 1, QB_OP_PASS, -1, MOVES | VIEW | KEEPS_ORDER, reshape, copy, reshape) \
	X("", Squeeze, 1, 2, 1, QB_OP_PASS, -1, MOVES | VIEW | KEEPS_ORDER, squeeze, copy, reshape) \
	X("", Unsqueeze, 1, 2, 1, QB_OP_PASS, -1, MOVES | VIEW | KEEPS_ORDER, unsqueeze, copy, reshape) \
	/* slice.c */ \
	X("", Slice, 1, 5, 1, QB_OP_PASS, -1, MOVES | SAME_LAYOUT, slice, slice, slice) \
	/* transpose.c */ \
	X("", Transpose, 1, 1, 1, QB_OP_PASS, -1, MOVES | VIEW, transpose, transpose, transpose) \
	/* trilu.c */ \
	X("", Trilu, 1, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, trilu, trilu, trilu) \
	/* unary.c */ \
	X("", Abs, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, abs, activation) \
	X("", Acos, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, acos, activation) \
	X("", Acosh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, acosh, activation) \
	X("", Asin, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, asin, activation) \
	X("", Asinh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, asinh, activation) \
	X("", Atan, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, atan, activation) \
	X("", Atanh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, atanh, activation) \
	X("", BitwiseNot, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise_not, bitwise_not, none) \
	X("", Cast, 1, 1, 1, QB_OP_OTHER, -1, VIEW | SAME_LAYOUT, cast, cast, cast) \
	X("", CastLike, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, cast, cast, cast) \
	X("", Ceil, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, ceil, zero) \
	X("", Celu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, celu, activation) \
	X("", Clip, 1, 3, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, clip, clip, clip) \
	X("", Cos, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, cos, activation) \
	X("", Cosh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, cosh, activation) \
	X("", Elu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, elu, activation) \
	X("", Erf, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, erf, activation) \
	X("", Exp, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, exp, exp) \
	X("", Floor, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, floor, zero) \
	X("", Gelu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, gelu, activation) \
	ALIAS("com.microsoft", Gelu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, gelu, activation) \
	X("", HardSigmoid, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, hard_sigmoid, activation) \
	X("", HardSwish, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, hard_swish, activation) \
	X("", IsInf, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, float_test, is_inf, none) \
	X("", IsNaN, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, float_test, is_nan, none) \
	X("", LeakyRelu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | HOMOGENEOUS, unary_float, leaky_relu, activation) \
	X("", Log, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, log, activation) \
	X("", Mish, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, mish, activation) \
	X("", Neg, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, neg, neg) \
	X("", Not, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, not, not, none) \
	X("", Reciprocal, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, reciprocal, activation) \
	X("", Relu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | HOMOGENEOUS, unary_number, relu, activation) \
	X("", Round, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, round, zero) \
	X("", Selu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, selu, activation) \
	X("", Shrink, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, shrink, activation) \
	X("", Sigmoid, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, sigmoid, activation) \
	X("", Sign, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, sign, zero) \
	X("", Sin, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, sin, activation) \
	X("", Sinh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, sinh, activation) \
	X("", Softplus, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, softplus, activation) \
	X("", Softsign, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, softsign, activation) \
	X("", Sqrt, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, sqrt, activation) \
	X("", Swish, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, swish, activation) \
	X("", Tan, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, tan, activation) \
	X("", Tanh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, tanh, activation) \
	X("", ThresholdedRelu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, thresholded_relu, activation) \
	/* activation_gradient.c */ \
	X("quantbench", ActivationGradient, 2, 2, 1, QB_OP_OTHER, -1, 0, activation_gradient, activation_gradient, none) \
	/* batch_norm_training.c */ \
	X("quantbench", BatchNormalizationTraining, 4, 4, 1, QB_OP_OTHER, -1, 0, batch_norm_training, batch_norm_training, batch_norm_training) \
	X("quantbench", BatchNormalizationTrainingGradient, 5, 5, 1, QB_OP_OTHER, -1, 0, batch_norm_training_gradient, batch_norm_training_gradient, none) \
	X("quantbench", BatchNormalizationTrainingSums, 3, 3, 1, QB_OP_OTHER, -1, 0, batch_norm_training_sums, batch_norm_training_sums, none) \
	X("quantbench", BatchStatistics, 1, 1, 1, QB_OP_OTHER, -1, 0, batch_statistics, batch_statistics, batch_statistics) \
	/* conv_gradient.c */ \
	X("quantbench", ConvInputGradient, 2, 2, 1, QB_OP_OTHER, -1, PRODUCTS, conv_input_gradient, conv_input_gradient, none) \
	X("quantbench", ConvWeightGradient, 2, 2, 1, QB_OP_OTHER, -1, PRODUCTS, conv_weight_gradient, conv_weight_gradient, none) \
	/* gather_gradient.c */ \
	X("quantbench", GatherGradient, 2, 2, 1, QB_OP_OTHER, -1, 0, gather_gradient, gather_gradient, none) \
	/* loss.c */ \
	X("quantbench", SoftmaxCrossEntropy, 3, 3, 1, QB_OP_OTHER, -1, 0, softmax_cross_entropy, softmax_cross_entropy, softmax_cross_entropy) \
	X("quantbench", SoftmaxCrossEntropyGradient, 4, 4, 1, QB_OP_OTHER, -1, 0, softmax_cross_entropy_gradient, softmax_cross_entropy_gradient, none) \
	/* norm_gradient.c */ \
	X("quantbench", LayerNormalizationGradient, 3, 3, 3, QB_OP_OTHER, -1, 0, layer_norm_gradient, layer_norm_gradient, none) \
	X("quantbench", SoftmaxGradient, 2, 2, 1, QB_OP_OTHER, -1, 0, softmax_gradient, softmax_gradient, none) \
	/* pool.c */ \
	X("quantbench", AveragePoolGradient, 1, 1, 1, QB_OP_OTHER, -1, 0, average_pool_gradient, average_pool_gradient, none) \
	X("quantbench", MaxPoolGradient, 2, 2, 1, QB_OP_OTHER, -1, 0, max_pool_gradient, max_pool_gradient, none) \
	/* resize.c */ \
	X("quantbench", ResizeGradient, 1, 1, 1, QB_OP_OTHER, -1, 0, resize_gradient, resize_gradient, none) \
	/* sums.c */ \
	X("quantbench", ShardSum, 1, 1, 1, QB_OP_OTHER, -1, 0, shard_sum, copy, shard_sum) \
	X("quantbench", SumTo, 1, 1, 1, QB_OP_OTHER, -1, 0, sum_to, sum_to, sum_to)

#endif
