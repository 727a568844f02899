/* SPDX-License-Identifier: Apache-2.0
 *
 * What workers leave behind. A process whose parent ends becomes a child of the daemon, whatever session and group it went to
 * (prctl(2), PR_SET_CHILD_SUBREAPER), and is ended unless it belongs to a run that goes on. Loop thread only.
 */
#ifndef QB_DAEMON_ORPHANS_H
#define QB_DAEMON_ORPHANS_H

void qb_orphans_adopt(void);
/* Ends those that are there; when a worker has ended, and now and then. */
void qb_orphans_end(void);

#endif
