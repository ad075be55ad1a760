/* SPDX-License-Identifier: MIT */
/*
 * The PTX engine of libcuda-soft: PTX text in, native code out, blocks of threads run on the CPU.
 *
 * Trust: PTX text, parameter blocks and everything that a kernel does come from the guest. A bad text
 * is refused with a line number, never a crash. A kernel itself is native code in this process: it can
 * reach whatever the process can, which is why the executor that loads it is jailed and serves one
 * guest process only.
 *
 * Addresses: a global or const address is a host address (generic == global == const). Memory that
 * the driver gives out as device memory is ordinary memory of this process.
 *
 * Threads: every function may be called from any thread; launches run in parallel with each other.
 * A module must not be unloaded, nor its memory freed, while one of its kernels runs.
 *
 * Errors: 0 or a negative errno as documented at each function. What a kernel did wrong is told in
 * struct ptx_fault.
 */
#ifndef SOFT_PTX_PTX_H
#define SOFT_PTX_PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits. A text beyond them is refused with -ENOTSUP (or -EINVAL where PTX itself forbids it). */
#define PTX_TEXT_MAX          (256u << 20) /* bytes of one PTX text */
#define PTX_PARAM_BYTES_MAX   32764u       /* parameter block of a kernel */
#define PTX_PARAMS_MAX        4096u        /* parameters of a kernel */
#define PTX_SHARED_BYTES_MAX  (227u << 10) /* static + dynamic shared memory of a block */
#define PTX_BLOCK_THREADS_MAX 1024u
#define PTX_LOG_MAX           4096u

struct ptx_module; /* one or more linked PTX texts: their globals and kernels */
struct ptx_kernel; /* owned by its module */
struct ptx_linker;

/* Human-readable messages, one per line, always NUL terminated. The caller sets bytes to 0 before. */
struct ptx_log {
	size_t bytes;
	unsigned int line; /* of the first error, 0: none */
	char text[PTX_LOG_MAX];
};

struct ptx_options {
	unsigned int opt_level; /* 0: little optimisation, fastest load; 1: the default */
	bool eager;             /* compile every kernel at load, not at its first use */
	bool baseline;          /* code for any x86-64 CPU (SSE2), not for this one */
	bool lazy_check; /* skip the check of all functions at load; errors then come at first use */

	/*
	 * Where the module's variables (.global, .const) live: zeroed memory of the driver's device
	 * range, aligned to 4096. Asked once a module, given back at unload. NULL: the engine's own.
	 */
	void *(*variables_alloc)(void *opaque, size_t bytes);
	void (*variables_free)(void *opaque, void *address, size_t bytes);
	void *opaque;
};

/*
 * Loads one text (options may be NULL; log may be NULL). The text is not needed after the call.
 *  -EINVAL   syntax or semantics; the log names the line
 *  -ENOTSUP  an instruction, modifier or directive that this engine does not have; named in the log
 *  -ENOENT   an extern symbol that nothing defines; named in the log
 *  -ENOMEM
 */
int ptx_module_load(const char *text, size_t len, const struct ptx_options *options,
		    struct ptx_log *log, struct ptx_module **out);
void ptx_module_unload(struct ptx_module *module); /* NULL is fine */

/* Several texts to one module: .extern functions and variables are found across them. */
int ptx_linker_create(const struct ptx_options *options, struct ptx_linker **out);
int ptx_linker_add(struct ptx_linker *linker, const char *text, size_t len, const char *name,
		   struct ptx_log *log);
int ptx_linker_finish(struct ptx_linker *linker, struct ptx_log *log, struct ptx_module **out);
void ptx_linker_destroy(struct ptx_linker *linker); /* also after finish; NULL is fine */

/* True where text looks like PTX (after blanks and comments comes .version). */
bool ptx_text_probe(const char *text, size_t len);

struct ptx_param_info {
	uint32_t offset; /* in the parameter block */
	uint32_t size;
	uint32_t align;
};

struct ptx_kernel_info {
	const char *name; /* as in the PTX (mangled); lives as long as the module */
	uint32_t param_count;
	const struct ptx_param_info *params;
	uint32_t param_bytes;  /* size of the parameter block */
	uint32_t shared_bytes; /* static shared memory of a block */
	uint32_t local_bytes;  /* local memory of a thread, call graph without recursion */
	uint32_t registers;    /* an estimate, at most 255 */
	uint32_t maxntid[3];   /* 0: not given */
	uint32_t reqntid[3];   /* 0: not given */
	uint32_t minnctapersm; /* 0: not given */
	uint32_t max_threads;  /* per block, from the above */
	uint32_t target_sm;    /* 75 for sm_75; sm_90a is 90 */
	uint32_t isa_version;  /* 90 for .version 9.0 */
};

struct ptx_global_info {
	const char *name;
	void *address; /* host and device address */
	uint64_t size;
	bool is_const;
	bool is_managed;
};

uint32_t ptx_module_kernel_count(const struct ptx_module *module);
struct ptx_kernel *ptx_module_kernel_at(const struct ptx_module *module, uint32_t index);
struct ptx_kernel *ptx_module_kernel(const struct ptx_module *module, const char *name);
uint32_t ptx_module_global_count(const struct ptx_module *module);
int ptx_module_global_at(const struct ptx_module *module, uint32_t index,
			 struct ptx_global_info *info); /* -ENOENT */
int ptx_module_global(const struct ptx_module *module, const char *name,
		      struct ptx_global_info *info); /* -ENOENT */
void ptx_kernel_info(const struct ptx_kernel *kernel, struct ptx_kernel_info *info);

/* Compiles the kernel now instead of at its first launch; errors as ptx_module_load. */
int ptx_kernel_prepare(struct ptx_kernel *kernel, struct ptx_log *log);

/* What ended a launch. */
enum ptx_fault_kind {
	PTX_FAULT_NONE = 0,
	PTX_FAULT_CONFIG,         /* the launch itself is wrong (sizes); nothing ran */
	PTX_FAULT_COMPILE,        /* the kernel did not compile; text says why; nothing ran */
	PTX_FAULT_MEMORY_OUT,     /* no memory for stacks or shared memory; nothing ran */
	PTX_FAULT_ADDRESS,        /* access to an address that is not mapped (or not writable) */
	PTX_FAULT_MISALIGNED,     /* reported by the CPU for some accesses only */
	PTX_FAULT_INSTRUCTION,    /* illegal instruction or another CPU exception */
	PTX_FAULT_TRAP,           /* trap or brkpt */
	PTX_FAULT_ASSERT,         /* __assertfail; its line went to write_assert() */
	PTX_FAULT_STACK_OVERFLOW, /* local memory and frames over the thread's stack */
	PTX_FAULT_BAD_CALL,       /* indirect call of something that is no device function */
	PTX_FAULT_DEADLOCK,       /* every thread of the block waits */
	PTX_FAULT_CANCELLED,
};

struct ptx_fault {
	enum ptx_fault_kind kind;
	uint64_t address; /* for ADDRESS and STACK_OVERFLOW */
	uint32_t block[3];
	uint32_t thread[3]; /* the thread that did it; 0 where none can be named */
	char text[256];     /* one line for the log, with the kernel's name */
};

/* One read of a texture. Coordinates are floats or, with is_int, numbers of texels. */
struct ptx_fetch {
	uint32_t dims;  /* 1 to 3 */
	uint32_t layer; /* with is_layered */
	bool is_layered, is_int;
	uint32_t at[3]; /* bits */
	float lod;      /* 0 where the instruction names no level */
};

/* One read or write of a surface's bytes, within one row. */
struct ptx_surface {
	uint32_t dims, layer;
	bool is_layered, is_write;
	int32_t at[3];  /* x in bytes */
	uint32_t bytes; /* 1 to 16 */
};

enum ptx_texture_result {
	PTX_TEXTURE_OK,
	PTX_TEXTURE_NONE,    /* no such object, or of another shape */
	PTX_TEXTURE_OUTSIDE, /* of a surface: nothing was read or written */
};

/* What a kernel asks of its host. Any callback may be NULL. They may be called in several threads
 * at once, on a thread's small stack (at least 32 KiB left), and must not call ptx_launch. */
struct ptx_callbacks {
	void *opaque;
	/* printf: bytes in order within one call, a call holds whole printf()s. */
	void (*write)(void *opaque, const char *bytes, size_t len);
	/* The line of a failed assertion. NULL: it goes to write. */
	void (*write_assert)(void *opaque, const char *bytes, size_t len);
	/* malloc and free in a kernel. NULL: a heap of the engine's own, limited by heap_bytes. */
	void *(*alloc)(void *opaque, uint64_t bytes);
	void (*release)(void *opaque, void *address);
	/* cudaGraphSetConditional. False: no such handle, which is a fault. */
	bool (*set_condition)(void *opaque, uint64_t handle, uint32_t value);
	/* tex, suld, sust. Where they are NULL there is no such object. */
	enum ptx_texture_result (*fetch)(void *opaque, uint64_t handle,
					 const struct ptx_fetch *fetch, uint32_t texel[4]);
	enum ptx_texture_result (*surface)(void *opaque, uint64_t handle,
					   const struct ptx_surface *access, void *bytes);
};

struct ptx_launch {
	uint32_t grid[3];
	uint32_t block[3];
	uint32_t cluster[3]; /* 0 or 1 each; anything else is PTX_FAULT_CONFIG */
	uint32_t dynamic_shared;
	const void *params;   /* param_bytes of them are read; copied before anything runs */
	size_t param_bytes;   /* at least the kernel's param_bytes */
	bool cooperative;     /* all blocks resident together, grid-wide sync works */
	uint32_t stack_bytes; /* CU_LIMIT_STACK_SIZE; 0: 1024. Local memory comes on top. */
	uint64_t heap_bytes;  /* CU_LIMIT_MALLOC_HEAP_SIZE for the engine's heap; 0: 8 MiB */
	uint32_t workers;     /* OS threads that blocks are spread over; 0: one per CPU */
	uint64_t grid_id;     /* %gridid */
	const volatile int
		*cancel; /* set non-zero (an atomic store) to end the launch; seen within ~20 ms */
	struct ptx_callbacks callbacks;
};

/* Runs the grid to its end. 0, or -EFAULT (a fault of the kernel), -EINVAL (CONFIG), -ENOMEM,
 * -ECANCELED, -ENOTSUP / -ENOENT (COMPILE); fault (may be NULL) says which and where. */
int ptx_launch(struct ptx_kernel *kernel, const struct ptx_launch *launch, struct ptx_fault *fault);

const char *ptx_fault_name(enum ptx_fault_kind kind);

#endif
