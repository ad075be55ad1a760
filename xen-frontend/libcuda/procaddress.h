/* SPDX-License-Identifier: MIT */
/* The answers of cuGetProcAddress, generated from procaddress.tsv. */
#ifndef FE_PROCADDRESS_H
#define FE_PROCADDRESS_H

/* One step of one name's ladder: from `version` on, until the next step. */
struct fe_proc {
	const char *name;
	unsigned char flag; /* 0 default, 1 legacy stream, 2 per-thread stream */
	unsigned char
		status; /* CUdriverProcAddressQueryResult; with a status there is no function */
	int version;
	void (*function)(void);
};

/* Sorted by name, flag, version. */
extern const struct fe_proc fe_procs[];
extern const unsigned int fe_procs_count;

#endif
