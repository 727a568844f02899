/* SPDX-License-Identifier: Apache-2.0
 *
 * quantbenchd token create|list|revoke: whoever may write the state folder makes the tokens, whether the server runs or not.
 */
#ifndef QB_DAEMON_TOKEN_COMMAND_H
#define QB_DAEMON_TOKEN_COMMAND_H

/* The words after "token"; the program's exit status. */
int qb_token_command(int argc, char **argv);

#endif
