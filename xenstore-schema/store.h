/* SPDX-License-Identifier: MIT */
/*
 * xenstore through few and bounded words: every function makes its path from a directory and a
 * name, and answers 0 or a negative errno. `t` is a transaction or XBT_NULL.
 */
#ifndef VG_STORE_H
#define VG_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

#define VG_STORE_PATH  256  /* as VG_SCHEMA_PATH */
#define VG_STORE_VALUE 2049 /* a node's 2048 bytes and the NUL */

/* value is NUL-terminated; a longer node, or one with a NUL inside, is -EINVAL. */
int vg_store_read(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name,
		  char *value, size_t size);
/* A decimal number in [min, max]; anything else is -EINVAL. */
int vg_store_read_uint(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name,
		       uint64_t min, uint64_t max, uint64_t *value);
int vg_store_write(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name,
		   const char *value);
int vg_store_write_uint(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name,
			uint64_t value);
/* name may be NULL: the directory itself. A node that is not there is no error. */
int vg_store_remove(struct xs_handle *xs, xs_transaction_t t, const char *dir, const char *name);
/* Removes a directory if it is there and empty, in a transaction of its own, so that what somebody
 * puts into it meanwhile is safe. */
void vg_store_prune(struct xs_handle *xs, const char *dir);
bool vg_store_exists(struct xs_handle *xs, xs_transaction_t t, const char *dir);

/*
 * Children of a directory that are decimal numbers in [0, max], in rising order, at most `size` of
 * them. Returns how many, 0 when the directory is not there, or a negative errno.
 */
int vg_store_list_numbers(struct xs_handle *xs, xs_transaction_t t, const char *dir, uint32_t max,
			  uint32_t *numbers, size_t size);

#endif
