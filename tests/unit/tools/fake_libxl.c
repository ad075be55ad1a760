/* SPDX-License-Identifier: MIT */
/*
 * Includes the installed headers of Xen and ours: both declare the same functions, so that this file
 * does not compile when they differ.
 */
#include <libxl.h>
#include <libxl_utils.h>
#include <libxlutil.h>

#include "tests/unit/tools/fake_libxl.h"
#include "tools/xl/libxl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/backend/fake_xs.h"

#define DOMAINS 32
#define DEVICES 8

struct fake_libxl fake_libxl;

static void domain_appears(uint32_t domid)
{
	char path[64];

	fake_xs_domain(domid, true);
	snprintf(path, sizeof(path), "/local/domain/%u/device", domid);
	fake_xs_set(path, "");
	snprintf(path, sizeof(path), "/libxl/%u/device", domid);
	fake_xs_set(path, "");
}

/* As libxl leaves it: the backend's nodes of a device that it does not know stay. */
void fake_libxl_domain_gone(uint32_t domid)
{
	char path[64];

	fake_xs_domain(domid, false);
	snprintf(path, sizeof(path), "/libxl/%u", domid);
	fake_xs_remove(path);
}

void fake_libxl_reset(void)
{
	fake_libxl = (struct fake_libxl){.next_domid = 1};
	fake_xs_reset();
	fake_xs_set("/local/domain/0/backend", "");
	fake_xs_on_commit(fake_vgpud_look);
}

const char *fake_libxl_device(uint32_t domid, uint32_t devid, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "/local/domain/%u/backend/vgpu/%u/%u/%s", fake_libxl.backend,
		 domid, devid, key);
	return fake_xs_get(path);
}

static void device_set(uint32_t domid, uint32_t devid, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/local/domain/%u/backend/vgpu/%u/%u/%s", fake_libxl.backend,
		 domid, devid, key);
	fake_xs_set(path, value);
}

static void device_look(uint32_t domid, uint32_t devid)
{
	const char *state = fake_libxl_device(domid, devid, "state");
	const char *gpu = fake_libxl_device(domid, devid, "gpu");

	if (!state || !gpu)
		return;
	if (!strcmp(state, "5"))
		device_set(domid, devid, "state", "6");
	if (strcmp(state, "1") != 0)
		return;
	if (!strcmp(gpu, "9"))
		device_set(domid, devid, "error", "there is no GPU 9");
	else
		device_set(domid, devid, "state", "2");
}

void fake_vgpud_look(void)
{
	for (uint32_t domid = 1; domid < DOMAINS; domid++)
		for (uint32_t devid = 0; devid < DEVICES; devid++)
			device_look(domid, devid);
}

/* --- libxlutil --- */

int xlu_cfg_readdata(XLU_Config *cfg, const char *data, int length)
{
	(void)data;
	(void)length;
	return cfg->read_rc;
}

int xlu_cfg_get_list(const XLU_Config *cfg, const char *n, XLU_ConfigList **list_r, int *entries_r,
		     int dont_warn)
{
	if (strcmp(n, "vgpu") != 0 || !dont_warn)
		abort();
	*list_r = (XLU_ConfigList *)cfg;
	*entries_r = cfg->count;
	return cfg->list_rc;
}

const char *xlu_cfg_get_listitem(const XLU_ConfigList *list, int entry)
{
	return ((const XLU_Config *)list)->items[entry];
}

/* --- libxl --- */

/* That it is there tells the library that it is in xl. */
int libxl_ctx_alloc(libxl_ctx **pctx, int version, unsigned flags, xentoollog_logger *lg)
{
	(void)version;
	(void)flags;
	(void)lg;
	*pctx = NULL;
	return 0;
}

static int create(uint32_t *domid)
{
	if (fake_libxl.create_rc)
		return fake_libxl.create_rc;
	*domid = fake_libxl.next_domid++;
	domain_appears(*domid);
	return 0;
}

int libxl_domain_create_new(libxl_ctx *ctx, libxl_domain_config *d_config, uint32_t *domid,
			    const libxl_asyncop_how *ao_how,
			    const libxl_asyncprogress_how *aop_console_how)
{
	(void)ctx;
	(void)d_config;
	(void)ao_how;
	(void)aop_console_how;
	fake_libxl.created++;
	return create(domid);
}

int libxl_domain_create_restore(libxl_ctx *ctx, libxl_domain_config *d_config, uint32_t *domid,
				int restore_fd, int send_back_fd,
				const libxl_domain_restore_params *params,
				const libxl_asyncop_how *ao_how,
				const libxl_asyncprogress_how *aop_console_how)
{
	(void)ctx;
	(void)d_config;
	(void)params;
	(void)ao_how;
	(void)aop_console_how;
	if (restore_fd != 5 || send_back_fd != -1)
		abort();
	fake_libxl.restored++;
	return create(domid);
}

int libxl_domain_soft_reset(libxl_ctx *ctx, libxl_domain_config *d_config, uint32_t domid,
			    const libxl_asyncop_how *ao_how,
			    const libxl_asyncprogress_how *aop_console_how)
{
	(void)ctx;
	(void)d_config;
	(void)ao_how;
	(void)aop_console_how;
	fake_libxl.resets++;
	for (uint32_t devid = 0; devid < DEVICES; devid++)
		fake_libxl.devices_at_reset |= fake_libxl_device(domid, devid, "state") != NULL;
	fake_libxl_domain_gone(domid);
	domain_appears(domid);
	return fake_libxl.create_rc;
}

int libxl_domain_destroy(libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *ao_how)
{
	(void)ctx;
	(void)ao_how;
	fake_libxl.destroyed++;
	fake_libxl_domain_gone(domid);
	return 0;
}

int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid,
					libxl_domain_config *d_config,
					const libxl_asyncop_how *ao_how)
{
	(void)ctx;
	(void)domid;
	(void)d_config;
	(void)ao_how;
	return fake_libxl.retrieve_rc;
}

int libxl_domain_qualifier_to_domid(libxl_ctx *ctx, const char *name, uint32_t *domid)
{
	(void)ctx;
	*domid = (uint32_t)strtoul(name, NULL, 10);
	return *domid ? 0 : ERROR_INVAL;
}

int libxl_domain_suspend(libxl_ctx *ctx, uint32_t domid, int fd, int flags,
			 const libxl_asyncop_how *ao_how)
{
	(void)ctx;
	(void)domid;
	(void)fd;
	(void)flags;
	(void)ao_how;
	fake_libxl.suspended++;
	return 0;
}

int libxl_domain_remus_start(libxl_ctx *ctx, libxl_domain_remus_info *info, uint32_t domid,
			     int send_fd, int recv_fd, const libxl_asyncop_how *ao_how)
{
	(void)ctx;
	(void)info;
	(void)domid;
	(void)send_fd;
	(void)recv_fd;
	(void)ao_how;
	fake_libxl.remus++;
	return 0;
}
