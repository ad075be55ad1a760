/* SPDX-License-Identifier: MIT */
#ifndef FE_NOTIFY_H
#define FE_NOTIFY_H

/*
 * sd_notify(3): tells the service manager, if there is one, e.g. "READY=1". Own code, as that
 * page recommends for daemons that need nothing else of libsystemd: guests without systemd need
 * not carry it.
 */
void fe_notify(const char *state);
/* Milliseconds between the signs of life that the watchdog wants; 0: nobody watches. */
int fe_notify_interval(void);

#endif
