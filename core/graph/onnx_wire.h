/* SPDX-License-Identifier: Apache-2.0
 *
 * protobuf-c made safe for hostile files, for every message type: it recurses as deep as a message nests and
 * allocates a struct for every two bytes of an empty submessage, so both are bounded before it runs.
 */
#ifndef QB_GRAPH_ONNX_WIRE_H
#define QB_GRAPH_ONNX_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "core/base/err.h"

/* NULL on failure, with the reason in eb. Freed with qb__wire_free. */
ProtobufCMessage *qb__wire_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
	size_t size, struct qb_errbuf *eb);
void qb__wire_free(ProtobufCMessage *message);

#endif
