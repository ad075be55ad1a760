/* SPDX-License-Identifier: MIT */
/* The registry's life; its use is in call.h. */
#ifndef FE_HANDLE_H
#define FE_HANDLE_H

/* In a child after fork: none of the parent's objects exist here. One thread. */
void fe_handle_reset(void);

#endif
