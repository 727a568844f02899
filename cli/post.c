/* SPDX-License-Identifier: Apache-2.0
 *
 * `quantbench post`: what quantbenchd tells webhooks with. The server itself is no client of anybody.
 */
#include "config.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { TIMEOUT_S = 15, INPUT_MAX = 1 << 20 };

static size_t ignore(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * n;
}

/* Standard input: headers, an empty line, the body, whose last newline is none of it. */
static char *read_input(struct curl_slist **headers, char **body)
{
	char *text = malloc(INPUT_MAX + 1), *line, *end;
	size_t n = text ? fread(text, 1, INPUT_MAX, stdin) : 0;

	if (!text) {
		return NULL;
	}
	n -= n && text[n - 1] == '\n';
	text[n] = '\0';
	for (line = text; *line != '\n' && (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		*headers = curl_slist_append(*headers, line);
	}
	*body = line + (*line == '\n');
	return text;
}

static enum cli_exit post(const char *url, struct curl_slist *headers, const char *body)
{
	CURL *c = curl_easy_init();
	CURLcode rc = CURLE_FAILED_INIT;
	long status = 0;

	if (c) {
		curl_easy_setopt(c, CURLOPT_URL, url);
		curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
		curl_easy_setopt(c, CURLOPT_USERAGENT, "quantbench/" PACKAGE_VERSION);
		curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ignore);
		rc = curl_easy_perform(c);
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_cleanup(c);
	}
	if (rc != CURLE_OK) {
		return cli_fail(CLI_UNREACHABLE, "%s", curl_easy_strerror(rc));
	}
	return status >= 200 && status < 300 ? CLI_OK : cli_fail(CLI_REFUSED, "it answers %ld", status);
}

enum cli_exit cli_post(struct cli *cli)
{
	struct curl_slist *headers = NULL;
	char *body = NULL, *text = read_input(&headers, &body);
	enum cli_exit code = text ? post(cli->arg[0], headers, body) : cli_fail(CLI_USAGE, "no memory");

	curl_slist_free_all(headers);
	free(text);
	return code;
}
