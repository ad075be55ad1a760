/* SPDX-License-Identifier: MIT */
/*
 * Module images as they are given to cuModuleLoadData and cuLibraryLoadData: a pointer without a
 * size. This finds what kind of image it is, where it ends, and what a fatbin holds.
 *
 *   wrapper { u32 0x466243b1, u32 version, pointer to a fatbin, pointer }, as nvcc puts it into a
 *           program; in version 2 the second pointer is a NULL-terminated array of more fatbins,
 *           whose PTX must be linked together
 *   fatbin  { u32 0xBA55ED50, u16 1, u16 header size, u64 size of all entries }, entries
 *   ELF64   a cubin
 *   PTX     text that ends with a NUL byte
 *
 * All reads stay below the limit that the caller gives: the size of a buffer where it is known,
 * VG_IMAGE_MAX where only the application's pointer is. Nothing is written or allocated, and no
 * pointer is followed but a wrapper's: a wrapper is to be trusted as its process is, so one that
 * came from another process is never passed here. Works on unaligned memory; thread safe.
 */
#ifndef VG_IMAGE_H
#define VG_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* No image is larger: the limit where nothing better is known. */
#define VG_IMAGE_MAX ((size_t)2 << 30)

/* No wrapper lists more fatbins. */
#define VG_IMAGE_PARTS_MAX 65536

enum vg_image_kind {
	VG_IMAGE_WRAPPER = 1,
	VG_IMAGE_FATBIN = 2,
	VG_IMAGE_ELF = 3,
	VG_IMAGE_PTX = 4,
};

/* One contiguous piece: a fatbin, an ELF file or a text with its final NUL. */
struct vg_image_part {
	const void *data; /* the caller's memory */
	size_t size;      /* bytes, the NUL of a PTX text included */
	enum vg_image_kind kind;
};

struct vg_image {
	enum vg_image_kind kind;
	size_t limit;
	const void *first; /* the image itself, or a wrapper's own fatbin, which may be NULL */
	const void *const *more; /* of a wrapper of version 2, otherwise NULL */
	size_t count;            /* parts: 1, or those of a wrapper */
};

/*
 * Recognise the image at `data`. 0; -EINVAL: NULL, or a wrapper that makes no sense; -ENODATA: not
 * an image of any of these kinds.
 */
int vg_image_open(const void *data, size_t limit, struct vg_image *image);

/* Part `index` of an image, its size found. 0, -ENOENT: no such part, or errors of vg_image_size. */
int vg_image_part(const struct vg_image *image, size_t index, struct vg_image_part *part);

/*
 * Size in bytes of the fatbin, ELF file or PTX text (with its NUL) at `data`, its kind in `kind`,
 * which may be NULL. 0; -ENODATA: none of these; -EMSGSIZE: it does not end within `limit`;
 * -EBADMSG: it contradicts itself.
 */
int vg_image_size(const void *data, size_t limit, size_t *size, enum vg_image_kind *kind);

/* Kinds of fatbin entries. Others exist and may be passed over. */
#define VG_FATBIN_PTX 1
#define VG_FATBIN_ELF 2

/* vg_fatbin_entry.flags; at most one of these two. */
#define VG_FATBIN_LZ4  UINT64_C(0x2000)
#define VG_FATBIN_ZSTD UINT64_C(0x8000)

struct vg_fatbin_entry {
	uint16_t kind;
	uint32_t arch; /* compute capability, 10 * major + minor */
	uint64_t flags;
	const void *data; /* as stored: compressed if flags say so */
	size_t stored;    /* bytes at data, without the padding after a compressed entry */
	uint64_t size;    /* bytes once uncompressed, as the entry claims: not verified here */
};

/*
 * Go through the entries of the fatbin at `fatbin`, whose size vg_image_size gave. *cursor starts
 * as 0. 1: *entry is the next one; 0: there is no further one; -EBADMSG: the entries contradict
 * the fatbin.
 */
int vg_fatbin_next(const void *fatbin, size_t size, size_t *cursor, struct vg_fatbin_entry *entry);

#endif
