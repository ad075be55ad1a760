/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's entry: a guest's bytes in a lane, down to a driver that checks what it is given.
 *
 * The first byte chooses: the rest goes into the ring as it is, or is the source of numbers from which
 * commands are made that come further (garbage.h).
 */
#include <fcntl.h>
#include <string.h>

#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/garbage.h"
#include "tests/unit/executor/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	const uint8_t *data;
	size_t left;
};

static bool source_next(void *context, uint32_t *number)
{
	struct source *source = context;

	if (source->left < sizeof(*number))
		return false;
	memcpy(number, source->data, sizeof(*number));
	source->data += sizeof(*number);
	source->left -= sizeof(*number);
	return true;
}

static int nowhere(void)
{
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

/* Lines of calls are made of the same bytes. */
static void log_all(struct harness *h)
{
	static int fd = -1;

	if (fd < 0)
		fd = nowhere();
	if (fd < 0)
		return;
	vg_log_set_fd(fd);
	h->session.log_rate.rate = 0;
	vg_log_set_level(&h->session.who, VG_LOG_DATA);
}

static void run_bytes(struct harness *h, const uint8_t *data, size_t size)
{
	harness_put(h, data, size & ~(size_t)7);
	harness_run(h);
	harness_drain(h);
}

static void run_commands(struct harness *h, const uint8_t *data, size_t size)
{
	struct source source = {data, size};
	struct garbage g = {.next = source_next, .context = &source};

	while (source.left >= sizeof(uint32_t) && garbage_command(&g, h)) {
		harness_run(h);
		garbage_learn(&g, h);
		if (*harness_breach(h))
			harness_revive(h);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct harness harness;

	if (!size)
		return 0;
	fake_driver_install(data[0] >> 4);
	harness_open(&harness, data[0] & 2 ? 1024 * 1024 : 0);
	/* There is no other lane whose command one could wait for: such a wait ends as a session's end does. */
	atomic_store(&harness.session.ending, true);
	if (data[0] & 4)
		log_all(&harness);
	if (data[0] & 8)
		ex_trace_begin(&harness.session, nowhere(), true);
	if (data[0] & 1)
		run_bytes(&harness, data + 1, size - 1);
	else
		run_commands(&harness, data + 1, size - 1);
	harness_close(&harness);
	fake_driver_reset();
	return 0;
}
