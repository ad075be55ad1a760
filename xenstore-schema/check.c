/* SPDX-License-Identifier: MIT */
/*
 * vgpu-schema-check: walks the live xenstore and holds each vgpu device against the schema: which
 * nodes are there for the state that the device is in, their types and ranges, owners and
 * permissions. Run in dom0 as root. Trusts nothing that it reads; writes nothing.
 *
 * Exit status: 0 all is as the schema says, 1 something is not, 2 the check could not be made.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "xenstore-schema/schema.h"
#include "xenstore-schema/store.h"

#define DOMAINS_MAX  4096
#define DEVID_MAX    255u
#define DOMID_MAX    VG_SCHEMA_DOMID_MAX
#define TRIES        20

#define BACKENDS_MAX 64

struct check {
	struct xs_handle *xs;
	xs_transaction_t
		t; /* one device is looked at in one transaction, so that it is consistent */
	struct vg_schema_device device;
	unsigned int backend_state, frontend_state; /* 0: none */
	bool quiet;                                 /* a try that may have to be repeated */
	unsigned int devices, nodes, faults;
	unsigned int backends[BACKENDS_MAX]; /* domains that have backends of ours */
	unsigned int backend_count;
};

__attribute__((format(printf, 2, 3))) static void fault(struct check *check, const char *format,
							...)
{
	va_list args;

	check->faults++;
	if (check->quiet)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void tree_dir(const struct check *check, enum vg_schema_tree_id id, char *dir)
{
	vg_schema_path(dir, id, VG_LEVEL_DEVICE, &check->device);
}

/* --- permissions ----------------------------------------------------------------------------- */

static const char *perms_text(const struct xs_permissions *perms, unsigned int count, char *text)
{
	static const char letters[] = "nrwb"; /* by XS_PERM_READ and XS_PERM_WRITE */
	int used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < count && used < 100; i++)
		used += snprintf(text + used, 128 - (size_t)used, "%s%c%u", i ? "," : "",
				 letters[perms[i].perms & 3], perms[i].id);
	return text;
}

static void check_perms(struct check *check, const struct vg_schema_tree *tree, const char *path)
{
	struct xs_permissions want[3], *have;
	unsigned int want_count = 0, have_count = 0;
	char want_text[128], have_text[128];

	want[want_count++] = (struct xs_permissions){vg_schema_domain(tree->owner, &check->device),
						     XS_PERM_NONE};
	for (size_t i = 0; i < tree->reader_count; i++) {
		unsigned int reader = vg_schema_domain(tree->readers[i], &check->device);

		if (reader != want[0].id)
			want[want_count++] = (struct xs_permissions){reader, XS_PERM_READ};
	}
	have = xs_get_permissions(check->xs, check->t, path, &have_count);
	if (!have) {
		fault(check, "%s: its permissions cannot be read: %s", path, strerror(errno));
		return;
	}
	perms_text(want, want_count, want_text);
	perms_text(have, have_count, have_text);
	if (strcmp(want_text, have_text) != 0)
		fault(check, "%s: permissions are %s, not %s", path, have_text, want_text);
	free(have);
}

/* --- keys ------------------------------------------------------------------------------------ */

static bool key_due(const struct check *check, const struct vg_schema_key *key)
{
	unsigned int state = key->side == VG_SIDE_BACKEND ? check->backend_state
							  : check->frontend_state;

	return key->present == VG_PRESENT_ALWAYS ||
	       (key->present == VG_PRESENT_STATES && (key->states & (1u << state)));
}

static void check_key(struct check *check, const struct vg_schema_tree *tree, const char *dir,
		      const char *name, const struct vg_schema_key *key)
{
	char value[VG_STORE_VALUE], path[VG_STORE_PATH], why[VG_SCHEMA_WHY];
	int rc = vg_store_read(check->xs, check->t, dir, name, value, sizeof(value));

	check->nodes++;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		rc = -ENAMETOOLONG;
	if (rc)
		fault(check, "%s: cannot be read: %s", path, strerror(-rc));
	else if (vg_schema_check(key, value, &check->device, why))
		fault(check, "%s: %s", path, why);
	if (!rc)
		check_perms(check, tree, path);
}

static void check_extra(struct check *check, const struct vg_schema_tree *tree, const char *dir,
			const char *name)
{
	if (tree->extra_is_error)
		fault(check, "%s/%s: no such key in the schema", dir, name);
}

static bool name_in(char **names, unsigned int count, const char *name)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* Keys of tree `from`, its own or those that it copies, that are due and not among the names. */
static void check_missing(struct check *check, enum vg_schema_tree_id id,
			  const struct vg_schema_tree *from, char **names, unsigned int count,
			  const char *dir)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct vg_schema_key *key = &from->keys[i];

		if (vg_schema_find(id, key->name) == key && key_due(check, key) &&
		    !name_in(names, count, key->name))
			fault(check, "%s/%s: missing (backend's state %u, frontend's %u)", dir,
			      key->name, check->backend_state, check->frontend_state);
	}
}

static void check_tree(struct check *check, enum vg_schema_tree_id id)
{
	const struct vg_schema_tree *tree = &vg_schema_trees[id];
	char dir[VG_SCHEMA_PATH];
	unsigned int count = 0;
	char **names;

	tree_dir(check, id, dir);
	names = xs_directory(check->xs, check->t, dir, &count);
	if (!names) {
		if (!tree->optional)
			fault(check, "%s: missing: %s", dir, strerror(errno));
		return;
	}
	check_perms(check, tree, dir);
	for (unsigned int i = 0; i < count; i++) {
		const struct vg_schema_key *key = vg_schema_find(id, names[i]);

		if (key)
			check_key(check, tree, dir, names[i], key);
		else
			check_extra(check, tree, dir, names[i]);
	}
	check_missing(check, id, tree, names, count, dir);
	if (tree->copies >= 0)
		check_missing(check, id, &vg_schema_trees[tree->copies], names, count, dir);
	free(names);
}

/* --- devices --------------------------------------------------------------------------------- */

static unsigned int read_state(struct check *check, enum vg_schema_tree_id id)
{
	char dir[VG_SCHEMA_PATH];
	uint64_t state = 0;

	tree_dir(check, id, dir);
	vg_store_read_uint(check->xs, check->t, dir, VG_KEY_STATE, 1, 6, &state);
	return (unsigned int)state;
}

static bool device_exists(struct check *check)
{
	for (enum vg_schema_tree_id id = 0; id < VG_TREE_COUNT; id++) {
		char dir[VG_SCHEMA_PATH];

		tree_dir(check, id, dir);
		if (!vg_schema_trees[id].optional && vg_store_exists(check->xs, check->t, dir))
			return true;
	}
	return false;
}

static void check_trees(struct check *check)
{
	if (!device_exists(check)) /* gone since it was listed */
		return;
	check->backend_state = read_state(check, VG_TREE_BACKEND);
	check->frontend_state = read_state(check, VG_TREE_FRONTEND);
	for (enum vg_schema_tree_id id = 0; id < VG_TREE_COUNT; id++)
		check_tree(check, id);
}

/* A try that fails, or that somebody wrote into, is made again: writers have a moment to finish. */
static void check_device(struct check *check)
{
	static const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	unsigned int faults = check->faults, nodes = check->nodes;

	check->devices++;
	for (int i = 0; i < TRIES; i++) {
		bool clean;

		check->faults = faults;
		check->nodes = nodes;
		check->quiet = i < TRIES - 1;
		check->t = xs_transaction_start(check->xs);
		if (check->t == XBT_NULL)
			break;
		check_trees(check);
		clean = xs_transaction_end(check->xs, check->t, false);
		if (clean && check->faults == faults) {
			printf("domain %u vGPU %u: %u nodes are as the schema says (backend's state %u, "
			       "frontend's %u)\n",
			       check->device.domid, check->device.devid, check->nodes - nodes,
			       check->backend_state, check->frontend_state);
			return;
		}
		nanosleep(&pause, NULL);
	}
	printf("domain %u vGPU %u: %u faults\n", check->device.domid, check->device.devid,
	       check->faults - faults);
}

/* Who serves it: by the toolstack's record; of what has none, whoever has a directory of it. */
static void find_backend(struct check *check)
{
	char dir[VG_SCHEMA_PATH], path[VG_SCHEMA_PATH];

	tree_dir(check, VG_TREE_LIBXL, dir);
	if (!vg_store_read(check->xs, XBT_NULL, dir, VG_KEY_BACKEND, path, sizeof(path)) &&
	    !vg_schema_backend_of(path, &check->device))
		return;
	for (unsigned int i = 0; i < check->backend_count; i++) {
		check->device.backend = check->backends[i];
		tree_dir(check, VG_TREE_BACKEND, dir);
		if (vg_store_exists(check->xs, XBT_NULL, dir))
			return;
	}
	check->device.backend = 0;
}

static void see_devices(struct check *check, enum vg_schema_tree_id id, bool *seen)
{
	uint32_t devids[DEVID_MAX + 1];
	char dir[VG_SCHEMA_PATH];
	int count;

	vg_schema_path(dir, id, VG_LEVEL_DOMAIN, &check->device);
	count = vg_store_list_numbers(check->xs, XBT_NULL, dir, DEVID_MAX, devids,
				      sizeof(devids) / sizeof(devids[0]));
	for (int i = 0; i < count; i++)
		seen[devids[i]] = true;
}

/* The devices of one domain, in whichever of the trees they are. */
static void check_domain(struct check *check, uint32_t domid)
{
	bool seen[DEVID_MAX + 1] = {false};

	check->device = (struct vg_schema_device){.domid = domid};
	see_devices(check, VG_TREE_FRONTEND, seen);
	see_devices(check, VG_TREE_LIBXL, seen);
	for (unsigned int i = 0; i < check->backend_count; i++) {
		check->device.backend = check->backends[i];
		see_devices(check, VG_TREE_BACKEND, seen);
	}
	for (uint32_t devid = 0; devid <= DEVID_MAX; devid++) {
		check->device.devid = devid;
		if (!seen[devid])
			continue;
		find_backend(check);
		check_device(check);
	}
}

static bool seen_domains[DOMID_MAX + 1];

static int see_domains(struct check *check, const char *dir, uint32_t *domids)
{
	int count = vg_store_list_numbers(check->xs, XBT_NULL, dir, DOMID_MAX, domids, DOMAINS_MAX);

	for (int i = 0; i < count; i++)
		seen_domains[domids[i]] = true;
	return count;
}

/* Domains that are there or serve somebody, and those that they serve. */
static void see_backends(struct check *check)
{
	static uint32_t domains[DOMAINS_MAX], served[DOMAINS_MAX];
	int count = see_domains(check, "/local/domain", domains);

	for (int i = 0; i < count && check->backend_count < BACKENDS_MAX; i++) {
		const struct vg_schema_device id = {.backend = domains[i]};
		char dir[VG_SCHEMA_PATH];

		vg_schema_path(dir, VG_TREE_BACKEND, VG_LEVEL_ALL, &id);
		if (see_domains(check, dir, served) > 0)
			check->backends[check->backend_count++] = domains[i];
	}
	see_domains(check, "/libxl", served);
}

/* Domains that have a device by anybody's account; those that have gone must have left nothing. */
static void check_all(struct check *check)
{
	for (uint32_t domid = 0; domid <= DOMID_MAX; domid++)
		if (seen_domains[domid])
			check_domain(check, domid);
}

static bool arguments(struct check *check, int argc, char **argv, bool *all)
{
	uint64_t domid = 0, devid = 0;

	*all = argc == 1;
	if (argc != 1 && argc != 3)
		return false;
	if (argc == 3 && (!vg_parse_uint(argv[1], &domid) || domid > DOMID_MAX ||
			  !vg_parse_uint(argv[2], &devid) || devid > DEVID_MAX))
		return false;
	check->device = (struct vg_schema_device){(unsigned int)domid, (unsigned int)devid, 0};
	return true;
}

int main(int argc, char **argv)
{
	struct check check = {.t = XBT_NULL};
	bool all;

	if (!arguments(&check, argc, argv, &all)) {
		fprintf(stderr, "usage: vgpu-schema-check [DOMID DEVID]\n");
		return 2;
	}
	check.xs = xs_open(0);
	if (!check.xs) {
		fprintf(stderr, "vgpu-schema-check: cannot reach xenstore: %s\n", strerror(errno));
		return 2;
	}
	see_backends(&check);
	if (all) {
		check_all(&check);
	} else {
		find_backend(&check);
		check_device(&check);
	}
	xs_close(check.xs);
	printf("%u devices, %u nodes, %u faults\n", check.devices, check.nodes, check.faults);
	return check.faults ? 1 : 0;
}
