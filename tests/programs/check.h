/* SPDX-License-Identifier: MIT */
/*
 * What every test program needs: lines `PASS name detail` and `FAIL name detail`, an exit status that
 * follows from them, and the way to a device. Thread-safe; trusts its caller.
 */
#ifndef TESTS_PROGRAMS_CHECK_H
#define TESTS_PROGRAMS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/programs/cu.h"

/* Prints the verdict on one case and remembers a failure. Returns ok. */
bool check_that(bool ok, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A case that this device cannot run; says why. */
void check_skip(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit status: 1 if a case failed or none ran, otherwise 0. */
int check_end(void);

/* The case passes if the call answered what CUDA documents. */
bool check_result(const char *name, CUresult got, CUresult wanted);

/* "CUDA_ERROR_NOT_FOUND", or the number where the library has no name for it. Static per thread. */
const char *result_name(CUresult result);

/* Any call that must succeed for the program to go on: otherwise prints FAIL and exits. */
#define CU(call) cu_must((call), #call, __FILE__, __LINE__)
void cu_must(CUresult result, const char *call, const char *file, int line);

/*
 * cuInit, device 0 with its primary context retained and current. Exits with a clear message when
 * there is no device. device_close() releases it.
 */
CUdevice device_open(void);
void device_close(CUdevice dev);
int device_attribute(CUdevice dev, CUdevice_attribute attribute);

/* One module of PTX text and one of its functions. */
CUmodule module_load(const char *ptx);
CUfunction module_function(CUmodule module, const char *name);

/* Launches blocks x threads, in one dimension, without dynamic shared memory. */
void launch_1d(CUfunction f, unsigned int blocks, unsigned int threads, CUstream stream,
	       void **params);

/* Bytes that a wrong offset or a lost chunk cannot reproduce by chance; the same for one seed. */
void fill_random(void *buffer, size_t size, uint64_t seed);
uint64_t random_next(uint64_t *state);

/* How many bytes differ from what fill_random() with this seed wrote; from one value. */
size_t count_not_random(const void *buffer, size_t size, uint64_t seed);
size_t count_not_value(const void *buffer, size_t size, unsigned char value);

/* The driver's function of that name as programs of that CUDA version get it; exits without one. */
void (*entry_find(const char *name, int version, cuuint64_t flags))(void);
#ifdef CUDA_API_PER_THREAD_DEFAULT_STREAM
#define entry_of(name, version) \
	entry_find(name, version, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)
#else
#define entry_of(name, version) entry_find(name, version, CU_GET_PROC_ADDRESS_DEFAULT)
#endif

/* Monotonic seconds. */
double seconds_now(void);

#endif
