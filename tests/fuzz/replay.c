/* SPDX-License-Identifier: Apache-2.0
 *
 * main of a fuzz target without a fuzzing engine: runs every file of a corpus through it, as it is and with seeded
 * damage. The corpus: the folders named by the arguments, or else corpus-NAME beside this file for the target fuzz_NAME.
 * QB_FUZZ_ROUNDS: in how many ways each file is damaged; QB_FUZZ_SEED: other ways.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"

enum { MAX_BYTES = 1 << 20, DAMAGED = 2000 };

static uint64_t rounds = DAMAGED, seed = 1;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few bytes changed, cut out or doubled; all of it follows from (file, round). */
static size_t damage(uint8_t *to, const uint8_t *from, size_t size, uint64_t file, uint64_t round)
{
	uint32_t r[4];
	size_t at, n;

	memcpy(to, from, size);
	for (uint64_t i = 0; i <= round % 4; i++) {
		qb_random_block(seed, file, round * 4 + i, r);
		at = r[0] % (size + 1);
		n = r[1] % 16;
		n = n < size - at ? n : size - at;
		switch (r[2] % 16) { /* most lengths must stay right, or nothing past the lengths is reached */
		case 0:
			memmove(to + at, to + at + n, size - at - n);
			size -= n;
			break;
		case 1:
			if (size + n <= MAX_BYTES) {
				memmove(to + at + n, to + at, size - at);
				size += n;
			}
			break;
		default:
			if (at < size) {
				to[at] = r[3] & 0x100 ? (uint8_t)r[3] : (uint8_t)(to[at] ^ (1u << (r[3] & 7)));
			}
			break;
		}
	}
	return size;
}

static int replay_file(const char *path, uint64_t file, uint8_t *bytes, uint8_t *worse)
{
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f) {
		perror(path);
		return 1;
	}
	size = fread(bytes, 1, MAX_BYTES, f);
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, size);
	for (uint64_t round = 0; round < rounds; round++) {
		size_t n = damage(worse, bytes, size, file, round);
		/* A copy of its own size, so that a sanitizer sees one byte too far. */
		uint8_t *exact = malloc(n ? n : 1);

		if (!exact) {
			return 1;
		}
		memcpy(exact, worse, n);
		LLVMFuzzerTestOneInput(exact, n);
		free(exact);
	}
	return 0;
}

static int replay_folder(const char *folder, int *files)
{
	uint8_t *bytes = malloc(MAX_BYTES), *worse = malloc(MAX_BYTES);
	struct dirent **entry = NULL;
	int n = scandir(folder, &entry, NULL, alphasort), bad = n < 0 || !bytes || !worse;

	if (n < 0) {
		perror(folder);
	}
	for (int i = 0; i < n; i++) {
		char path[4096];

		if (entry[i]->d_name[0] != '.' && !bad) {
			snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);
			bad |= replay_file(path, (uint64_t)i, bytes, worse);
			++*files;
		}
		free(entry[i]);
	}
	free(entry);
	free(bytes);
	free(worse);
	return bad;
}

static void from_environment(const char *name, uint64_t *value)
{
	const char *text = getenv(name);

	if (text && *text) {
		*value = strtoull(text, NULL, 10);
	}
}

static int replay_own(const char *program, int *files)
{
	const char *top = getenv("top_srcdir"), *name = strstr(program, "fuzz_");
	char folder[4096];

	while (name && strstr(name + 1, "fuzz_")) {
		name = strstr(name + 1, "fuzz_");
	}
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus-%s", top ? top : ".", name ? name + 5 : "");
	return replay_folder(folder, files);
}

int main(int argc, char **argv)
{
	int bad = 0, files = 0;

	from_environment("QB_FUZZ_ROUNDS", &rounds);
	from_environment("QB_FUZZ_SEED", &seed);
	for (int i = 1; i < argc; i++) {
		bad |= replay_folder(argv[i], &files);
	}
	if (argc < 2) {
		bad |= replay_own(argv[0], &files);
	}
	printf("%d files, each as it is and damaged in %llu ways\n", files, (unsigned long long)rounds);
	return bad || !files;
}
