/* SPDX-License-Identifier: MIT */
/* The tables of names.h and their look-up, by a hash that is built once. Any thread. */
#include "names.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HASH_SIZE 1024u /* well over the number of words */

struct word {
	const char *name;
	short index;
	unsigned char table;
};

enum {
	TABLE_MOD = 1,
	TABLE_OP,
	TABLE_SREG
};

static const struct {
	const char *name;
	unsigned char bytes;
} mods[PTX_MOD_COUNT] = {
#define T(id, text, size) [PTX_##id] = {(text), (size)},
#include "words.def"
#define M(id, text) [MOD_##id] = {(text), 0},
#include "words.def"
};

static const char *const ops[PTX_OP_COUNT] = {
#define O(id, text, generator) [OP_##id] = (text),
#include "words.def"
};

static const struct {
	const char *name;
	unsigned char bits;
	unsigned char components;
} sregs[PTX_SREG_COUNT] = {
#define S(id, text, width, parts) [SREG_##id] = {(text), (width), (parts)},
#include "words.def"
};

static struct word words[HASH_SIZE];
static pthread_once_t words_once = PTHREAD_ONCE_INIT;

static unsigned int word_hash(const char *name, int table)
{
	unsigned int hash = (unsigned int)table;

	while (*name)
		hash = hash * 31 + (unsigned char)*name++;
	return (hash ^ hash >> 10) % HASH_SIZE;
}

static void word_add(const char *name, int table, int index)
{
	unsigned int slot = word_hash(name, table);

	while (words[slot].name)
		slot = (slot + 1) % HASH_SIZE;
	words[slot] = (struct word){name, (short)index, (unsigned char)table};
}

static void words_build(void)
{
	for (int i = 1; i < PTX_MOD_COUNT; i++)
		if (mods[i].name)
			word_add(mods[i].name, TABLE_MOD, i);
	for (int i = 0; i < PTX_OP_COUNT; i++)
		word_add(ops[i], TABLE_OP, i);
	for (int i = 0; i < PTX_SREG_COUNT; i++)
		word_add(sregs[i].name, TABLE_SREG, i);
}

static int word_find(const char *name, int table)
{
	unsigned int slot = word_hash(name, table);

	pthread_once(&words_once, words_build);
	for (; words[slot].name; slot = (slot + 1) % HASH_SIZE)
		if (words[slot].table == table && !strcmp(words[slot].name, name))
			return words[slot].index;
	return -1;
}

int ptx_mod_find(const char *name)
{
	return word_find(name, TABLE_MOD);
}

int ptx_op_find(const char *name)
{
	return word_find(name, TABLE_OP);
}

int ptx_sreg_find(const char *name, unsigned int *number)
{
	char *end;
	unsigned long value;

	*number = 0;
	if (strncmp(name, "%envreg", 7) || name[7] < '0' || name[7] > '9')
		return word_find(name, TABLE_SREG);
	value = strtoul(name + 7, &end, 10);
	if (*end || value > 31)
		return -1;
	*number = (unsigned int)value;
	return SREG_ENVREG;
}

const char *ptx_mod_name(unsigned int mod)
{
	return mod < PTX_MOD_COUNT && mods[mod].name ? mods[mod].name : "?";
}

const char *ptx_op_name(unsigned int op)
{
	return op < PTX_OP_COUNT ? ops[op] : "?";
}

unsigned int ptx_sreg_bits(unsigned int sreg)
{
	return sregs[sreg].bits;
}

unsigned int ptx_sreg_components(unsigned int sreg)
{
	return sregs[sreg].components;
}

unsigned int ptx_type_bytes(unsigned int type)
{
	return ptx_is_type(type) ? mods[type].bytes : 0;
}

unsigned int ptx_type_bits(unsigned int type)
{
	return type == PTX_PRED ? 1 : ptx_type_bytes(type) * 8;
}

bool ptx_type_is_signed(unsigned int type)
{
	return (type >= PTX_S8 && type <= PTX_S64) || type == PTX_S16X2;
}

bool ptx_type_is_float(unsigned int type)
{
	return type >= PTX_F16 && type <= PTX_F64;
}

bool ptx_type_is_int(unsigned int type)
{
	return type >= PTX_U8 && type <= PTX_S64;
}
