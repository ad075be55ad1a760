/* SPDX-License-Identifier: MIT */
/*
 * Two processes share memory and events of the device by IPC handles. One makes them (the giver), the
 * other opens them (the taker); they talk over a socket pair. Each verifies what it sees; the first process
 * only waits for both, since a process that has used CUDA must not fork. One that is killed
 * while it has the memory open disturbs nobody.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"
#include "tests/programs/peer.h"

#define COUNT  (1u << 18)
#define ROUNDS 20u

struct letter {
	CUipcMemHandle memory, small, gone;
	CUipcEventHandle event;
	size_t size, small_size;
};

static CUfunction step;
static int ready; /* where the victim says that it has the memory open */

static void run_step(CUdeviceptr in, CUdeviceptr out, unsigned int id, CUstream stream)
{
	unsigned int n = COUNT;
	void *params[] = {&in, &out, &id, &n};

	launch_1d(step, (COUNT + 127) / 128, 128, stream, params);
}

static unsigned int count_other(CUdeviceptr p, uint32_t value)
{
	uint32_t *host = malloc(COUNT * sizeof(*host));
	unsigned int wrong = 0;

	if (!host)
		exit(2);
	CU(cuMemcpyDtoH(host, p, COUNT * sizeof(*host)));

	for (unsigned int i = 0; i < COUNT; i++)
		wrong += host[i] != value;
	free(host);
	return wrong;
}

/* --- the giver ---------------------------------------------------------------------------------- */

static void give_checks(const struct letter *letter, CUdeviceptr memory, CUdeviceptr small)
{
	CUdeviceptr own = 0;
	CUipcMemHandle again;
	int local = 0;

	CU(cuIpcGetMemHandle(&again, memory));
	check_that(!memcmp(&again, &letter->memory, sizeof(again)), "same-handle",
		   "the same for the same memory");
	check_that(memcmp(&letter->small, &letter->memory, sizeof(again)) != 0, "other-handle",
		   "another for other memory");
	check_result("own-handle", cuIpcOpenMemHandle(&own, letter->memory, 1),
		     CUDA_ERROR_INVALID_CONTEXT);
	check_result("not-opened", cuIpcCloseMemHandle(small), CUDA_ERROR_INVALID_VALUE);
	check_that(cuIpcGetMemHandle(&again, (CUdeviceptr)(uintptr_t)&local) != CUDA_SUCCESS,
		   "handle-of-host-memory", "refused");
}

static int giver(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(chain_ptx);
	CUdeviceptr memory = 0, small = 0, gone = 0;
	struct letter letter;
	CUstream stream = NULL;
	CUevent event = NULL;
	uint32_t value = 1;

	step = module_function(module, "step");
	memset(&letter, 0, sizeof(letter));
	letter.size = COUNT * sizeof(uint32_t);
	letter.small_size = 1000;
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemAlloc(&memory, letter.size));
	CU(cuMemAlloc(&small, letter.small_size));
	CU(cuMemAlloc(&gone, 1u << 22));
	CU(cuMemsetD32(memory, value, COUNT));
	CU(cuMemsetD8(small, 0x5a, letter.small_size));
	CU(cuEventCreate(&event, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
	CU(cuIpcGetMemHandle(&letter.memory, memory));
	CU(cuIpcGetMemHandle(&letter.small, small));
	CU(cuIpcGetMemHandle(&letter.gone, gone));
	CU(cuIpcGetEventHandle(&letter.event, event));
	CU(cuCtxSynchronize());
	give_checks(&letter, memory, small);
	CU(cuMemFree(gone));
	peer_tell(&letter, sizeof(letter));
	peer_turn_take(); /* it has seen the 1s and written 7s */
	check_that(count_other(memory, 7) == 0, "taker-wrote", "%u values", COUNT);
	/* Work whose end the taker learns of by the event alone. */
	CU(cuMemsetD32(memory, 0, COUNT));
	CU(cuCtxSynchronize());
	value = 0;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		run_step(memory, memory, i, stream);
		value = value * 3 + i;
	}
	CU(cuEventRecord(event, stream));
	peer_turn_give();
	peer_turn_take(); /* it has waited for the event, seen the value and added its own */
	CU(cuEventSynchronize(event)); /* which it has recorded after that */
	check_that(count_other(memory, value * 3 + 1) == 0, "taker-recorded", "%u values", COUNT);
	peer_turn_take(); /* it has closed everything */
	CU(cuMemFree(memory));
	CU(cuMemFree(small));
	CU(cuEventDestroy(event));
	CU(cuStreamDestroy(stream));
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}

/* --- the taker ---------------------------------------------------------------------------------- */

static void take_checks(const struct letter *letter, CUdeviceptr memory)
{
	struct letter forged = *letter;
	CUdeviceptr again = 0, p = 0, base = 0;
	size_t size = 0;

	CU(cuMemGetAddressRange(&base, &size, memory + 4096));
	check_that(base == memory && size == letter->size, "address-range", "%#llx+%zu",
		   (unsigned long long)base, size);
	CU(cuIpcOpenMemHandle(&again, letter->memory, 1));
	check_that(again == memory, "opened-twice", "at one address");
	CU(cuIpcCloseMemHandle(again));
	for (unsigned int i = 8; i < sizeof(forged.memory); i++)
		forged.memory.reserved[i] ^= (char)0xa5;
	check_that(cuIpcOpenMemHandle(&p, forged.memory, 1) != CUDA_SUCCESS, "forged-handle",
		   "refused");
	check_that(cuIpcOpenMemHandle(&p, letter->gone, 1) != CUDA_SUCCESS, "freed-memory",
		   "refused");
	check_that(cuMemFree(memory) != CUDA_SUCCESS, "free-not-close", "refused");
}

static int taker(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(chain_ptx);
	CUdeviceptr memory = 0, small = 0, own = 0;
	unsigned char bytes[1000];
	struct letter letter;
	CUstream stream = NULL;
	CUevent event = NULL;
	uint32_t value = 0;

	step = module_function(module, "step");
	peer_hear(&letter, sizeof(letter));
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemAlloc(&own, letter.size));
	CU(cuIpcOpenMemHandle(&memory, letter.memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	CU(cuIpcOpenMemHandle(&small, letter.small, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	CU(cuIpcOpenEventHandle(&event, letter.event));
	check_that(count_other(memory, 1) == 0, "giver-wrote", "%u values", COUNT);
	CU(cuMemcpyDtoH(bytes, small, sizeof(bytes)));
	check_that(count_not_value(bytes, sizeof(bytes), 0x5a) == 0, "small", "%zu bytes",
		   sizeof(bytes));
	take_checks(&letter, memory);
	run_step(memory, memory, 4, stream); /* 1 * 3 + 4 */
	CU(cuStreamSynchronize(stream));
	peer_turn_give();
	peer_turn_take();
	CU(cuStreamWaitEvent(stream, event, 0));
	CU(cuMemcpyDtoDAsync(own, memory, letter.size, stream));
	run_step(memory, memory, 1, stream);
	CU(cuEventRecord(event, stream));
	peer_turn_give();
	CU(cuStreamSynchronize(stream));
	for (unsigned int i = 0; i < ROUNDS; i++)
		value = value * 3 + i;
	check_that(count_other(own, value) == 0, "waited-for-event", "%u values", COUNT);
	check_result("event-passed", cuEventQuery(event), CUDA_SUCCESS);
	CU(cuEventDestroy(event));
	CU(cuIpcCloseMemHandle(small));
	CU(cuIpcCloseMemHandle(memory));
	check_that(cuIpcCloseMemHandle(memory) != CUDA_SUCCESS, "closed-twice", "refused");
	peer_turn_give();
	CU(cuMemFree(own));
	CU(cuStreamDestroy(stream));
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}

/* --- one that is killed ------------------------------------------------------------------------- */

static int victim(void)
{
	CUdeviceptr memory = 0;
	struct letter letter;

	device_open();
	peer_hear(&letter, sizeof(letter));
	CU(cuIpcOpenMemHandle(&memory, letter.memory, 1));
	if (write(ready, "r", 1) != 1)
		return 2;
	pause();
	return 2;
}

static int survivor(void)
{
	CUdevice dev = device_open();
	struct letter letter;
	CUdeviceptr memory = 0;

	memset(&letter, 0, sizeof(letter));
	CU(cuMemAlloc(&memory, COUNT * sizeof(uint32_t)));
	CU(cuMemsetD32(memory, 3, COUNT));
	CU(cuIpcGetMemHandle(&letter.memory, memory));
	peer_tell(&letter, sizeof(letter));
	peer_turn_take(); /* the victim has been killed */
	check_that(count_other(memory, 3) == 0, "survivor", "%u values", COUNT);
	CU(cuMemFree(memory));
	device_close(dev);
	return check_end();
}

static void check_killed(void)
{
	int pair[2], opened[2], status = -1;
	pid_t stays, goes;
	char byte = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(opened))
		exit(2);
	ready = opened[1];
	stays = peer_start(survivor, pair[0], pair[1]);
	goes = peer_start(victim, pair[1], pair[0]);
	close(opened[1]);
	if (read(opened[0], &byte, 1) != 1)
		byte = 0;
	kill(goes, SIGKILL);
	waitpid(goes, &status, 0);
	peer_socket = pair[1];
	peer_turn_give();
	check_that(peer_ended_well(stays), "killed-taker", "the giver goes on (%c)", byte);
	close(opened[0]);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	peer_two(SOCK_STREAM, giver, taker);
	check_killed();
	return check_end();
}
