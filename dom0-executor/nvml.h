/* SPDX-License-Identifier: MIT */
/*
 * NVIDIA's management library, for one question: how much device memory this process uses. It is
 * looked for beside the driver library, nowhere else. Trusts the library.
 */
#ifndef EX_NVML_H
#define EX_NVML_H

#include <stdbool.h>
#include <stdint.h>

struct ex_nvml;

/* Finds the devices that the driver shows. NULL: there is no such library, or it does not work. */
struct ex_nvml *ex_nvml_open(void);
void ex_nvml_close(struct ex_nvml *nvml); /* NULL is fine */
/* Bytes on all of them. False, and 0: it does not know this process, as before its first context. */
bool ex_nvml_used(const struct ex_nvml *nvml, uint64_t *bytes);

#endif
