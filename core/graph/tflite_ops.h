/* SPDX-License-Identifier: Apache-2.0
 *
 * TFLite's operators as ONNX's, one function a family.
 */
#ifndef QB_GRAPH_TFLITE_OPS_H
#define QB_GRAPH_TFLITE_OPS_H

#include "core/graph/tflite_node.h"

/* Layers. */
enum qb_err qb__tfl_arg_max(struct tfl_op *op);
enum qb_err qb__tfl_conv_2d(struct tfl_op *op);
enum qb_err qb__tfl_fully_connected(struct tfl_op *op);
enum qb_err qb__tfl_pool_2d(struct tfl_op *op);
enum qb_err qb__tfl_reduce(struct tfl_op *op);
enum qb_err qb__tfl_sequence_lstm(struct tfl_op *op);
enum qb_err qb__tfl_transpose_conv(struct tfl_op *op);

/* Arithmetic. */
enum qb_err qb__tfl_binary(struct tfl_op *op);
enum qb_err qb__tfl_l2_normalization(struct tfl_op *op);
enum qb_err qb__tfl_rsqrt(struct tfl_op *op);
enum qb_err qb__tfl_softmax(struct tfl_op *op);
enum qb_err qb__tfl_square(struct tfl_op *op);
enum qb_err qb__tfl_squared_difference(struct tfl_op *op);
enum qb_err qb__tfl_unary(struct tfl_op *op);

/* Moves. */
enum qb_err qb__tfl_batch_to_space(struct tfl_op *op);
enum qb_err qb__tfl_cast(struct tfl_op *op);
enum qb_err qb__tfl_concatenation(struct tfl_op *op);
enum qb_err qb__tfl_depth_space(struct tfl_op *op);
enum qb_err qb__tfl_pad(struct tfl_op *op);
enum qb_err qb__tfl_quantize(struct tfl_op *op);
enum qb_err qb__tfl_reshape(struct tfl_op *op);
enum qb_err qb__tfl_resize(struct tfl_op *op);
enum qb_err qb__tfl_space_to_batch(struct tfl_op *op);
enum qb_err qb__tfl_transpose_op(struct tfl_op *op);

/* Parts. */
enum qb_err qb__tfl_batch_matmul(struct tfl_op *op);
enum qb_err qb__tfl_gather(struct tfl_op *op);
enum qb_err qb__tfl_pack(struct tfl_op *op);
enum qb_err qb__tfl_slice(struct tfl_op *op);
enum qb_err qb__tfl_split(struct tfl_op *op);
enum qb_err qb__tfl_strided_slice(struct tfl_op *op);
enum qb_err qb__tfl_unpack(struct tfl_op *op);

#endif
