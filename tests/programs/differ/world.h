/* SPDX-License-Identifier: MIT */
/*
 * The objects that the calls of the differential test are made with. Each is made when a case first
 * asks for it and dropped when the case ends; a few, which cost much, stay. Nothing here prints: what
 * could not be made is noted, and the case's line tells.
 */
#ifndef TESTS_DIFFER_WORLD_H
#define TESTS_DIFFER_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_proto.h"
#include "protocol/cuda_types.h"

#define DF_SIZE  (64u << 10) /* bytes of DF_mem and its like */
#define DF_HOST  (256u << 10)
#define DF_SIDE  16u        /* width and height of arrays, in elements of 4 bytes */
#define DF_VMM   (2u << 20) /* a physical allocation */
#define DF_TEXT  4096u
#define DF_ZERO  1000u /* instead of a bad value's number: every argument is 0 */
#define DF_LINES 768

/* What can be had, in the order of dependence. */
enum df_kind {
	DF_none,
	DF_context, /* a second context on the device */
	DF_stream,
	DF_stream2,
	DF_event,
	DF_event2,
	DF_module,
	DF_function,
	DF_library,
	DF_kernel,
	DF_link,
	DF_mem,
	DF_mem2,
	DF_managed,
	DF_pinned,
	DF_registered,
	DF_async,
	DF_array,
	DF_array2,
	DF_mipmap,
	DF_pool,
	DF_vmm,
	DF_reserved,
	DF_mapped,
	DF_user,
	DF_texref,
	DF_tex,
	DF_surf,
	DF_desc,
	DF_green,
	DF_graph,
	DF_graph2,
	DF_emptynode,
	DF_emptynode2,
	DF_kernelnode,
	DF_copynode,
	DF_setnode,
	DF_hostnode,
	DF_childnode,
	DF_recordnode,
	DF_waitnode,
	DF_batchnode,
	DF_allocnode,
	DF_freenode,
	DF_clone,
	DF_exec,
	DF_KINDS
};

enum df_stage {
	DF_PLAIN,
	DF_BEFORE_INIT,
	DF_NO_CONTEXT,
	DF_THREAD,       /* another thread, without a context */
	DF_THREAD_BOUND, /* another thread, with the context */
	DF_OTHER_CONTEXT,
	DF_DEAD_CONTEXT,
	DF_CAPTURE_GLOBAL, /* while another stream of this thread captures */
	DF_CAPTURE_THREAD,
	DF_CAPTURE_RELAXED,
	DF_CAPTURED, /* the call's stream captures */
	DF_RESET,    /* after cuDevicePrimaryCtxReset */
};

struct df_world {
	CUdevice dev;
	int count; /* devices */
	CUcontext ctx;
	enum df_stage stage;
	void (*function)(void); /* the one that is called */
	CUresult result;
	CUresult ended; /* a capture stage: how the capture ended */
	uint64_t made[DF_KINDS];
	enum df_kind order[DF_KINDS];
	unsigned int count_made;
	uint64_t gone_context;        /* of this process */
	unsigned char *host;          /* DF_HOST bytes of a known pattern */
	const unsigned char *pattern; /* what they are before each case */
	char text[DF_TEXT];           /* for names that the driver writes */
	char line[DF_LINES];          /* outputs, as they will be printed */
	size_t length;
};

/* The case's object of a kind; 0: it cannot be made. */
uint64_t df_get(struct df_world *w, enum df_kind kind);
/* One more of the kind, which nobody drops. */
uint64_t df_new(struct df_world *w, enum df_kind kind);
/* A handle of one that has been destroyed. */
uint64_t df_gone(struct df_world *w, enum df_kind kind);

/* Drops what the case made, or forgets it if it is gone already: all of it, with `everything`. */
void df_drop(struct df_world *w);
void df_forget(struct df_world *w, bool everything);

/* Appends to the case's outputs. */
void df_print(struct df_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* FNV-1a of bytes. */
unsigned int df_hash(const void *bytes, size_t size);

/* cuInit, device 0 and its primary context, current. */
CUresult df_world_open(struct df_world *w);
/* The buffers as every case finds them. */
void df_world_fill(struct df_world *w);

/* A graph's node, or 0 (nodes.c). */
CUresult df_make_node(struct df_world *w, enum df_kind kind, uint64_t *made);

#endif
