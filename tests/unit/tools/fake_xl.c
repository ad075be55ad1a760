/* SPDX-License-Identifier: MIT */
/*
 * An xl for the wrapper's test: it links libfakexl.so as xl links libxl, and makes xl's calls.
 *
 *   xl create SPEC...   a configuration with vgpu = [ SPEC... ]; what the domain has before it runs
 *   xl save DOMID       a domain that has a vGPU, saved
 *   xl WORD...          prints how it was called; help as xl's
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/backend/fake_xs.h"
#include "tests/unit/tools/fake_libxl.h"
#include "tools/xl/libxl.h"

int libxl_ctx_alloc(libxl_ctx **ctx, int version, unsigned int flags, void *logger);

static int create(int count, char **specs)
{
	XLU_Config config = {.count = count, .list_rc = count ? 0 : ESRCH};
	uint32_t domid = ~(uint32_t)0;
	int rc;

	for (int i = 0; i < count && i < FAKE_ITEMS; i++)
		config.items[i] = specs[i];
	rc = xlu_cfg_readdata(&config, "", 0);
	if (rc) {
		fprintf(stderr, "Failed to parse config: %s\n", strerror(rc));
		return 1;
	}
	rc = libxl_domain_create_new(NULL, NULL, &domid, NULL, NULL);
	if (rc)
		return -rc;
	printf("domain %u\n", domid);
	for (uint32_t i = 0; fake_libxl_device(domid, i, "gpu"); i++)
		printf("vgpu %u %s\n", i, fake_libxl_device(domid, i, "gpu"));
	return 0;
}

static int save(const char *name)
{
	uint32_t domid;

	fake_xs_set("/libxl/5/device/vgpu/0/gpu", "soft");
	if (libxl_domain_qualifier_to_domid(NULL, name, &domid))
		return 1;
	return libxl_domain_suspend(NULL, domid, 3, 0, NULL) ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *preload = getenv("LD_PRELOAD");
	libxl_ctx *ctx;
	int first = 1;

	libxl_ctx_alloc(&ctx, 0, 0, NULL);
	fake_libxl_reset();
	while (first < argc && argv[first][0] == '-')
		first++;
	if (first < argc && !strcmp(argv[first], "create"))
		return create(argc - first - 1, argv + first + 1);
	if (first == argc - 2 && !strcmp(argv[first], "save"))
		return save(argv[first + 1]);
	printf("xl");
	for (int i = 1; i < argc; i++)
		printf(" [%s]", argv[i]);
	printf("\nLD_PRELOAD %s\n", preload ? preload : "is not set");
	return first < argc ? 0 : 1;
}
