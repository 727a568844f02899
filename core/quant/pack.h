/* SPDX-License-Identifier: Apache-2.0
 *
 * Storage of codes narrower than a byte: code i stands in bits i * width .. (i + 1) * width - 1 of the stream, the
 * first code in the low bits of the first byte (so two 4-bit codes make a byte, low half first, as ONNX stores them).
 */
#ifndef QB_QUANT_PACK_H
#define QB_QUANT_PACK_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that n codes of 1 to 16 bits take. */
size_t qb_packed_bytes(size_t n, int bits);

/* The low bits of each code. packed holds qb_packed_bytes; the last byte is filled up with zeros. */
void qb_pack(const int32_t *codes, size_t n, int bits, uint8_t *packed);

/* is_signed: codes are extended by their sign bit. */
void qb_unpack(const uint8_t *packed, size_t n, int bits, int is_signed, int32_t *codes);

#endif
