/* SPDX-License-Identifier: MIT */
/*
 * Which build of the driver library this is: guests keep what it has compiled and must not give it to another
 * one. Trusts the library.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/driver.h"

struct search {
	uintptr_t address; /* of a function in the library */
	uint8_t *id;
	size_t size;
	bool found;
};

/* Notes are head, name and content, the latter two padded to 4. */
static void note_search(const uint8_t *at, size_t left, struct search *search)
{
	ElfW(Nhdr) head;

	while (left >= sizeof(head)) {
		size_t name, whole;

		memcpy(&head, at, sizeof(head));
		name = (head.n_namesz + (size_t)3) & ~(size_t)3;
		whole = sizeof(head) + name + ((head.n_descsz + (size_t)3) & ~(size_t)3);
		if (whole > left)
			return;
		if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof("GNU") &&
		    !memcmp(at + sizeof(head), "GNU", sizeof("GNU"))) {
			memcpy(search->id, at + sizeof(head) + name,
			       vg_min(head.n_descsz, search->size));
			search->found = true;
			return;
		}
		at += whole;
		left -= whole;
	}
}

static bool has_address(const struct dl_phdr_info *info, uintptr_t address)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD &&
		    address - info->dlpi_addr - segment->p_vaddr < segment->p_memsz)
			return true;
	}
	return false;
}

static int object_visit(struct dl_phdr_info *info, size_t size, void *context)
{
	struct search *search = context;

	(void)size;
	if (!has_address(info, search->address))
		return 0;
	for (int i = 0; i < info->dlpi_phnum && !search->found; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_NOTE)
			note_search((const uint8_t *)(info->dlpi_addr + segment->p_vaddr),
				    segment->p_memsz, search);
	}
	return 1;
}

/* Without a build id: its file's size and time of change. */
static void file_id(void *function, uint8_t *id, size_t size)
{
	struct stat status;
	uint64_t values[3];
	Dl_info info;

	if (!dladdr(function, &info) || !info.dli_fname || stat(info.dli_fname, &status))
		return;
	values[0] = (uint64_t)status.st_size;
	values[1] = (uint64_t)status.st_mtim.tv_sec;
	values[2] = (uint64_t)status.st_mtim.tv_nsec;
	memcpy(id, values, vg_min(size, sizeof(values)));
}

void ex_driver_id(uint8_t *id, size_t size)
{
	struct search search = {.id = id, .size = size};
	void *function = NULL;

	memset(id, 0, size);
	memcpy(&function, &ex_driver.cuInit, sizeof(function));
	if (!function)
		return;
	search.address = (uintptr_t)function;
	dl_iterate_phdr(object_visit, &search);
	if (!search.found)
		file_id(function, id, size);
}
