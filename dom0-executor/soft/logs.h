/* SPDX-License-Identifier: MIT */
/* Who listens to what goes wrong. Any thread. */
#ifndef SOFT_LOGS_H
#define SOFT_LOGS_H

/* One line, without its end. */
void logs_tell(char *text);

#endif
