/* SPDX-License-Identifier: MIT */
/*
 * The CUDA driver library, opened by dlopen once privileges are gone. The table of its functions,
 * ex_driver, is declared in the generated calls.h.
 */
#ifndef EX_DRIVER_H
#define EX_DRIVER_H

#include <limits.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "protocol/log.h"

#define EX_DRIVER_PLACES      4
#define EX_DRIVER_OWN_FOLDERS 2

/* Where to look for the library that a name stands for; made before /proc/self is out of reach. */
struct ex_driver_places {
	char path[EX_DRIVER_PLACES][PATH_MAX];
	/* where our own libraries lie: as they are built, as they are installed; "" unknown */
	char own_folder[EX_DRIVER_OWN_FOLDERS][PATH_MAX];
	int count;
};

/* name: soft, default or a path. */
void ex_driver_locate(struct ex_driver_places *places, const char *name);
/* Opens it and fills ex_driver. 0, or -ENOENT with what went wrong in text (VG_TEXT_MAX bytes). */
int ex_driver_open(const struct ex_driver_places *places, const struct vg_log_who *who, char *text);
/*
 * The software device of that number adds up there how long it works (protocol/account.h): busy_ns, and
 * busy_since while it does. NVIDIA's driver does not.
 */
void ex_driver_busy_at(unsigned int number, uint64_t *busy_ns, uint64_t *busy_since);
/* What the guest's program asks of the compiler (VG_JIT_*): before ex_driver_init. */
void ex_driver_jit(uint32_t jit);
/*
 * Calls cuInit, once, and returns its result. A session of NVML alone never comes here: cuInit takes
 * hundreds of milliseconds and of mebibytes. Any thread.
 */
CUresult ex_driver_init(void);

/* Another one for each build of the library: its build id, or else what its file is. All 0: not known. */
void ex_driver_id(uint8_t *id, size_t size);

#endif
