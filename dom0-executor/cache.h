/* SPDX-License-Identifier: MIT */
/*
 * The compute cache of NVIDIA's driver, for this executor alone: a file system in memory that no other process can
 * reach and that goes with this one. Executors of different guests run as one user, so a shared folder could be
 * poisoned by one of them; without any the driver finishes the same machine code anew at each load.
 */
#ifndef EX_CACHE_H
#define EX_CACHE_H

#include <stdint.h>

#include "protocol/log.h"

/*
 * Tells the driver by its environment where its cache is. In the main thread while it is the only one, as the user
 * that the executor stays, before capabilities and system calls are given up. bytes: at most; 0: no cache, as
 * where the kernel does not let us (logged): that is no error. 0 or a negative errno.
 */
int ex_cache_open(uint64_t bytes, const struct vg_log_who *who);

#endif
