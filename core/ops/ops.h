/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operators: one line each, in alphabetical order of their families' files.
 *   X(domain, type, least inputs, most inputs (-1: any), most outputs, class, weight input, traits, qb__infer_...,
 *     qb__eval_...)
 * ALIAS is the same for an operator of another domain that is a type of the table already. How operators are lowered to
 * steps of a plan stands in core/exec/lower/lowerings.h.
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
	/* Its output may go through a Relu or a Clip that a pass fused into it (qb_node.act). */ \
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
	X("", Add, 2, 2, 1, QB_OP_ELTWISE, -1, ACTIVATION | SAME_LAYOUT | MASKS, arithmetic, add) \
	X("", And, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, logic, and) \
	X("", BitShift, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise, bit_shift) \
	X("", BitwiseAnd, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise, bit_and) \
	X("", BitwiseOr, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise, bit_or) \
	X("", BitwiseXor, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise, bit_xor) \
	X("", Div, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, arithmetic, div) \
	X("", Equal, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, equal) \
	X("", Greater, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, greater) \
	X("", GreaterOrEqual, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, greater_equal) \
	X("", Less, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, less) \
	X("", LessOrEqual, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, compare, less_equal) \
	X("", Max, 1, -1, 1, QB_OP_ELTWISE, -1, OF_ONE | SAME_LAYOUT | MASKS, arithmetic, variadic) \
	X("", Mean, 1, -1, 1, QB_OP_ELTWISE, -1, OF_ONE | SAME_LAYOUT, arithmetic, variadic) \
	X("", Min, 1, -1, 1, QB_OP_ELTWISE, -1, OF_ONE | SAME_LAYOUT | MASKS, arithmetic, variadic) \
	X("", Mod, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, arithmetic, mod) \
	X("", Mul, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, arithmetic, mul) \
	X("", Or, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, logic, or) \
	X("", Pow, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, pow, pow) \
	X("", PRelu, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | HOMOGENEOUS, prelu, prelu) \
	X("", Sub, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | MASKS, arithmetic, sub) \
	X("", Sum, 1, -1, 1, QB_OP_ELTWISE, -1, OF_ONE | SAME_LAYOUT, arithmetic, variadic) \
	X("", Where, 3, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT | MASKS, where, where) \
	X("", Xor, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, logic, xor) \
	/* center_crop_pad.c */ \
	X("", CenterCropPad, 2, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, center_crop_pad, center_crop_pad) \
	/* col2im.c */ \
	X("", Col2Im, 3, 3, 1, QB_OP_ELTWISE, -1, PRODUCTS, col2im, col2im) \
	/* concat_split.c */ \
	X("", Concat, 1, -1, 1, QB_OP_PASS, -1, MOVES | OF_ONE | SAME_LAYOUT, concat, concat) \
	X("", Split, 1, 2, -1, QB_OP_PASS, -1, MOVES | SAME_LAYOUT, split, split) \
	/* conv.c */ \
	X("", Conv, 2, 3, 1, QB_OP_MATMUL, 1, ACTIVATION | CONVOLUTION | SPATIAL | SAME_LAYOUT, conv, conv) \
	X("", ConvInteger, 2, 4, 1, QB_OP_OTHER, -1, SAME_LAYOUT | PRODUCTS, conv_integer, conv_integer) \
	X("", ConvTranspose, 2, 3, 1, QB_OP_MATMUL, 1, ACTIVATION | CONVOLUTION | SPATIAL | SAME_LAYOUT, conv_transpose, conv_transpose) \
	X("", QLinearConv, 8, 9, 1, QB_OP_OTHER, -1, SAME_LAYOUT | CODES | PRODUCTS, qlinear_conv, qlinear_conv) \
	/* depth_to_space.c */ \
	X("", DepthToSpace, 1, 1, 1, QB_OP_PASS, -1, MOVES | SPATIAL | SAME_LAYOUT, depth_space, depth_space) \
	X("", SpaceToDepth, 1, 1, 1, QB_OP_PASS, -1, MOVES | SPATIAL | SAME_LAYOUT, depth_space, depth_space) \
	/* determinant.c */ \
	X("", Det, 1, 1, 1, QB_OP_OTHER, -1, PRODUCTS, det, det) \
	/* einsum.c */ \
	X("", Einsum, 1, -1, 1, QB_OP_OTHER, -1, PRODUCTS, einsum, einsum) \
	/* expand_tile.c */ \
	X("", Expand, 2, 2, 1, QB_OP_PASS, -1, MOVES | KEEPS_ORDER | SAME_LAYOUT, expand, expand) \
	X("", Tile, 2, 2, 1, QB_OP_PASS, -1, MOVES | KEEPS_ORDER | SAME_LAYOUT, tile, tile) \
	/* fake_quantize.c */ \
	X("quantbench", FakeQuantize, 2, 4, 1, QB_OP_OTHER, -1, SAME_LAYOUT, fake_quantize, fake_quantize) \
	X("quantbench", FakeQuantizeGradient, 5, 5, 4, QB_OP_OTHER, -1, SAME_LAYOUT, fake_quantize_gradient, fake_quantize_gradient) \
	/* gather.c */ \
	X("", Gather, 2, 2, 1, QB_OP_PASS, -1, MOVES | LOOKUP, gather, gather) \
	X("", GatherElements, 2, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT | LOOKUP, gather_elements, gather_elements) \
	X("", GatherND, 2, 2, 1, QB_OP_PASS, -1, LOOKUP, gather_nd, gather_nd) \
	X("", Scatter, 3, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT, scatter_elements, scatter_elements) \
	X("", ScatterElements, 3, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT, scatter_elements, scatter_elements) \
	X("", ScatterND, 3, 3, 1, QB_OP_OTHER, -1, 0, scatter_nd, scatter_nd) \
	/* generate.c */ \
	X("", Compress, 2, 2, 1, QB_OP_PASS, -1, 0, compress, compress) \
	X("", ConstantOfShape, 1, 1, 1, QB_OP_OTHER, -1, 0, constant_of_shape, constant_of_shape) \
	X("", EyeLike, 1, 1, 1, QB_OP_OTHER, -1, 0, eye_like, eye_like) \
	X("", NonZero, 1, 1, 1, QB_OP_OTHER, -1, 0, nonzero, nonzero) \
	X("", OneHot, 3, 3, 1, QB_OP_OTHER, -1, 0, one_hot, one_hot) \
	X("", Range, 3, 3, 1, QB_OP_OTHER, -1, 0, range, range) \
	X("", Shape, 1, 1, 1, QB_OP_OTHER, -1, 0, shape, shape) \
	X("", Size, 1, 1, 1, QB_OP_OTHER, -1, 0, shape, shape) \
	/* grid_sample.c */ \
	X("", AffineGrid, 2, 2, 1, QB_OP_OTHER, -1, 0, affine_grid, affine_grid) \
	X("", GridSample, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | WINDOWS, grid_sample, grid_sample) \
	/* matmul.c */ \
	X("", Gemm, 2, 3, 1, QB_OP_MATMUL, 1, ACTIVATION, gemm, gemm) \
	X("", MatMul, 2, 2, 1, QB_OP_MATMUL, 1, ACTIVATION, matmul, matmul) \
	X("", MatMulInteger, 2, 4, 1, QB_OP_OTHER, -1, PRODUCTS, matmul_integer, matmul_integer) \
	X("", QLinearMatMul, 8, 8, 1, QB_OP_OTHER, -1, CODES | PRODUCTS, qlinear_matmul, qlinear_matmul) \
	/* max_unpool.c */ \
	X("", MaxUnpool, 2, 3, 1, QB_OP_PASS, -1, SAME_LAYOUT, max_unpool, max_unpool) \
	/* mean_variance_norm.c */ \
	X("", MeanVarianceNormalization, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, mvn, mvn) \
	/* norm.c */ \
	X("", BatchNormalization, 5, 5, 5, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT, batch_norm, batch_norm) \
	X("", GroupNormalization, 3, 3, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, group_norm, group_norm) \
	X("", Hardmax, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, softmax, softmax) \
	X("", InstanceNormalization, 3, 3, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT, instance_norm, instance_norm) \
	X("", LayerNormalization, 2, 3, 3, QB_OP_ELTWISE, -1, 0, layer_norm, layer_norm) \
	X("", LogSoftmax, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, softmax, softmax) \
	X("", LpNormalization, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, softmax, softmax) \
	X("", LRN, 1, 1, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | WINDOWS, lrn, lrn) \
	X("", Softmax, 1, 1, 1, QB_OP_ELTWISE, -1, 0, softmax, softmax) \
	/* pad.c */ \
	X("", Pad, 1, 4, 1, QB_OP_PASS, -1, KEEPS_ORDER | SAME_LAYOUT, pad, pad) \
	/* pool.c */ \
	X("", AveragePool, 1, 1, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | HOMOGENEOUS, pool, pool) \
	X("", GlobalAveragePool, 1, 1, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | HOMOGENEOUS, global_pool, global_pool) \
	X("", GlobalLpPool, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, global_pool, global_pool) \
	X("", GlobalMaxPool, 1, 1, 1, QB_OP_PASS, -1, SPATIAL | SAME_LAYOUT | HOMOGENEOUS, global_pool, global_pool) \
	X("", LpPool, 1, 1, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT, pool, pool) \
	X("", MaxPool, 1, 1, 2, QB_OP_PASS, -1, SPATIAL | SAME_LAYOUT | HOMOGENEOUS, pool, pool) \
	/* quantize.c */ \
	X("", DequantizeLinear, 2, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT | CODES, dequantize, dequantize) \
	X("", DynamicQuantizeLinear, 1, 1, 3, QB_OP_OTHER, -1, SAME_LAYOUT | CODES, dynamic_quantize, dynamic_quantize) \
	X("", QuantizeLinear, 2, 3, 1, QB_OP_OTHER, -1, SAME_LAYOUT | CODES, quantize, quantize) \
	/* reduce.c */ \
	X("", ArgMax, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, arg, arg) \
	X("", ArgMin, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, arg, arg) \
	X("", CumSum, 2, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, cumsum, cumsum) \
	X("", ReduceL1, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceL2, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceLogSum, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceLogSumExp, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceMax, 1, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceMean, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceMin, 1, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceProd, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceSum, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce) \
	X("", ReduceSumSquare, 1, 2, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, reduce, reduce) \
	X("", TopK, 1, 2, 2, QB_OP_PASS, -1, SAME_LAYOUT | WINDOWS, topk, topk) \
	/* resize.c */ \
	X("", Resize, 1, 4, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | WINDOWS, resize, resize) \
	X("", Upsample, 1, 2, 1, QB_OP_ELTWISE, -1, SPATIAL | SAME_LAYOUT | WINDOWS, resize, resize) \
	/* reverse_sequence.c */ \
	X("", ReverseSequence, 2, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, reverse_sequence, reverse_sequence) \
	/* rnn.c */ \
	X("", GRU, 3, 6, 2, QB_OP_OTHER, -1, 0, rnn, rnn) \
	X("", LSTM, 3, 8, 3, QB_OP_OTHER, -1, 0, rnn, rnn) \
	X("", RNN, 3, 6, 2, QB_OP_OTHER, -1, 0, rnn, rnn) \
	/* shape_ops.c */ \
	X("", Constant, 0, 0, 1, QB_OP_OTHER, -1, 0, constant, constant) \
	X("", Dropout, 1, 3, 2, QB_OP_PASS, -1, SAME_LAYOUT, dropout, dropout) \
	X("", Flatten, 1, 1, 1, QB_OP_PASS, -1, MOVES | VIEW | KEEPS_ORDER, flatten, copy) \
	X("", Identity, 1, 1, 1, QB_OP_PASS, -1, MOVES | VIEW | SAME_LAYOUT, identity, copy) \
	X("", Reshape, 2, 2, 1, QB_OP_PASS, -1, MOVES | VIEW | KEEPS_ORDER, reshape, copy) \
	X("", Squeeze, 1, 2, 1, QB_OP_PASS, -1, MOVES | VIEW | KEEPS_ORDER, squeeze, copy) \
	X("", Unsqueeze, 1, 2, 1, QB_OP_PASS, -1, MOVES | VIEW | KEEPS_ORDER, unsqueeze, copy) \
	/* slice.c */ \
	X("", Slice, 1, 5, 1, QB_OP_PASS, -1, MOVES | SAME_LAYOUT, slice, slice) \
	/* transpose.c */ \
	X("", Transpose, 1, 1, 1, QB_OP_PASS, -1, MOVES | VIEW, transpose, transpose) \
	/* trilu.c */ \
	X("", Trilu, 1, 2, 1, QB_OP_PASS, -1, SAME_LAYOUT, trilu, trilu) \
	/* unary.c */ \
	X("", Abs, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, abs) \
	X("", Acos, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, acos) \
	X("", Acosh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, acosh) \
	X("", Asin, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, asin) \
	X("", Asinh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, asinh) \
	X("", Atan, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, atan) \
	X("", Atanh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, atanh) \
	X("", BitwiseNot, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, bitwise_not, bitwise_not) \
	X("", Cast, 1, 1, 1, QB_OP_OTHER, -1, VIEW | SAME_LAYOUT, cast, cast) \
	X("", CastLike, 2, 2, 1, QB_OP_OTHER, -1, SAME_LAYOUT, cast, cast) \
	X("", Ceil, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, ceil) \
	X("", Celu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, celu) \
	X("", Clip, 1, 3, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, clip, clip) \
	X("", Cos, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, cos) \
	X("", Cosh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, cosh) \
	X("", Elu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, elu) \
	X("", Erf, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, erf) \
	X("", Exp, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, exp) \
	X("", Floor, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, floor) \
	X("", Gelu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, gelu) \
	ALIAS("com.microsoft", Gelu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, gelu) \
	X("", HardSigmoid, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, hard_sigmoid) \
	X("", HardSwish, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, hard_swish) \
	X("", IsInf, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, float_test, is_inf) \
	X("", IsNaN, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, float_test, is_nan) \
	X("", LeakyRelu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | HOMOGENEOUS, unary_float, leaky_relu) \
	X("", Log, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, log) \
	X("", Mish, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, mish) \
	X("", Neg, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, neg) \
	X("", Not, 1, 1, 1, QB_OP_OTHER, -1, SAME_LAYOUT, not, not) \
	X("", Reciprocal, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, reciprocal) \
	X("", Relu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT | HOMOGENEOUS, unary_number, relu) \
	X("", Round, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, round) \
	X("", Selu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, selu) \
	X("", Shrink, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, shrink) \
	X("", Sigmoid, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, sigmoid) \
	X("", Sign, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_number, sign) \
	X("", Sin, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, sin) \
	X("", Sinh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, sinh) \
	X("", Softplus, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, softplus) \
	X("", Softsign, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, softsign) \
	X("", Sqrt, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, sqrt) \
	X("", Swish, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, swish) \
	X("", Tan, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, tan) \
	X("", Tanh, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, tanh) \
	X("", ThresholdedRelu, 1, 1, 1, QB_OP_ELTWISE, -1, SAME_LAYOUT, unary_float, thresholded_relu)

#endif
