/* SPDX-License-Identifier: MIT */
/*
 * What this session holds of a vGPU's quota of device memory: of each vGPU that it has, which `gpu` numbers
 * (gpus.h), on its own. Bytes are taken before the driver is asked and given back when it has refused
 * or freed; they stand in the vGPU's shared account (protocol/account.h) where there is one. Any thread.
 */
#ifndef EX_ACCOUNT_H
#define EX_ACCOUNT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/account.h"
#include "protocol/control.h"
#include "protocol/cuda_types.h"
#include "protocol/handle.h"

struct ex_call;
struct ex_session;
struct ex_settings;

/* Of all accounts of a session together, as the counters show it. */
struct ex_held {
	atomic_ullong bytes;
	struct vg_stats *stats;
};

struct ex_account {
	uint64_t limit;          /* bytes, 0: none; does not change */
	struct vg_account *page; /* mapped; NULL: this session has the limit to itself */
	int fd;                  /* of the page; its locks hang on it. -1: none */
	unsigned int slot;
	struct ex_held *all;
	pthread_mutex_t lock;
	uint64_t held;             /* under the lock: by this session, whatever the page says */
	struct ex_charge *charges; /* likewise; all that there are, owned */
};

/* Of the vGPU at that place. Maps its page, if any; the descriptor is then the account's. 0 or -errno. */
int ex_account_init(struct ex_account *account, const struct ex_settings *settings,
		    unsigned int place, struct ex_held *all);
void ex_account_dispose(struct ex_account *account);

/* False: over the quota, or somebody keeps the account's lock. */
bool ex_account_take(struct ex_account *account, uint64_t bytes);
/* The driver has taken them already: the account says so, over the quota or not. */
void ex_account_force(struct ex_account *account, uint64_t bytes);
void ex_account_give(struct ex_account *account, uint64_t bytes);
uint64_t ex_account_held(struct ex_account *account);
/* For NVML in the guest's processes: whose session this is, and how many contexts it has. */
void ex_account_enter(struct ex_account *account, uint32_t pid);
void ex_account_contexts(struct ex_account *account, uint32_t contexts);
/* By all executors of the vGPU. */
uint64_t ex_account_used(struct ex_account *account);

/*
 * The same for the session's calls: before a refusal, what pools hold and what the driver has taken
 * is looked at anew, since memory may have come back.
 */
bool ex_memory_take(struct ex_session *session, unsigned int gpu, uint64_t bytes);
/* After a call that may have waited for the device: what it has given back or taken meanwhile. */
void ex_memory_settle(struct ex_session *session);
/* What an allocation of so many bytes takes of the device (UINT64_MAX if that is no number). */
uint64_t ex_memory_size(const struct ex_session *session, uint64_t bytes);

/* Bytes that several things share: given back with the last of them. NULL is fine for both. */
struct ex_charge;
/* NULL: refused */
struct ex_charge *ex_charge_new(struct ex_session *session, unsigned int gpu, uint64_t bytes);
/* Of no bytes: memory of another process by its offer, which is left with the last drop. */
struct ex_charge *ex_charge_import(struct ex_session *session, unsigned int gpu,
				   unsigned int offer);
uint64_t ex_charge_bytes(const struct ex_charge *charge);
unsigned int ex_charge_gpu(const struct ex_charge *charge);
/* A number for it, under which it is offered: the offer ends with the last drop. */
uint64_t ex_charge_object(struct ex_session *session, struct ex_charge *charge);
void ex_charge_use(struct ex_charge *charge);
void ex_charge_drop(struct ex_session *session, struct ex_charge *charge);
/*
 * Enters a driver's object that has just been made under a handle of its own, with whose end the
 * charge (NULL: none) is dropped. The generated code finds the handle again. False: the table is full.
 */
bool ex_charge_bind(struct ex_call *call, enum vg_handle_type type, void *real,
		    struct ex_charge *charge);
/*
 * Pays for something that has been made whose size only the driver knows (usage.h), or `estimate`.
 * CUDA_ERROR_OUT_OF_MEMORY: to be undone, and then ex_usage_look. charge: the estimate's, or NULL.
 */
CUresult ex_charge_made(struct ex_session *session, unsigned int gpu, uint64_t estimate,
			struct ex_charge **charge);

#endif
