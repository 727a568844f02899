/* SPDX-License-Identifier: Apache-2.0
 *
 * quantbenchd backup FILE [--with-blobs DIR]: a copy of the database, and of the files that it refers to, while the server runs
 * or not.
 */
#ifndef QB_DAEMON_BACKUP_COMMAND_H
#define QB_DAEMON_BACKUP_COMMAND_H

/* The words from "backup" on; the program's exit status. */
int qb_backup_command(int argc, char **argv);

#endif
