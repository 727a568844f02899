/* SPDX-License-Identifier: Apache-2.0
 *
 * What the data of a run was, why it lost what it lost (a diagnosis), and where its time went.
 */
#ifndef QB_CLI_EXPLAIN_H
#define QB_CLI_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>

/* ", 100 spread over the data calibrate", of a ptq or diagnose job; nothing where the result does not tell. */
void cli_explain_calibration(const json_t *result, FILE *out);
/* A line of what a text was made into; nothing where the data is arrays. */
void cli_explain_text(const json_t *result, FILE *out);
/* The result of a diagnose job. */
void cli_explain_diagnosis(const json_t *result, FILE *out);
/* The profiles that rows of a ptq job hold, if any do. */
void cli_explain_profiles(const json_t *result, FILE *out);

#endif
