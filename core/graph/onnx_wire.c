/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/onnx_wire.h"

#include <stdbool.h>

/* A model nests model, graph, node, attribute, tensor, external data entry; subgraphs, which we refuse by name,
 * need a few more. */
enum { MAX_DEPTH = 48 };
#define MAX_MESSAGES ((size_t)8 << 20)

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_check {
	size_t messages;
	bool too_deep;
};

static bool read_varint(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t b = *(*p)++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*out = v;
			return true;
		}
	}
	return false;
}

static bool check_message(struct wire_check *c, const ProtobufCMessageDescriptor *type,
	const uint8_t *p, size_t size, int depth)
{
	const uint8_t *end = p + size;
	uint64_t tag, n;

	if (depth > MAX_DEPTH) {
		c->too_deep = true;
		return false;
	}
	if (++c->messages > MAX_MESSAGES) {
		return false;
	}
	while (p < end) {
		const ProtobufCFieldDescriptor *field;

		if (!read_varint(&p, end, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX) {
			return false;
		}
		switch (tag & 7) {
		case WIRE_VARINT:
			if (!read_varint(&p, end, &n)) {
				return false;
			}
			continue;
		case WIRE_FIXED64:
			n = 8;
			break;
		case WIRE_FIXED32:
			n = 4;
			break;
		case WIRE_BYTES:
			if (!read_varint(&p, end, &n)) {
				return false;
			}
			break;
		default:
			return false; /* groups are older than ONNX */
		}
		if (n > (uint64_t)(end - p)) {
			return false;
		}
		field = protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
		if ((tag & 7) == WIRE_BYTES && field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
		    !check_message(c, field->descriptor, p, (size_t)n, depth + 1)) {
			return false;
		}
		p += n;
	}
	return true;
}

ProtobufCMessage *qb__wire_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
	size_t size, struct qb_errbuf *eb)
{
	struct wire_check c = { 0 };
	ProtobufCMessage *m;

	if (!check_message(&c, type, bytes, size, 0)) {
		if (c.too_deep) {
			qb_fail(eb, QB_EFORMAT, "the file nests messages deeper than %d levels", MAX_DEPTH);
		} else if (c.messages > MAX_MESSAGES) {
			qb_fail(eb, QB_EFORMAT, "the file has more than %zu messages in it", MAX_MESSAGES);
		} else {
			qb_fail(eb, QB_EFORMAT, "the file is not an ONNX model (nor a TFLite one), or it is cut short; export "
				"it again and look that all of it was copied");
		}
		return NULL;
	}
	m = protobuf_c_message_unpack(type, NULL, size, bytes);
	if (!m) {
		qb_fail(eb, QB_EFORMAT, "the file is not an ONNX model: its protocol buffer does not decode; export it again");
	}
	return m;
}

void qb__wire_free(ProtobufCMessage *message)
{
	if (message) {
		protobuf_c_message_free_unpacked(message, NULL);
	}
}
