/* SPDX-License-Identifier: MIT */
/*
 * The list of this guest's vGPUs, kept equal to its directory in xenstore: hot plug and unplug.
 * One thread.
 */
#include <stdio.h>
#include <string.h>

#include "xen-frontend/frontd/broker.h"
#include "xen-frontend/frontd/client.h"
#include "xen-frontend/frontd/clock.h"
#include "xen-frontend/frontd/device.h"

#define DEVICES_MAX  VG_SESSION_DEVICES
#define DEVID_MAX    UINT8_MAX /* as control messages have them */
#define DEVICES_PATH "device/vgpu"

static bool listed(const uint32_t *numbers, int count, uint32_t devid)
{
	for (int i = 0; i < count; i++)
		if (numbers[i] == devid)
			return true;
	return false;
}

static void device_insert(struct fe_broker *broker, struct fe_device *device)
{
	struct fe_device **at = &broker->devices;

	while (*at && (*at)->devid < device->devid)
		at = &(*at)->next;
	device->next = *at;
	*at = device;
}

static void device_find(struct fe_broker *broker, uint32_t devid)
{
	struct fe_device *device;

	for (device = broker->devices; device; device = device->next)
		if (device->devid == devid)
			return;
	device = fe_device_new(broker->xs, devid, &fe_client_events, broker);
	if (!device) {
		vg_error(&broker->log, "op=attach device=%u error=\"no memory\"", devid);
		return;
	}
	device->limit_max = broker->options.pages_max;
	device->log.dom = broker->log.dom;
	device->log.level = broker->log.level;
	vg_info(&device->log, "op=attach");
	device_insert(broker, device);
}

static void devices_scan(struct fe_broker *broker)
{
	uint32_t numbers[DEVICES_MAX];
	int count = vg_store_list_numbers(broker->xs, XBT_NULL, DEVICES_PATH, DEVID_MAX, numbers,
					  DEVICES_MAX);
	struct fe_device **at = &broker->devices;

	if (count < 0) {
		vg_error(&broker->log, "op=scan error=\"%s\"", strerror(-count));
		return;
	}
	while (*at) {
		struct fe_device *device = *at;

		if (listed(numbers, count, device->devid)) {
			at = &device->next;
			continue;
		}
		vg_info(&device->log, "op=detach");
		*at = device->next;
		fe_device_free(device, "the vGPU was detached from this guest");
	}
	for (int i = 0; i < count; i++)
		device_find(broker, numbers[i]);
}

void fe_devices_step(struct fe_broker *broker)
{
	uint64_t now = fe_clock_ms();

	if (broker->scan)
		devices_scan(broker);
	broker->scan = false;
	for (struct fe_device *d = broker->devices; d; d = d->next) {
		if (d->dirty || fe_device_timed(d))
			fe_device_step(d, now);
		fe_device_rung(d);
	}
}

void fe_devices_free(struct fe_broker *broker, const char *why)
{
	while (broker->devices) {
		struct fe_device *device = broker->devices;

		broker->devices = device->next;
		fe_device_free(device, why);
	}
}
