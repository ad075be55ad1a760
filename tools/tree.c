/* SPDX-License-Identifier: MIT */
/*
 * The three xenstore trees of a device: what a toolstack writes and removes. Everything happens in
 * transactions, so that the device is there as a whole or not at all.
 */
#include "tools/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_TRIES 32

static void tree_path(char *path, const char *format, uint32_t domid, uint32_t devid)
{
	/* The formats are the schema's, each of two numbers. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(path, VG_STORE_PATH, format, domid, devid);
#pragma GCC diagnostic pop
}

struct tree_job {
	struct xs_handle *xs;
	uint32_t domid;
	uint32_t devid; /* the device that is at hand */
	const struct vg_settings_text *settings;
	struct vgpu_device *devices; /* vgpu_tree_add() */
	size_t count;
};

/* Runs `work` in a transaction until it is committed or fails. */
static int tree_commit(struct tree_job *job, int (*work)(struct tree_job *job, xs_transaction_t t))
{
	for (int i = 0; i < COMMIT_TRIES; i++) {
		xs_transaction_t t = xs_transaction_start(job->xs);
		int rc;

		if (t == XBT_NULL)
			return -errno;
		rc = work(job, t);
		if (!xs_transaction_end(job->xs, t, rc != 0) && !rc)
			rc = -errno;
		if (rc != -EAGAIN)
			return rc;
	}
	return -EBUSY;
}

/* A directory with its permissions: whoever comes first owns it. */
static int tree_mkdir(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id)
{
	const struct vg_schema_tree *tree = &vg_schema_trees[id];
	struct xs_permissions perms[3];
	char dir[VG_STORE_PATH];
	unsigned int count = 0;

	tree_path(dir, tree->path, job->domid, job->devid);
	perms[count++] = (struct xs_permissions){tree->guest_owns ? job->domid : 0, XS_PERM_NONE};
	if (tree->guest_reads)
		perms[count++] = (struct xs_permissions){job->domid, XS_PERM_READ};
	if (tree->dom0_reads)
		perms[count++] = (struct xs_permissions){0, XS_PERM_READ};
	/* What an earlier device of this number has left goes first. */
	if (vg_store_remove(job->xs, t, dir, NULL) || !xs_mkdir(job->xs, t, dir) ||
	    !xs_set_permissions(job->xs, t, dir, perms, count))
		return -errno;
	return 0;
}

/* The fixed keys of a directory: what the schema says equals something, and where we start. */
static int tree_key(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id,
		    const char *name, const char *value)
{
	char dir[VG_STORE_PATH];

	tree_path(dir, vg_schema_trees[id].path, job->domid, job->devid);
	return vg_store_write(job->xs, t, dir, name, value);
}

static int tree_fill_backend(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id)
{
	char frontend[VG_STORE_PATH], domid[16];
	int rc = 0;

	tree_path(frontend, VG_PATH_FRONTEND, job->domid, job->devid);
	snprintf(domid, sizeof(domid), "%u", job->domid);
	for (size_t i = 0; i < job->settings->count && !rc; i++)
		if (*job->settings->value[i])
			rc = tree_key(job, t, id, job->settings->key[i]->name,
				      job->settings->value[i]);
	if (!rc)
		rc = tree_key(job, t, id, VG_KEY_FRONTEND, frontend);
	if (!rc)
		rc = tree_key(job, t, id, VG_KEY_FRONTEND_ID, domid);
	if (!rc)
		rc = tree_key(job, t, id, VG_KEY_ONLINE, "1");
	return rc ? rc : tree_key(job, t, id, VG_KEY_STATE, "1");
}

static int tree_fill_frontend(struct tree_job *job, xs_transaction_t t)
{
	char backend[VG_STORE_PATH];
	int rc;

	tree_path(backend, VG_PATH_BACKEND, job->domid, job->devid);
	rc = tree_key(job, t, VG_TREE_FRONTEND, VG_KEY_BACKEND, backend);
	if (!rc)
		rc = tree_key(job, t, VG_TREE_FRONTEND, VG_KEY_BACKEND_ID, "0");
	if (!rc)
		rc = tree_key(job, t, VG_TREE_FRONTEND, VG_KEY_STATE, "1");
	return rc ? rc : tree_key(job, t, VG_TREE_LIBXL, VG_KEY_BACKEND, backend);
}

static bool tree_taken(struct tree_job *job, xs_transaction_t t, uint32_t devid)
{
	char dir[VG_STORE_PATH];

	tree_path(dir, VG_PATH_LIBXL, job->domid, devid);
	return vg_store_exists(job->xs, t, dir);
}

static int tree_number(struct tree_job *job, xs_transaction_t t, int wanted)
{
	if (wanted >= 0) {
		job->devid = (uint32_t)wanted;
		return tree_taken(job, t, job->devid) ? -EEXIST : 0;
	}
	for (job->devid = 0; job->devid <= VGPU_DEVID_MAX; job->devid++)
		if (!tree_taken(job, t, job->devid))
			return 0;
	return -ENOSPC;
}

static int tree_add_device(struct tree_job *job, xs_transaction_t t, struct vgpu_device *device)
{
	static const enum vg_schema_tree_id trees[] = {VG_TREE_LIBXL, VG_TREE_BACKEND,
						       VG_TREE_FRONTEND};
	int rc = tree_number(job, t, device->devid);

	job->settings = &device->settings;
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]) && !rc; i++)
		rc = tree_mkdir(job, t, trees[i]);
	if (!rc)
		rc = tree_fill_backend(job, t, VG_TREE_LIBXL);
	if (!rc)
		rc = tree_fill_backend(job, t, VG_TREE_BACKEND);
	if (!rc)
		device->number = job->devid;
	return rc ? rc : tree_fill_frontend(job, t);
}

static int work_add(struct tree_job *job, xs_transaction_t t)
{
	char home[32];
	int rc = 0;

	snprintf(home, sizeof(home), "/local/domain/%u", job->domid);
	if (!vg_store_exists(job->xs, t, home))
		return -ENOENT;
	for (size_t i = 0; i < job->count && !rc; i++)
		rc = tree_add_device(job, t, &job->devices[i]);
	return rc;
}

int vgpu_tree_add(struct xs_handle *xs, uint32_t domid, struct vgpu_device *devices, size_t count)
{
	struct tree_job job = {.xs = xs, .domid = domid, .devices = devices, .count = count};

	return tree_commit(&job, work_add);
}

static int work_close(struct tree_job *job, xs_transaction_t t)
{
	char dir[VG_STORE_PATH];
	int rc;

	tree_path(dir, VG_PATH_BACKEND, job->domid, job->devid);
	if (!vg_store_exists(job->xs, t, dir))
		return -ENOENT;
	rc = vg_store_write(job->xs, t, dir, VG_KEY_ONLINE, "0");
	return rc ? rc : vg_store_write(job->xs, t, dir, VG_KEY_STATE, "5");
}

int vgpu_tree_close(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	struct tree_job job = {.xs = xs, .domid = domid, .devid = devid};

	return tree_commit(&job, work_close);
}

static int work_remove(struct tree_job *job, xs_transaction_t t)
{
	static const char *const formats[] = {VG_PATH_FRONTEND, VG_PATH_BACKEND, VG_PATH_LIBXL,
					      VG_PATH_BACKEND_ERROR};
	char dir[VG_STORE_PATH];
	int rc = 0;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && !rc; i++) {
		tree_path(dir, formats[i], job->domid, job->devid);
		rc = vg_store_remove(job->xs, t, dir, NULL);
	}
	return rc;
}

int vgpu_tree_remove(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	static const char *const parents[] = {VG_PATH_BACKEND_DOMAIN, VG_PATH_FRONTEND_DOMAIN,
					      VG_PATH_LIBXL_DOMAIN, VG_PATH_BACKEND_ERROR_DOMAIN};
	struct tree_job job = {.xs = xs, .domid = domid, .devid = devid};
	char dir[VG_STORE_PATH];
	int rc = tree_commit(&job, work_remove);

	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]) && !rc; i++) {
		tree_path(dir, parents[i], domid, 0);
		vg_store_prune(xs, dir);
	}
	if (!rc)
		vg_store_prune(xs, VG_PATH_BACKEND_ALL);
	return rc;
}

bool vgpu_tree_exists(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	char dir[VG_STORE_PATH];

	tree_path(dir, VG_PATH_BACKEND, domid, devid);
	if (vg_store_exists(xs, XBT_NULL, dir))
		return true;
	tree_path(dir, VG_PATH_LIBXL, domid, devid);
	return vg_store_exists(xs, XBT_NULL, dir);
}

int vgpu_tree_state(struct xs_handle *xs, uint32_t domid, uint32_t devid, char *error, size_t size)
{
	char dir[VG_STORE_PATH];
	uint64_t state;

	tree_path(dir, VG_PATH_BACKEND, domid, devid);
	if (vg_store_read(xs, XBT_NULL, dir, VG_KEY_ERROR, error, size))
		*error = '\0';
	if (vg_store_read_uint(xs, XBT_NULL, dir, VG_KEY_STATE, 0, 8, &state))
		return 0;
	return (int)state;
}

int vgpu_tree_list(struct xs_handle *xs, uint32_t domid, uint32_t *devids, size_t size)
{
	char dir[VG_STORE_PATH];

	tree_path(dir, VG_PATH_LIBXL_DOMAIN, domid, 0);
	return vg_store_list_numbers(xs, XBT_NULL, dir, VGPU_DEVID_MAX, devids, size);
}

int vgpu_tree_settings(struct xs_handle *xs, uint32_t domid, uint32_t devid,
		       struct vg_settings_text *text)
{
	char dir[VG_STORE_PATH], why[VG_SCHEMA_WHY];

	tree_path(dir, VG_PATH_LIBXL, domid, devid);
	vg_settings_text_init(text);
	for (size_t i = 0; i < text->count; i++) {
		char value[VG_SETTING_VALUE_MAX];
		int rc = vg_store_read(xs, XBT_NULL, dir, text->key[i]->name, value, sizeof(value));

		if (!rc)
			rc = vg_settings_text_set(text, text->key[i]->name, value, why);
		if (rc && rc != -ENOENT)
			return rc;
	}
	return 0;
}
