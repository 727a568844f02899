/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process that reads hostile files cannot do any more: Landlock keeps it to some folders, seccomp to the system calls
 * of computing. No network, no other program, no other process: neither made, traced nor signalled. What it has opened before stays
 * open, and all threads and nothing else inherit it. There is no way back.
 */
#ifndef QB_COMMON_SANDBOX_H
#define QB_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* Folders that are left to it, beside the libraries and what the system says of the processor; NULL ends a list. What is not
 * there is left out. */
struct qb_sandbox {
	const char *const *readable;
	const char *const *writable; /* and readable: files and folders may be made, changed and removed there */
};

/* Before the first thread is made. What this kernel lacks is left out, and told in why (empty: nothing); false where
 * something fails that it does not lack. */
bool qb_sandbox_enter(const struct qb_sandbox *s, char *why, size_t why_len);

/* Version of Landlock in this kernel; 0: none. */
int qb_sandbox_landlock(void);
/* Lets the calling thread, and all others of the process, make the calls of computing alone (sandbox_calls.c). */
bool qb_sandbox_calls(char *why, size_t why_len);

#endif
