/* SPDX-License-Identifier: MIT */
/*
 * The run time under generated code: what a thread, a block and a grid look like to it (fields are read by
 * offset), and the helpers that it calls. Helpers run on the CUDA thread's own small stack; each may
 * switch to another thread of the block where it says "may wait", or end the launch where it says "ends".
 */
#ifndef SOFT_PTX_RT_H
#define SOFT_PTX_RT_H

#include "ptx.h"

#include <stdbool.h>
#include <stdint.h>

struct ptx_worker;
struct ptx_fiber;

/* Behind what a kernel may ask for: cooperative groups keep barriers there; zero when a block starts. */
#define PTX_RESERVED_SHARED_BYTES 1024u

/* The same for all threads of a launch. */
struct ptx_grid {
	uint32_t ntid[3];
	uint32_t nctaid[3];
	uint32_t threads; /* of a block */
	uint32_t warps;   /* of a block */
	uint64_t grid_id;
	uint32_t dynamic_offset; /* of extern .shared */
	uint32_t dynamic_bytes;
	uint32_t shared_bytes; /* static + dynamic */
	uint32_t nsmid;
	uint32_t envreg[32];
};

enum ptx_wait {
	PTX_RUNNABLE,
	PTX_WAIT_BAR,
	PTX_WAIT_WARP,
	PTX_WAIT_ACTIVE,
	PTX_EXITED
};

/* The head of struct ptx_block (sched.h). */
struct ptx_block;
struct ptx_block_head {
	uint32_t ctaid[3];
};

/* One CUDA thread. The upper part stays as it is from block to block of a run. */
struct ptx_thread {
	struct ptx_block *block;
	struct ptx_grid *grid;
	const volatile uint8_t *poke; /* non-zero: a loop must call ptx_rt_poll */
	uint8_t *shared;              /* base of the block's shared memory */
	uint32_t tid[3];
	uint32_t lane;
	uint32_t warp;
	uint32_t spin; /* counts what a waiting loop does, see ptx_rt_spin */
	uint32_t smid;

	/* Below here generated code does not look. */
	uint32_t linear;
	enum ptx_wait wait;
	struct ptx_fiber *fiber; /* while it runs or waits */
	struct ptx_thread *next; /* in the ready queue */
	/* A warp-wide operation that it waits for. */
	uint32_t op_kind, op_mask, op_a, op_b, op_c;
	uint64_t op_value, op_result;
};

/* A device function's address is that of its descriptor. */
#define PTX_FUNC_MAGIC 0x50545866756e6331ull
struct ptx_func_desc {
	uint64_t magic;
	void *code; /* NULL until a kernel with indirect calls is compiled */
	const char *name;
};

/* sync.c, collective.c */
void ptx_rt_poll(struct ptx_thread *t);  /* may wait, ends when cancelled */
void ptx_rt_yield(struct ptx_thread *t); /* lets others run */
void ptx_rt_exit(struct ptx_thread *t) __attribute__((noreturn));
void ptx_rt_trap(struct ptx_thread *t) __attribute__((noreturn));
void ptx_rt_bad_call(struct ptx_thread *t, uint64_t target) __attribute__((noreturn));
/* space: PTX_SPACE_GLOBAL, _SHARED or _LOCAL (ast.h) */
uint32_t ptx_rt_isspacep(struct ptx_thread *t, uint64_t address, uint32_t space);
void *ptx_rt_call_target(struct ptx_thread *t, uint64_t target); /* ends when it is no function */
void ptx_rt_assert(struct ptx_thread *t, uint64_t message, uint64_t file, uint32_t line,
		   uint64_t function, uint64_t char_size) __attribute__((noreturn));
/* count 0: all threads. Wait for the barrier; red 0 none, 1 popc, 2 and, 3 or. */
uint32_t ptx_rt_bar(struct ptx_thread *t, uint32_t id, uint32_t count, uint32_t red,
		    uint32_t value);
void ptx_rt_bar_arrive(struct ptx_thread *t, uint32_t id, uint32_t count);

enum ptx_warp_op {
	PTX_WARP_BAR,
	PTX_WARP_SHFL_UP,
	PTX_WARP_SHFL_DOWN,
	PTX_WARP_SHFL_BFLY,
	PTX_WARP_SHFL_IDX,
	PTX_WARP_VOTE_ALL,
	PTX_WARP_VOTE_ANY,
	PTX_WARP_VOTE_UNI,
	PTX_WARP_VOTE_BALLOT,
	PTX_WARP_MATCH_ANY,
	PTX_WARP_MATCH_ALL,
	PTX_WARP_REDUX_ADD,
	PTX_WARP_REDUX_MIN_U,
	PTX_WARP_REDUX_MAX_U,
	PTX_WARP_REDUX_MIN_S,
	PTX_WARP_REDUX_MAX_S,
	PTX_WARP_REDUX_AND,
	PTX_WARP_REDUX_OR,
	PTX_WARP_REDUX_XOR,
	PTX_WARP_ELECT,
	PTX_WARP_ACTIVE,
};
/* All lanes of mask call it with the same op; may wait. Low 32 bits: result, bit 32: predicate. */
uint64_t ptx_rt_warp(struct ptx_thread *t, uint32_t op, uint32_t mask, uint64_t value, uint32_t b,
		     uint32_t c);
/* Lanes that are at the same site (any number that tells it). */
uint32_t ptx_rt_activemask(struct ptx_thread *t, uint32_t site);

/* mbar.c: barriers that are words of shared memory */
enum ptx_mbar_op {
	PTX_MBAR_INIT,
	PTX_MBAR_ARRIVE,   /* count arrivals */
	PTX_MBAR_DROP,     /* one arrival, and one less is expected from then on */
	PTX_MBAR_EXPECT,   /* count more bytes are expected in this phase */
	PTX_MBAR_COMPLETE, /* count bytes have come */
};
/* Gives the state before. */
uint64_t ptx_rt_mbar(struct ptx_thread *t, uint64_t address, uint32_t op, uint32_t count);
/* Has the phase of `state` (or of that parity) ended? Where not, others run first. */
uint32_t ptx_rt_mbar_test(struct ptx_thread *t, uint64_t address, uint64_t state,
			  uint32_t is_parity);
uint32_t ptx_rt_mbar_pending(uint64_t state);

/* rt_bits.c */
uint32_t ptx_rt_prmt(uint32_t a, uint32_t b, uint32_t selector, uint32_t mode);
uint32_t ptx_rt_fns(uint32_t mask, uint32_t base, int32_t offset);
uint32_t ptx_rt_dp4a(uint32_t a, uint32_t b, uint32_t c, uint32_t a_signed, uint32_t b_signed);
uint32_t ptx_rt_dp2a(uint32_t a, uint32_t b, uint32_t c, uint32_t a_signed, uint32_t b_signed,
		     uint32_t high);
uint64_t ptx_rt_globaltimer(void);
uint64_t ptx_rt_clock(void);
void ptx_rt_nanosleep(struct ptx_thread *t, uint32_t ns);

/* rt_math.c: op with a rounding mode, 0 nearest, 1 zero, 2 down, 3 up */
enum ptx_fop {
	PTX_FOP_ADD,
	PTX_FOP_SUB,
	PTX_FOP_MUL,
	PTX_FOP_DIV,
	PTX_FOP_SQRT,
	PTX_FOP_FMA,
	PTX_FOP_COUNT
};
float ptx_rt_round_f32(uint32_t op, uint32_t mode, float a, float b, float c);
double ptx_rt_round_f64(uint32_t op, uint32_t mode, double a, double b, double c);
float ptx_rt_f64_to_f32(double a, uint32_t mode);
float ptx_rt_i64_to_f32(uint64_t a, uint32_t is_signed, uint32_t mode);
double ptx_rt_i64_to_f64(uint64_t a, uint32_t is_signed, uint32_t mode);
float ptx_rt_tf32(float a, uint32_t away);

/* rt_half.c: format 0 is f16, 1 is bf16; 32-bit carriers */
float ptx_rt_h2f(uint32_t h, uint32_t format);
uint32_t ptx_rt_f2h(float a, uint32_t format, uint32_t mode);
uint32_t ptx_rt_d2h(double a, uint32_t format, uint32_t mode);
uint32_t ptx_rt_fma_h(uint32_t a, uint32_t b, uint32_t c, uint32_t format);
/* fp8: format 0 e4m3, 1 e5m2; saturating to finite */
uint32_t ptx_rt_f2e(float a, uint32_t format);
uint32_t ptx_rt_e2h(uint32_t e, uint32_t format);

/* rt_atom.c; op is enum ptx_mod (names.h) */
void ptx_rt_copy_fill(uint64_t to, uint64_t from, uint32_t bytes, uint32_t valid);
uint64_t ptx_rt_atom(uint64_t address, uint32_t op, uint32_t type, uint64_t value,
		     uint64_t compare);

/* rt_print.c */
uint32_t ptx_rt_vprintf(struct ptx_thread *t, uint64_t format, uint64_t buffer);
void ptx_rt_set_condition(struct ptx_thread *t, uint64_t handle, uint32_t value);
/* rt_tex.c; flags: enum ptx_tex_flags, geometry in the low byte */
enum ptx_tex_flags {
	PTX_TEX_DIMS = 3,
	PTX_TEX_LAYERED = 4,
	PTX_TEX_INT = 8,    /* coordinates */
	PTX_TEX_WRITE = 16, /* of surfaces from here on */
	PTX_TEX_TRAP = 32,  /* outside: a fault; otherwise zeros, or nothing is written */
	PTX_TEX_BYTES = 8,  /* how far bytes are shifted */
};
void ptx_rt_tex(struct ptx_thread *t, uint64_t handle, uint32_t flags, uint32_t *at, uint32_t lod,
		uint32_t *texel);
void ptx_rt_surface(struct ptx_thread *t, uint64_t handle, uint32_t flags, uint32_t *at,
		    void *bytes);
/* heap.c */
uint64_t ptx_rt_malloc(struct ptx_thread *t, uint64_t bytes);
void ptx_rt_free(struct ptx_thread *t, uint64_t address);

#endif
