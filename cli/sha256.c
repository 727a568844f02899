/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/sha256.h"

#include <nettle/sha2.h>

bool cli_sha256_file(FILE *file, char hex[65], long long *size_bytes)
{
	static unsigned char buffer[64 * 1024];
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	size_t n;

	sha256_init(&ctx);
	*size_bytes = 0;
	while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0) {
		sha256_update(&ctx, n, buffer);
		*size_bytes += (long long)n;
	}
	if (ferror(file)) {
		return false;
	}
	sha256_digest(&ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	}
	return true;
}
