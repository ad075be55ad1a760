/* SPDX-License-Identifier: MIT */
/*
 * See image.h. Used in the guest on the application's images, and in the executor on what came over
 * the ring, so every number read is checked against the limit before it is used.
 */
#include "protocol/image.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define WRAPPER_MAGIC 0x466243b1u
#define FATBIN_MAGIC  0xBA55ED50u

/* Sections of a cubin whose size is not a size in the file. */
#define SHT_CUDA_NOT_STORED_1 0x70000007u
#define SHT_CUDA_NOT_STORED_2 0x7000000au

struct wrapper {
	uint32_t magic;
	uint32_t version;
	const void *data;
	const void *const *more;
};

struct fatbin_header {
	uint32_t magic;
	uint16_t version;
	uint16_t header_size;
	uint64_t files_size;
};

struct entry_header {
	uint16_t kind;
	uint16_t version;
	uint32_t header_size;
	uint64_t payload_size; /* with padding */
	uint32_t compressed_size;
	uint32_t unused_20;
	uint16_t minor;
	uint16_t major;
	uint32_t arch;
	uint32_t name_offset;
	uint32_t name_size;
	uint64_t flags;
	uint64_t unused_48;
	uint64_t uncompressed_size;
};

/* What an entry has at least: up to its flags. */
#define ENTRY_HEADER_MIN offsetof(struct entry_header, unused_48)

_Static_assert(sizeof(struct fatbin_header) == 16, "layout of nvcc");
_Static_assert(offsetof(struct entry_header, uncompressed_size) == 56, "layout of nvcc");

static uint32_t magic_of(const void *data, size_t limit)
{
	uint32_t magic = 0;

	if (limit >= sizeof(magic))
		memcpy(&magic, data, sizeof(magic));
	return magic;
}

/* Raise *end to offset + count * each; false if that is beyond the limit. */
static bool extend(uint64_t *end, uint64_t offset, uint64_t count, uint64_t each, size_t limit)
{
	uint64_t bytes, top;

	if (__builtin_mul_overflow(count, each, &bytes) ||
	    __builtin_add_overflow(offset, bytes, &top) || top > limit)
		return false;
	if (top > *end)
		*end = top;
	return true;
}

static int fatbin_size(const void *data, size_t limit, size_t *size)
{
	struct fatbin_header header;
	uint64_t total = 0;

	if (limit < sizeof(header))
		return -EMSGSIZE;
	memcpy(&header, data, sizeof(header));
	if (header.header_size < sizeof(header))
		return -EBADMSG;
	if (!extend(&total, header.header_size, header.files_size, 1, limit))
		return -EMSGSIZE;
	*size = total;
	return 0;
}

static bool section_is_stored(const Elf64_Shdr *section)
{
	return section->sh_type != SHT_NULL && section->sh_type != SHT_NOBITS &&
	       section->sh_type != SHT_CUDA_NOT_STORED_1 &&
	       section->sh_type != SHT_CUDA_NOT_STORED_2;
}

static bool extend_by_sections(const char *data, const Elf64_Ehdr *header, size_t limit,
			       uint64_t *end)
{
	Elf64_Shdr section;

	if (!extend(end, header->e_shoff, header->e_shnum, sizeof(section), limit))
		return false;
	for (unsigned int i = 0; i < header->e_shnum; i++) {
		memcpy(&section, data + header->e_shoff + i * sizeof(section), sizeof(section));
		if (section_is_stored(&section) &&
		    !extend(end, section.sh_offset, section.sh_size, 1, limit))
			return false;
	}
	return true;
}

static bool extend_by_segments(const char *data, const Elf64_Ehdr *header, size_t limit,
			       uint64_t *end)
{
	Elf64_Phdr segment;

	if (!extend(end, header->e_phoff, header->e_phnum, sizeof(segment), limit))
		return false;
	for (unsigned int i = 0; i < header->e_phnum; i++) {
		memcpy(&segment, data + header->e_phoff + i * sizeof(segment), sizeof(segment));
		if (!extend(end, segment.p_offset, segment.p_filesz, 1, limit))
			return false;
	}
	return true;
}

static int elf_size(const void *data, size_t limit, size_t *size)
{
	Elf64_Ehdr header;
	uint64_t end = sizeof(header);

	if (limit < sizeof(header))
		return -EMSGSIZE;
	memcpy(&header, data, sizeof(header));
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (header.e_shnum && header.e_shentsize != sizeof(Elf64_Shdr)) ||
	    (header.e_phnum && header.e_phentsize != sizeof(Elf64_Phdr)))
		return -EBADMSG;
	if (!extend_by_sections(data, &header, limit, &end) ||
	    !extend_by_segments(data, &header, limit, &end))
		return -EMSGSIZE;
	*size = end;
	return 0;
}

/* PTX begins with white space, comments and directives: all text. Anything else is no image. */
static bool starts_like_text(const unsigned char *data, size_t limit)
{
	if (!limit)
		return false;
	return *data == '.' || *data == '/' || isspace(*data);
}

static int text_size(const void *data, size_t limit, size_t *size)
{
	size_t length = strnlen(data, limit);

	if (length == limit)
		return -EMSGSIZE;
	*size = length + 1;
	return 0;
}

static enum vg_image_kind kind_of(const void *data, size_t limit)
{
	uint32_t magic = magic_of(data, limit);

	if (magic == WRAPPER_MAGIC)
		return VG_IMAGE_WRAPPER;
	if (magic == FATBIN_MAGIC)
		return VG_IMAGE_FATBIN;
	if (limit >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0)
		return VG_IMAGE_ELF;
	if (starts_like_text(data, limit))
		return VG_IMAGE_PTX;
	return 0;
}

int vg_image_size(const void *data, size_t limit, size_t *size, enum vg_image_kind *kind)
{
	enum vg_image_kind found = data ? kind_of(data, limit) : 0;

	if (kind)
		*kind = found;
	switch (found) {
	case VG_IMAGE_FATBIN: return fatbin_size(data, limit, size);
	case VG_IMAGE_ELF: return elf_size(data, limit, size);
	case VG_IMAGE_PTX: return text_size(data, limit, size);
	default: return -ENODATA;
	}
}

static int open_wrapper(const void *data, struct vg_image *image)
{
	struct wrapper wrapper;

	if (image->limit < sizeof(wrapper))
		return -EINVAL;
	memcpy(&wrapper, data, sizeof(wrapper));
	image->first = wrapper.data;
	image->count = 1;
	image->limit = VG_IMAGE_MAX; /* of what it points to, no size is known */
	if (wrapper.version == 2 && wrapper.more) {
		image->more = wrapper.more;
		while (image->count <= VG_IMAGE_PARTS_MAX && wrapper.more[image->count - 1])
			image->count++;
	}
	if (image->count > VG_IMAGE_PARTS_MAX || (!image->first && image->count == 1))
		return -EINVAL;
	return 0;
}

int vg_image_open(const void *data, size_t limit, struct vg_image *image)
{
	if (!data)
		return -EINVAL;
	*image = (struct vg_image){
		.kind = kind_of(data, limit),
		.limit = limit,
		.first = data,
		.count = 1,
	};
	if (!image->kind)
		return -ENODATA;
	if (image->kind == VG_IMAGE_WRAPPER)
		return open_wrapper(data, image);
	return 0;
}

int vg_image_part(const struct vg_image *image, size_t index, struct vg_image_part *part)
{
	if (index >= image->count)
		return -ENOENT;
	part->data = index ? image->more[index - 1] : image->first;
	if (!part->data) {
		*part = (struct vg_image_part){.kind = VG_IMAGE_FATBIN};
		return 0;
	}
	return vg_image_size(part->data, image->limit, &part->size, &part->kind);
}

static int describe_entry(const struct entry_header *header, size_t room,
			  struct vg_fatbin_entry *entry)
{
	bool compressed = header->flags & (VG_FATBIN_LZ4 | VG_FATBIN_ZSTD);

	if (header->payload_size > room)
		return -EBADMSG;
	if (compressed && header->compressed_size > header->payload_size)
		return -EBADMSG;
	entry->kind = header->kind;
	entry->arch = header->arch;
	entry->flags = header->flags;
	entry->stored = compressed ? header->compressed_size : header->payload_size;
	entry->size = compressed ? header->uncompressed_size : header->payload_size;
	return 1;
}

int vg_fatbin_next(const void *fatbin, size_t size, size_t *cursor, struct vg_fatbin_entry *entry)
{
	struct fatbin_header fatbin_header;
	struct entry_header header = {0};
	const char *base = fatbin;
	size_t left;
	int rc;

	if (size < sizeof(fatbin_header))
		return -EBADMSG;
	if (*cursor == 0) {
		memcpy(&fatbin_header, base, sizeof(fatbin_header));
		*cursor = fatbin_header.header_size;
	}
	if (*cursor >= size)
		return *cursor == size ? 0 : -EBADMSG;
	left = size - *cursor;
	if (left < ENTRY_HEADER_MIN)
		return -EBADMSG;
	memcpy(&header, base + *cursor, ENTRY_HEADER_MIN);
	if (header.header_size < ENTRY_HEADER_MIN || header.header_size > left)
		return -EBADMSG;
	if (header.header_size >= sizeof(header))
		memcpy(&header, base + *cursor, sizeof(header));
	rc = describe_entry(&header, left - header.header_size, entry);
	if (rc < 0)
		return rc;
	entry->data = base + *cursor + header.header_size;
	*cursor += header.header_size + header.payload_size;
	return rc;
}
