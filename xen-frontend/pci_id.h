/* SPDX-License-Identifier: MIT */
/* Names of PCI devices, as programs write them. */
#ifndef FE_PCI_ID_H
#define FE_PCI_ID_H

#include <stdbool.h>

/* Numbers of "[domain:]bus:device[.function]", hexadecimal. False: not of that form. */
struct fe_pci_id {
	unsigned int domain, bus, device, function;
};
bool fe_pci_id_parse(const char *text, struct fe_pci_id *id);
bool fe_pci_id_same(const struct fe_pci_id *one, const struct fe_pci_id *other);

#endif
