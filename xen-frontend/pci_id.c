/* SPDX-License-Identifier: MIT */
/* See pci_id.h. */
#include "xen-frontend/pci_id.h"

#include <stdlib.h>
#include <string.h>

/* One hexadecimal number of 1 to 8 digits. */
static bool hex_take(const char **at, unsigned int *value)
{
	char *end;

	if (strspn(*at, "0123456789abcdefABCDEF") - 1 >= 8)
		return false;
	*value = (unsigned int)strtoul(*at, &end, 16);
	*at = end;
	return true;
}

bool fe_pci_id_parse(const char *text, struct fe_pci_id *id)
{
	unsigned int part[3] = {0, 0, 0}, parts = 0;

	*id = (struct fe_pci_id){0};
	do {
		if (parts == 3 || !hex_take(&text, &part[parts++]))
			return false;
	} while (*text == ':' && text++);
	if (parts < 2)
		return false;
	if (*text == '.') {
		text++;
		if (!hex_take(&text, &id->function))
			return false;
	}
	id->domain = parts == 3 ? part[0] : 0;
	id->bus = part[parts - 2];
	id->device = part[parts - 1];
	return !*text;
}

bool fe_pci_id_same(const struct fe_pci_id *one, const struct fe_pci_id *other)
{
	return one->domain == other->domain && one->bus == other->bus &&
	       one->device == other->device && one->function == other->function;
}
