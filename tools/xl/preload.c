/* SPDX-License-Identifier: MIT */
/*
 * vgpu-xl.so: the key `vgpu` for the distribution's xl, put in front of libxl and libxlutil by
 * LD_PRELOAD. Each function here has the name of one of theirs, does what is ours, and calls the
 * real one, which RTLD_NEXT finds at run time: nothing of a Xen version is linked.
 *
 *   xlu_cfg_readdata                        the key is read and checked, before there is a domain
 *   libxl_domain_create_new, _restore       the devices are attached while the domain is paused
 *   libxl_retrieve_domain_configuration     a domain is about to be made anew
 *   libxl_domain_soft_reset                 as a reboot, with the same domid
 *   libxl_domain_qualifier_to_domid,        a domain with vGPUs is not saved or migrated
 *   libxl_domain_suspend, _remus_start
 *
 * In a process that is not xl (the shell that a distribution starts xl with, say) nothing is called,
 * and xl's own children do not get the library. Without the key nothing is said and xenstore is not
 * asked for anything. Threads: libxl calls back into none of these.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/xl/libxl.h"
#include "tools/xl/xl.h"

#define KEY        "vgpu"
#define INTERPOSED __attribute__((visibility("default")))
/* The real function of the same name and type. */
#define REAL(name) ((__typeof__(&(name)))xl_real(#name))

static bool saves; /* the command takes a domain away: save, migrate, remus */

void xl_say(const char *format, ...)
{
	va_list args;

	fputs("xl: " KEY ": ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* A caller of ours has the same function in its own table, so it is there; if not, xl could not go on. */
static void *xl_real(const char *name)
{
	void *real = dlsym(RTLD_NEXT, name);

	if (!real) {
		xl_say("this xl's libraries have no %s: it is not one of Xen 4.14 or later", name);
		_exit(EXIT_FAILURE);
	}
	return real;
}

/* --- at the start of the process ------------------------------------------------------------- */

/* xl takes any beginning of a command's name that is no other's beginning. */
static bool is_command(const char *word, const char *command)
{
	return *word && !strncmp(word, command, strlen(word));
}

/* The programs that xl starts have no use for this library: our entry leaves LD_PRELOAD. */
static void preload_leave(void)
{
	static const char name[] = "/vgpu-xl.so";
	const char *list = getenv("LD_PRELOAD");
	char *kept = list ? strdup(list) : NULL, *rest = kept, *entry;
	size_t used = 0;

	if (!kept)
		return;
	while ((entry = strsep(&rest, ": "))) {
		size_t length = strlen(entry);

		if (!length || (length >= sizeof(name) - 1 &&
				!strcmp(entry + length - (sizeof(name) - 1), name)))
			continue;
		if (used)
			kept[used++] = ':';
		memmove(kept + used, entry, length);
		used += length;
	}
	kept[used] = '\0';
	if (used)
		setenv("LD_PRELOAD", kept, 1);
	else
		unsetenv("LD_PRELOAD");
	free(kept);
}

void xl_start(const char *words, size_t length)
{
	const char *end = words + length;
	const char *word = words + strlen(words) + 1;

	while (word < end && *word == '-')
		word += strlen(word) + 1;
	saves = word < end && (is_command(word, "save") || is_command(word, "migrate") ||
			       is_command(word, "remus"));
}

/* The command is among the first words: more of the line is not needed. */
static void command_read(void)
{
	char words[512] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, words, sizeof(words) - 1);

	if (fd >= 0)
		close(fd);
	if (length > 0)
		xl_start(words, (size_t)length);
}

__attribute__((constructor)) static void preload_start(void)
{
	if (!dlsym(RTLD_NEXT, "libxl_ctx_alloc"))
		return;
	preload_leave();
	command_read();
}

/* --- the configuration ------------------------------------------------------------------------ */

static int config_item(const XLU_ConfigList *list, int i, struct xl_specs *specs)
{
	const char *item = REAL(xlu_cfg_get_listitem)(list, i);
	char why[VG_SCHEMA_WHY];

	if (!item) {
		xl_say("entry %d is no string: write " KEY " = [ 'gpu=0,mem=8G', ... ]", i + 1);
		return EINVAL;
	}
	if (!xl_specs_add(specs, item, why))
		return 0;
	xl_say("'%s': %s", item, why);
	return EINVAL;
}

/* 0 or an errno value, after a message. */
static int config_read(const XLU_Config *cfg, struct xl_specs *specs)
{
	XLU_ConfigList *list;
	char why[VG_SCHEMA_WHY];
	int count, rc = REAL(xlu_cfg_get_list)(cfg, KEY, &list, &count, 1);

	if (rc == ESRCH)
		return 0;
	if (rc) {
		xl_say("it must be a list: write " KEY " = [ 'gpu=0,mem=8G', ... ]");
		return EINVAL;
	}
	for (int i = 0; i < count && !rc; i++)
		rc = config_item(list, i, specs);
	if (!rc && xl_specs_number(specs, why)) {
		xl_say("%s", why);
		rc = EINVAL;
	}
	return rc;
}

INTERPOSED int xlu_cfg_readdata(XLU_Config *cfg, const char *data, int length)
{
	struct xl_specs specs = {0};
	int rc = REAL(xlu_cfg_readdata)(cfg, data, length);

	if (!rc)
		rc = config_read(cfg, &specs);
	if (rc) {
		xl_specs_clear(&specs);
		return rc;
	}
	if (saves && specs.count)
		xl_say("a saved or migrated domain takes no vGPUs along: give `xl restore` a "
		       "configuration with this key, or use `xl vgpu-attach` when it runs");
	xl_next_from_config(&specs);
	return 0;
}

INTERPOSED int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid,
						   libxl_domain_config *d_config,
						   const libxl_asyncop_how *ao_how)
{
	xl_next_from_domain(domid);
	return REAL(libxl_retrieve_domain_configuration)(ctx, domid, d_config, ao_how);
}

/* --- a domain is made ------------------------------------------------------------------------- */

/* Before: what would fail anyway fails while there is no domain. */
static bool create_ready(const libxl_asyncop_how *ao_how)
{
	if (!xl_next()->count)
		return true;
	if (ao_how) {
		xl_say("a domain that is made in the background cannot be given vGPUs");
		return false;
	}
	return xl_next_is_again() || xl_backends_ready(xl_next());
}

/* After: as libxl does when one of its own devices cannot be added, the domain goes. */
static int create_finish(libxl_ctx *ctx, uint32_t *domid)
{
	if (xl_next()->count && !xl_devices_attach(xl_next(), *domid, xl_next_is_again())) {
		xl_say("domain %u cannot have its vGPUs and is destroyed", *domid);
		REAL(libxl_domain_destroy)(ctx, *domid, NULL);
		*domid = XL_INVALID_DOMID;
		return XL_ERROR_FAIL;
	}
	xl_made(*domid);
	return 0;
}

INTERPOSED int libxl_domain_create_new(libxl_ctx *ctx, libxl_domain_config *d_config,
				       uint32_t *domid, const libxl_asyncop_how *ao_how,
				       const libxl_asyncprogress_how *aop_console_how)
{
	int rc;

	if (!create_ready(ao_how))
		return XL_ERROR_FAIL;
	rc = REAL(libxl_domain_create_new)(ctx, d_config, domid, ao_how, aop_console_how);
	return rc || ao_how ? rc : create_finish(ctx, domid);
}

INTERPOSED int libxl_domain_create_restore(libxl_ctx *ctx, libxl_domain_config *d_config,
					   uint32_t *domid, int restore_fd, int send_back_fd,
					   const libxl_domain_restore_params *params,
					   const libxl_asyncop_how *ao_how,
					   const libxl_asyncprogress_how *aop_console_how)
{
	int rc;

	if (!create_ready(ao_how))
		return XL_ERROR_FAIL;
	rc = REAL(libxl_domain_create_restore)(ctx, d_config, domid, restore_fd, send_back_fd,
					       params, ao_how, aop_console_how);
	return rc || ao_how ? rc : create_finish(ctx, domid);
}

/*
 * The domain keeps its number and loses its memory and its devices, ours too: they are taken away in
 * order before, so that nothing of it is mapped, and are there again before it runs.
 */
INTERPOSED int libxl_domain_soft_reset(libxl_ctx *ctx, libxl_domain_config *d_config,
				       uint32_t domid, const libxl_asyncop_how *ao_how,
				       const libxl_asyncprogress_how *aop_console_how)
{
	struct xl_specs had = {0};
	char text[8];
	int rc;

	if (!ao_how && xl_devices_count(domid, text, sizeof(text)))
		xl_devices_detach(domid, &had);
	rc = REAL(libxl_domain_soft_reset)(ctx, d_config, domid, ao_how, aop_console_how);
	if (!rc && had.count && !xl_devices_attach(&had, domid, true))
		rc = XL_ERROR_FAIL;
	xl_specs_clear(&had);
	return rc;
}

/* --- a domain is taken away ------------------------------------------------------------------- */

/* What a program has on the GPU is not part of the domain's memory: it cannot be saved. */
static bool save_refused(uint32_t domid, const char *name)
{
	char devids[64], number[16];

	if (!xl_devices_count(domid, devids, sizeof(devids)))
		return false;
	snprintf(number, sizeof(number), "%u", domid);
	xl_say("domain %s has vGPUs (%s), and what its programs have on a GPU cannot be saved or "
	       "migrated: detach them first (xl vgpu-detach %s DEVID); nothing was changed",
	       name ? name : number, devids, name ? name : number);
	return true;
}

/*
 * Every command looks its domain up first. This one ends here, before it has overwritten a file or
 * called another host; xl itself ends in the same way when there is no such domain.
 */
INTERPOSED int libxl_domain_qualifier_to_domid(libxl_ctx *ctx, const char *name, uint32_t *domid)
{
	int rc = REAL(libxl_domain_qualifier_to_domid)(ctx, name, domid);

	if (!rc && saves && save_refused(*domid, name))
		exit(EXIT_FAILURE);
	return rc;
}

/* Should a device have come meanwhile, or another command lead here. */
INTERPOSED int libxl_domain_suspend(libxl_ctx *ctx, uint32_t domid, int fd, int flags,
				    const libxl_asyncop_how *ao_how)
{
	if (save_refused(domid, NULL))
		return XL_ERROR_INVAL;
	return REAL(libxl_domain_suspend)(ctx, domid, fd, flags, ao_how);
}

INTERPOSED int libxl_domain_remus_start(libxl_ctx *ctx, libxl_domain_remus_info *info,
					uint32_t domid, int send_fd, int recv_fd,
					const libxl_asyncop_how *ao_how)
{
	if (save_refused(domid, NULL))
		return XL_ERROR_INVAL;
	return REAL(libxl_domain_remus_start)(ctx, info, domid, send_fd, recv_fd, ao_how);
}
