/* SPDX-License-Identifier: MIT */
/*
 * Which shares a client holds, and whether it may have more.
 */
#ifndef FE_ACCOUNT_H
#define FE_ACCOUNT_H

#include "xen-frontend/frontd/client.h"

/* Pages in, and number of, the client's shares of one kind. */
uint32_t fe_account_pages(const struct fe_client *client, uint32_t kind);
uint32_t fe_account_count(const struct fe_client *client, uint32_t kind);
bool fe_account_holds(struct fe_client *client, uint32_t kind, uint32_t id);

/* A share that the backend has; takes the offer over. 0 or -ENOMEM. */
int fe_account_add(struct fe_client *client, const struct vg_control_share *share,
		   struct fe_offer *offer);
/* One that it has let go; unknown: nothing. */
void fe_account_remove(struct fe_client *client, uint32_t kind, uint32_t id);
/* The program has gone: said in its lanes, as the kernel would if the pages were not kept. */
void fe_account_mourn(const struct fe_client *client);
void fe_account_free(struct fe_client *client);

/* By vgpu-frontd's own limits, for all programs and for those of the client's user. */
bool fe_account_pages_allowed(const struct fe_client *client, uint32_t kind, uint32_t more);
bool fe_account_session_allowed(const struct fe_client *client);

#endif
