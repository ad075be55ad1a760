/* SPDX-License-Identifier: MIT */
/*
 * The checksum of the runtime's self-test: see integrity.h. The constants and the order of the
 * fields are published by other projects that stand in for the driver. Any thread.
 */
#include "protocol/integrity.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "protocol/md2.h"

static const uint8_t key[16] = {0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52,
				0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f};

#define FIXED_LOW_0 UINT64_C(0x3341181C03CB675C)
#define FIXED_LOW_1 UINT64_C(0x1841181C03CB675C)
#define FIXED_HIGH  UINT64_C(0x8ED383AA1F4CD1E8)

static void sum_facts(struct vg_hmac_md2 *hmac, const struct vg_integrity *facts)
{
	vg_hmac_md2_add(hmac, &facts->driver_version, sizeof(facts->driver_version));
	vg_hmac_md2_add(hmac, &facts->version, sizeof(facts->version));
	vg_hmac_md2_add(hmac, &facts->pid, sizeof(facts->pid));
	vg_hmac_md2_add(hmac, &facts->thread, sizeof(facts->thread));
	vg_hmac_md2_add(hmac, &facts->cudart_table, sizeof(facts->cudart_table));
	vg_hmac_md2_add(hmac, &facts->integrity_table, sizeof(facts->integrity_table));
	vg_hmac_md2_add(hmac, &facts->function, sizeof(facts->function));
	vg_hmac_md2_add(hmac, &facts->seconds, sizeof(facts->seconds));
}

static void sum_device(struct vg_hmac_md2 *hmac, const struct vg_integrity_device *device)
{
	vg_hmac_md2_add(hmac, device->uuid, sizeof(device->uuid));
	vg_hmac_md2_add(hmac, &device->domain, sizeof(device->domain));
	vg_hmac_md2_add(hmac, &device->bus, sizeof(device->bus));
	vg_hmac_md2_add(hmac, &device->device, sizeof(device->device));
}

void vg_integrity_sum(const struct vg_integrity *facts, const struct vg_integrity_device *devices,
		      size_t count, uint64_t out[2])
{
	struct vg_hmac_md2 hmac;
	uint8_t digest[VG_MD2_SIZE];

	out[0] = facts->version % 10 == 0 ? FIXED_LOW_0 : FIXED_LOW_1;
	out[1] = FIXED_HIGH;
	if (facts->version % 10 < 2)
		return;
	vg_hmac_md2_start(&hmac, key, sizeof(key));
	sum_facts(&hmac, facts);
	for (size_t i = 0; i < count; i++)
		sum_device(&hmac, &devices[i]);
	vg_hmac_md2_end(&hmac, digest);
	memcpy(out, digest, sizeof(digest));
}

void vg_integrity_answer(const struct vg_integrity_tables *tables, int driver_version,
			 const struct vg_integrity_device *devices, size_t count, uint32_t version,
			 uint64_t seconds, uint64_t out[2])
{
	const struct vg_integrity facts = {
		.driver_version = (uint32_t)driver_version,
		.version = version,
		.pid = (uint32_t)getpid(),
		.thread = (uint32_t)(uintptr_t)pthread_self(),
		.cudart_table = tables->cudart,
		.integrity_table = tables->integrity,
		.function = tables->integrity[1],
		.seconds = seconds,
	};

	vg_integrity_sum(&facts, devices, count, out);
}
