/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: a code for the program, a sentence for the person.
 */
#ifndef QB_BASE_ERR_H
#define QB_BASE_ERR_H

#include <stddef.h>

/* code, stable name (the "code" of error events and problem+json), meaning */
#define QB_ERRORS(X) \
	X(QB_OK, "ok", "success") \
	X(QB_ENOMEM, "out_of_memory", "an allocation failed or would pass a limit") \
	X(QB_EINVAL, "invalid", "a parameter is outside what the call accepts") \
	X(QB_EIO, "io", "a file could not be read or written") \
	X(QB_EFORMAT, "bad_file", "a file is not what it says it is") \
	X(QB_EONNX, "bad_model", "a network breaks the ONNX specification") \
	X(QB_EUNSUPPORTED, "unsupported", "valid, but not something we can do") \
	X(QB_ESHAPE, "bad_shape", "shapes that do not fit together") \
	X(QB_EJOB, "bad_job", "a job description that cannot be carried out") \
	X(QB_ECANCELLED, "cancelled", "stopped on request") \
	X(QB_EDIVERGED, "diverged", "training came to numbers that are not finite") \
	X(QB_EINTERNAL, "internal", "our own mistake")

enum qb_err {
#define X(code, name, text) code,
	QB_ERRORS(X)
#undef X
};

/* The sentence: what was wrong, where, and what to do; and for programs the field of the job that is at fault, as a
 * JSON Pointer (RFC 6901), and the names nearest to one that is unknown, separated by ", ". Both may be empty. */
struct qb_errbuf {
	enum qb_err code;
	char text[1024];
	char field[512];
	char near[128];
};

/* Writes the sentence into eb (which may be NULL) and returns code. */
enum qb_err qb_fail(struct qb_errbuf *eb, enum qb_err code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same of a field of the job: member key (or "") of what is at the path at, as "schemes[2].weights" (or ""). The
 * sentence begins with the whole path; the pointer is "/schemes/2/weights/KEY". */
enum qb_err qb_fail_field(struct qb_errbuf *eb, enum qb_err code, const char *at, const char *key,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Says of which field the error already in eb is; returns code unchanged. */
enum qb_err qb_fail_in_field(struct qb_errbuf *eb, enum qb_err code, const char *at, const char *key);

/* The same of entry i of the list at the path at. */
enum qb_err qb_fail_in_entry(struct qb_errbuf *eb, enum qb_err code, const char *at, size_t i);

/* Puts "prefix: " before the sentence already in eb; returns code unchanged. */
enum qb_err qb_fail_in(struct qb_errbuf *eb, enum qb_err code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

const char *qb_err_name(enum qb_err code);

#define QB_TRY(call) \
	do { \
		enum qb_err qb_try_ = (call); \
		if (qb_try_ != QB_OK) { \
			return qb_try_; \
		} \
	} while (0)

/* For functions with one `goto out` and a local `enum qb_err err`. */
#define QB_TRY_OUT(call) \
	do { \
		err = (call); \
		if (err != QB_OK) { \
			goto out; \
		} \
	} while (0)

#endif
