/* SPDX-License-Identifier: Apache-2.0
 *
 * quantbenchd check-config and print-config: what a server would be told, and whether it would start with it.
 */
#ifndef QB_DAEMON_CONFIG_COMMAND_H
#define QB_DAEMON_CONFIG_COMMAND_H

/* The words from the command's name on; the program's exit status. */
int qb_check_config(int argc, char **argv);
int qb_print_config(void);

#endif
