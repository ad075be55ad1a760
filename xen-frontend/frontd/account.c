/* SPDX-License-Identifier: MIT */
/*
 * Who holds how much: shares of a client, pages and sessions of a user and of the whole guest. Sums are
 * made when they are asked for, over some hundred clients at most: there is no counter to go astray.
 */
#include "xen-frontend/frontd/account.h"

#include <errno.h>
#include <stdlib.h>

uint32_t fe_account_pages(const struct fe_client *client, uint32_t kind)
{
	uint32_t sum = 0;

	for (const struct fe_hold *hold = client->holds; hold; hold = hold->next)
		sum += hold->kind == kind ? hold->offer.pages.pages : 0;
	return sum;
}

uint32_t fe_account_count(const struct fe_client *client, uint32_t kind)
{
	uint32_t count = 0;

	for (const struct fe_hold *hold = client->holds; hold; hold = hold->next)
		count += hold->kind == kind;
	return count;
}

static struct fe_hold **hold_find(struct fe_client *client, uint32_t kind, uint32_t id)
{
	struct fe_hold **at = &client->holds;

	while (*at && ((*at)->kind != kind || (*at)->id != id))
		at = &(*at)->next;
	return at;
}

uint32_t fe_client_pages(const struct fe_client *client)
{
	uint32_t pages =
		fe_account_pages(client, VG_SHARE_LANE) + fe_account_pages(client, VG_SHARE_REGION);

	if (client->offer.pages.fd >= 0)
		pages += client->offer.pages.pages;
	return pages;
}

/*
 * A thread without a lane can do nothing, whereas copies without pinned pages are merely slower: the last quarter
 * is for lanes.
 */
static uint32_t most_pinned(uint32_t pages_max)
{
	return pages_max - pages_max / 4;
}

static uint32_t client_pinned(const struct fe_client *client)
{
	uint32_t pages = fe_account_pages(client, VG_SHARE_REGION);

	if (client->offer.pages.fd >= 0 && client->request.u.share.kind == VG_SHARE_REGION)
		pages += client->offer.pages.pages;
	return pages;
}

static uint64_t pages_of_all(const struct fe_client *client,
			     uint32_t (*pages)(const struct fe_client *))
{
	uint64_t sum = 0;

	for (const struct fe_client *c = client->broker->clients; c; c = c->next)
		sum += pages(c);
	return sum;
}

static uint64_t pages_of_user(const struct fe_client *client,
			      uint32_t (*pages)(const struct fe_client *))
{
	uint64_t sum = 0;

	for (const struct fe_client *c = client->broker->clients; c; c = c->next)
		sum += c->uid == client->uid ? pages(c) : 0;
	return sum;
}

bool fe_account_pages_allowed(const struct fe_client *client, uint32_t kind, uint32_t more)
{
	const struct fe_options *options = &client->broker->options;

	if (pages_of_all(client, fe_client_pages) + more > options->pages_max ||
	    pages_of_user(client, fe_client_pages) + more > options->pages_max_user)
		return false;
	return kind != VG_SHARE_REGION ||
	       (pages_of_all(client, client_pinned) + more <= most_pinned(options->pages_max) &&
		pages_of_user(client, client_pinned) + more <=
			most_pinned(options->pages_max_user));
}

/* Sessions that are ending take nobody's place, but as many again may be at most. */
bool fe_account_session_allowed(const struct fe_client *client)
{
	const struct fe_options *options = &client->broker->options;
	unsigned int all = 1, user = 1, ending = 0, ending_user = 0;

	for (const struct fe_client *c = client->broker->clients; c; c = c->next) {
		bool mine = c->uid == client->uid;

		if (c == client || c->state == FE_CLIENT_NEW)
			continue;
		if (c->state == FE_CLIENT_GONE) {
			ending++;
			ending_user += mine;
		} else {
			all++;
			user += mine;
		}
	}
	return all <= options->sessions_max && user <= options->sessions_max_user &&
	       ending <= options->sessions_max && ending_user <= options->sessions_max_user;
}

bool fe_account_holds(struct fe_client *client, uint32_t kind, uint32_t id)
{
	return *hold_find(client, kind, id) != NULL;
}

int fe_account_add(struct fe_client *client, const struct vg_control_share *share,
		   struct fe_offer *offer)
{
	struct fe_hold *hold = malloc(sizeof(*hold));

	if (!hold)
		return -ENOMEM;
	*hold = (struct fe_hold){
		.next = client->holds, .kind = share->kind, .id = share->id, .offer = *offer};
	*offer = FE_OFFER_NONE;
	client->holds = hold;
	return 0;
}

/* Takes it out of the list. */
static void hold_free(struct fe_hold **at)
{
	struct fe_hold *hold = *at;

	*at = hold->next;
	fe_offer_free(&hold->offer);
	free(hold);
}

void fe_account_remove(struct fe_client *client, uint32_t kind, uint32_t id)
{
	struct fe_hold **at = hold_find(client, kind, id);

	if (*at)
		hold_free(at);
}

void fe_account_mourn(const struct fe_client *client)
{
	for (const struct fe_hold *hold = client->holds; hold; hold = hold->next)
		if (hold->kind == VG_SHARE_LANE)
			fe_offer_mourn(&hold->offer);
}

void fe_account_free(struct fe_client *client)
{
	while (client->holds)
		hold_free(&client->holds);
}
