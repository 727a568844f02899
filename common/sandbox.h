/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process that reads hostile files cannot do any more: a root of its own and Landlock keep it to some folders, seccomp to the
 * system calls of computing. No network, no other program, no other process: neither made, traced nor signalled. What it has
 * opened before stays open, and all threads and nothing else inherit it. There is no way back.
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

/* Libraries and what they read of the system, ended by NULL: left to every process. */
extern const char *const qb_sandbox_of_system[];

/* Before the first thread is made. What this kernel lacks is left out, and told in why (empty: nothing); false where
 * something fails that it does not lack. */
bool qb_sandbox_enter(const struct qb_sandbox *s, char *why, size_t why_len);

/* Version of Landlock in this kernel; 0: none. */
int qb_sandbox_landlock(void);
/* Keeps the calling process to those folders by Landlock, on a kernel that has that version. errno says why it fails. */
bool qb_sandbox_folders(const struct qb_sandbox *s, int version);

/* Gives the calling process, which has no other threads, a root folder that holds those folders alone, in namespaces of its own
 * (Linux 5.12 with namespaces of users, or a process of root's). The current folder stays the same. errno says why it fails, or
 * what is lacking (sandbox_root.c). */
enum qb_sandbox_outcome { QB_SANDBOX_HOLDS, QB_SANDBOX_LACKS, QB_SANDBOX_FAILED };
enum qb_sandbox_outcome qb_sandbox_root(const struct qb_sandbox *s);
/* Whether a process that this one starts can have that. */
bool qb_sandbox_root_works(void);
/* Lets the calling thread, and all others of the process, make the calls of computing alone (sandbox_calls.c). */
bool qb_sandbox_calls(char *why, size_t why_len);

#endif
