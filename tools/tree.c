/* SPDX-License-Identifier: MIT */
/*
 * The three xenstore trees of a device: what a toolstack writes and removes. Everything happens in
 * transactions, so that the device is there as a whole or not at all.
 */
#include "tools/vgpu.h"

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
	struct vgpu *vgpu;
	uint32_t domid;
	int devid;
	const struct vg_settings_text *settings;
};

/* Runs `work` in a transaction until it is committed or fails. */
static int tree_commit(struct tree_job *job, int (*work)(struct tree_job *job, xs_transaction_t t))
{
	int wanted = job->devid;

	for (int i = 0; i < COMMIT_TRIES; i++) {
		xs_transaction_t t = xs_transaction_start(job->vgpu->xs);
		int rc;

		if (t == XBT_NULL)
			return -errno;
		job->devid = wanted;
		rc = work(job, t);
		if (!xs_transaction_end(job->vgpu->xs, t, rc != 0) && !rc)
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

	tree_path(dir, tree->path, job->domid, (uint32_t)job->devid);
	perms[count++] = (struct xs_permissions){tree->guest_owns ? job->domid : 0, XS_PERM_NONE};
	if (tree->guest_reads)
		perms[count++] = (struct xs_permissions){job->domid, XS_PERM_READ};
	if (tree->dom0_reads)
		perms[count++] = (struct xs_permissions){0, XS_PERM_READ};
	/* What an earlier device of this number has left goes first. */
	if (vg_store_remove(job->vgpu->xs, t, dir, NULL) || !xs_mkdir(job->vgpu->xs, t, dir) ||
	    !xs_set_permissions(job->vgpu->xs, t, dir, perms, count))
		return -errno;
	return 0;
}

/* The fixed keys of a directory: what the schema says equals something, and where we start. */
static int tree_key(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id,
		    const char *name, const char *value)
{
	char dir[VG_STORE_PATH];

	tree_path(dir, vg_schema_trees[id].path, job->domid, (uint32_t)job->devid);
	return vg_store_write(job->vgpu->xs, t, dir, name, value);
}

static int tree_fill_backend(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id)
{
	char frontend[VG_STORE_PATH], domid[16];
	int rc = 0;

	tree_path(frontend, VG_PATH_FRONTEND, job->domid, (uint32_t)job->devid);
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

	tree_path(backend, VG_PATH_BACKEND, job->domid, (uint32_t)job->devid);
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
	return vg_store_exists(job->vgpu->xs, t, dir);
}

static int tree_number(struct tree_job *job, xs_transaction_t t)
{
	if (job->devid >= 0)
		return tree_taken(job, t, (uint32_t)job->devid) ? -EEXIST : 0;
	for (uint32_t i = 0; i <= VGPU_DEVID_MAX; i++) {
		if (!tree_taken(job, t, i)) {
			job->devid = (int)i;
			return 0;
		}
	}
	return -ENOSPC;
}

static int work_add(struct tree_job *job, xs_transaction_t t)
{
	static const enum vg_schema_tree_id trees[] = {VG_TREE_LIBXL, VG_TREE_BACKEND,
						       VG_TREE_FRONTEND};
	char home[32];
	int rc;

	snprintf(home, sizeof(home), "/local/domain/%u", job->domid);
	if (!vg_store_exists(job->vgpu->xs, t, home))
		return -ENOENT;
	rc = tree_number(job, t);
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]) && !rc; i++)
		rc = tree_mkdir(job, t, trees[i]);
	if (!rc)
		rc = tree_fill_backend(job, t, VG_TREE_LIBXL);
	if (!rc)
		rc = tree_fill_backend(job, t, VG_TREE_BACKEND);
	return rc ? rc : tree_fill_frontend(job, t);
}

int vgpu_tree_add(struct vgpu *vgpu, uint32_t domid, int *devid,
		  const struct vg_settings_text *settings)
{
	struct tree_job job = {vgpu, domid, *devid, settings};
	int rc = tree_commit(&job, work_add);

	if (!rc)
		*devid = job.devid;
	return rc;
}

static int work_close(struct tree_job *job, xs_transaction_t t)
{
	char dir[VG_STORE_PATH];
	int rc;

	tree_path(dir, VG_PATH_BACKEND, job->domid, (uint32_t)job->devid);
	if (!vg_store_exists(job->vgpu->xs, t, dir))
		return -ENOENT;
	rc = vg_store_write(job->vgpu->xs, t, dir, VG_KEY_ONLINE, "0");
	return rc ? rc : vg_store_write(job->vgpu->xs, t, dir, VG_KEY_STATE, "5");
}

int vgpu_tree_close(struct vgpu *vgpu, uint32_t domid, uint32_t devid)
{
	struct tree_job job = {vgpu, domid, (int)devid, NULL};

	return tree_commit(&job, work_close);
}

static int work_remove(struct tree_job *job, xs_transaction_t t)
{
	static const char *const formats[] = {VG_PATH_FRONTEND, VG_PATH_BACKEND, VG_PATH_LIBXL,
					      VG_PATH_BACKEND_ERROR};
	char dir[VG_STORE_PATH];
	int rc = 0;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && !rc; i++) {
		tree_path(dir, formats[i], job->domid, (uint32_t)job->devid);
		rc = vg_store_remove(job->vgpu->xs, t, dir, NULL);
	}
	return rc;
}

int vgpu_tree_remove(struct vgpu *vgpu, uint32_t domid, uint32_t devid)
{
	static const char *const parents[] = {VG_PATH_BACKEND_DOMAIN, VG_PATH_FRONTEND_DOMAIN,
					      VG_PATH_LIBXL_DOMAIN, VG_PATH_BACKEND_ERROR_DOMAIN};
	struct tree_job job = {vgpu, domid, (int)devid, NULL};
	char dir[VG_STORE_PATH];
	int rc = tree_commit(&job, work_remove);

	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]) && !rc; i++) {
		tree_path(dir, parents[i], domid, 0);
		vg_store_prune(vgpu->xs, dir);
	}
	if (!rc)
		vg_store_prune(vgpu->xs, VG_PATH_BACKEND_ALL);
	return rc;
}

bool vgpu_tree_exists(struct vgpu *vgpu, uint32_t domid, uint32_t devid)
{
	char dir[VG_STORE_PATH];

	tree_path(dir, VG_PATH_BACKEND, domid, devid);
	if (vg_store_exists(vgpu->xs, XBT_NULL, dir))
		return true;
	tree_path(dir, VG_PATH_LIBXL, domid, devid);
	return vg_store_exists(vgpu->xs, XBT_NULL, dir);
}

int vgpu_tree_state(struct vgpu *vgpu, uint32_t domid, uint32_t devid, char *error, size_t size)
{
	char dir[VG_STORE_PATH];
	uint64_t state;

	tree_path(dir, VG_PATH_BACKEND, domid, devid);
	if (vg_store_read(vgpu->xs, XBT_NULL, dir, VG_KEY_ERROR, error, size))
		*error = '\0';
	if (vg_store_read_uint(vgpu->xs, XBT_NULL, dir, VG_KEY_STATE, 0, 8, &state))
		return 0;
	return (int)state;
}
