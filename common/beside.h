/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs of a build folder use each other, and installed ones those that were installed.
 */
#ifndef QB_COMMON_BESIDE_H
#define QB_COMMON_BESIDE_H

/* The path of a file in the folder of the running program, or else the installed one; freed with free(). NULL where
 * memory ends. */
char *qb_beside(const char *name, const char *installed);

#endif
