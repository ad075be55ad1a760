/* SPDX-License-Identifier: MIT */
/*
 * Which specifications belong to which domain. libxl's structures are opaque here, so the link is
 * the order of xl's calls: the configuration that was read last is the one that a domain is made of.
 */
#include "tools/xl/xl.h"

#include <stdlib.h>

struct made {
	uint32_t domid;
	struct xl_specs specs;
	struct made *next;
};

static struct xl_specs next_specs;
static uint32_t next_replaces = XL_INVALID_DOMID;
static struct made *made; /* owned; the domains that this process has made, one as a rule */

struct xl_specs *xl_next(void)
{
	return &next_specs;
}

bool xl_next_is_again(void)
{
	return made != NULL;
}

static struct made *made_find(uint32_t domid)
{
	struct made *m = made;

	while (m && m->domid != domid)
		m = m->next;
	return m;
}

static void made_forget(uint32_t domid)
{
	for (struct made **link = &made; *link; link = &(*link)->next) {
		struct made *m = *link;

		if (m->domid != domid)
			continue;
		*link = m->next;
		xl_specs_clear(&m->specs);
		free(m);
		return;
	}
}

void xl_next_from_config(struct xl_specs *specs)
{
	xl_specs_clear(&next_specs);
	next_specs = *specs;
	*specs = (struct xl_specs){0};
	next_replaces = XL_INVALID_DOMID;
}

void xl_next_from_domain(uint32_t domid)
{
	struct made *m = made_find(domid);
	struct xs_handle *xs;

	if (!m)
		return;
	xl_specs_copy(&next_specs, &m->specs);
	next_replaces = domid;
	xs = xl_xenstore();
	if (!xs)
		return;
	xl_specs_read(&next_specs, xs, domid);
	xs_close(xs);
}

void xl_made(uint32_t domid)
{
	struct made *m;

	made_forget(next_replaces);
	made_forget(domid);
	next_replaces = XL_INVALID_DOMID;
	m = calloc(1, sizeof(*m));
	if (!m)
		return;
	m->domid = domid;
	xl_specs_copy(&m->specs, &next_specs);
	m->next = made;
	made = m;
}
