/* SPDX-License-Identifier: MIT */
/* See harness.h. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#define RANDOM_ROWS 2000
#define ROWS_MAX    48000

bool baseline;

static const char head[] = ".version 8.7\n.target sm_90\n.address_size 64\n";

static const uint64_t edges16[] = {0,      1,      2,      3,      15,     16,     17,     0x7f,
				   0x80,   0xff,   0x3c00, 0x3c01, 0x0001, 0x03ff, 0x0400, 0x7bff,
				   0x7c00, 0x7e00, 0x7fff, 0x8000, 0x8001, 0xbc00, 0xfbff, 0xfc00,
				   0xfe00, 0xffff, 0x3f80, 0x4049, 0x7f80, 0x7f7f};
static const uint64_t edges32[] = {0,
				   1,
				   2,
				   7,
				   31,
				   32,
				   33,
				   64,
				   255,
				   256,
				   0x7fff,
				   0x8000,
				   0xffff,
				   0x10000,
				   0x7fffffff,
				   0x80000000,
				   0x80000001,
				   0xffffffff,
				   0xfffffffe,
				   0x3f800000 /* 1 */,
				   0xbf800000,
				   0x00800000 /* least normal */,
				   0x007fffff,
				   0x7f7fffff /* largest */,
				   0x7f800000 /* inf */,
				   0xff800000,
				   0x7fc00000 /* NaN */,
				   0x3f000000,
				   0x40490fdb,
				   0x4f000000 /* 2^31 */,
				   0xcf000000,
				   0x3fc00000 /* 1.5 */,
				   0x40200000 /* 2.5 */,
				   0x33800000,
				   0x5f000000};
static const uint64_t edges64[] = {0,
				   1,
				   2,
				   31,
				   32,
				   63,
				   64,
				   65,
				   255,
				   0x7fffffff,
				   0x80000000,
				   0xffffffff,
				   0x100000000,
				   0x7fffffffffffffff,
				   0x8000000000000000,
				   0x8000000000000001,
				   0xffffffffffffffff,
				   0x3ff0000000000000 /* 1 */,
				   0xbff0000000000000,
				   0x0010000000000000,
				   0x000fffffffffffff,
				   0x7fefffffffffffff,
				   0x7ff0000000000000,
				   0xfff0000000000000,
				   0x7ff8000000000000,
				   0x400921fb54442d18,
				   0x43e0000000000000 /* 2^63 */,
				   0x3ff8000000000000,
				   0x4004000000000000,
				   0x41dfffffffe00000,
				   0x3ca0000000000000};

float f32(uint64_t bits)
{
	uint32_t low = (uint32_t)bits;
	float value;

	memcpy(&value, &low, sizeof(value));
	return value;
}

double f64(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

uint64_t u32(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

uint64_t u64(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

uint64_t random64(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

struct ptx_module *load(const char *text)
{
	struct ptx_module *module = NULL;
	struct ptx_log log = {0};
	struct ptx_options options = {.opt_level = 1, .baseline = baseline};
	int rc = ptx_module_load(text, strlen(text), &options, &log, &module);

	if (rc)
		fail_msg("load: %d %s\n%s", rc, log.text, text);
	return module;
}

static char *body_text(const char *globals, const char *body)
{
	char *text;

	if (asprintf(
		    &text,
		    "%s%s\n.visible .entry k(.param .u64 out, .param .u64 in)\n{\n"
		    ".reg .b32 %%t, %%x<16>; .reg .b64 %%out, %%in, %%y<16>; .reg .pred %%p, %%q, %%r; .reg .b16 %%h<8>;\n"
		    ".reg .f32 %%f<8>; .reg .f64 %%g<8>;\n"
		    "ld.param.u64 %%out, [out]; ld.param.u64 %%in, [in]; mov.u32 %%t, %%tid.x;\n%s\n}\n",
		    head, globals, body) < 0)
		abort();
	return text;
}

struct ptx_module *load_body(const char *globals, const char *body)
{
	char *text = body_text(globals, body);
	struct ptx_module *module = load(text);

	free(text);
	return module;
}

int run_k(struct ptx_module *module, uint32_t grid, uint32_t block, const void *out, const void *in,
	  struct ptx_fault *fault)
{
	const void *params[] = {out, in};
	struct ptx_launch launch = {.grid = {grid, 1, 1},
				    .block = {block, 1, 1},
				    .params = params,
				    .param_bytes = sizeof(params)};

	return ptx_launch(ptx_module_kernel(module, "k"), &launch, fault);
}

void run_body(const char *globals, const char *body, uint32_t grid, uint32_t block, void *out,
	      void *in)
{
	struct ptx_module *module = load_body(globals, body);
	struct ptx_fault fault;
	int rc = run_k(module, grid, block, out, in, &fault);

	if (rc)
		fail_msg("run: %d %s\n%s", rc, fault.text, body);
	ptx_module_unload(module);
}

void refuse(const char *text, int rc, const char *named)
{
	struct ptx_module *module = NULL;
	struct ptx_log log = {0};
	int got = ptx_module_load(text, strlen(text), NULL, &log, &module);

	if (got != rc)
		fail_msg("load gave %d, not %d: %s\n%s", got, rc, log.text, text);
	assert_null(module);
	if (!strstr(log.text, named))
		fail_msg("the log does not name '%s': %s", named, log.text);
}

void refuse_body(const char *body, int rc, const char *named)
{
	char *text = body_text("", body);

	refuse(text, rc, named);
	free(text);
}

static unsigned int type_bits(const char *type)
{
	return !type ? 0 : !strcmp(type, "pred") ? 1 : (unsigned int)strtoul(type + 1, NULL, 10);
}

static size_t edges_of(const char *type, const uint64_t **edges)
{
	static const uint64_t none[] = {0}, both[] = {0, 1};

	switch (type_bits(type)) {
	case 0: *edges = none; return 1;
	case 1: *edges = both; return 2;
	case 16: *edges = edges16; return sizeof(edges16) / sizeof(edges16[0]);
	case 32: *edges = edges32; return sizeof(edges32) / sizeof(edges32[0]);
	default: *edges = edges64; return sizeof(edges64) / sizeof(edges64[0]);
	}
}

static uint64_t cut(uint64_t value, unsigned int bits)
{
	return bits >= 64 ? value : value & ((1ull << bits) - 1);
}

/* Random words whose sizes vary, so that small numbers and shifts occur. */
static uint64_t random_of(const char *type)
{
	unsigned int bits = type_bits(type);
	uint64_t value = random64();

	if (random64() % 4 == 0)
		value >>= random64() % 64;
	return cut(value, bits);
}

static size_t rows_make(const struct op_test *test, struct words *rows)
{
	const uint64_t *a, *b, *c;
	size_t na = edges_of(test->a, &a), nb = edges_of(test->b, &b), nc = edges_of(test->c, &c),
	       n = 0;

	for (size_t i = 0; i < na; i++)
		for (size_t k = 0; k < nb; k++)
			for (size_t m = 0; m < nc && n < ROWS_MAX - RANDOM_ROWS - 128; m++)
				rows[n++] = (struct words){a[i], b[k], c[m]};
	for (size_t i = 0; i < RANDOM_ROWS; i++)
		rows[n++] =
			(struct words){random_of(test->a), random_of(test->b), random_of(test->c)};
	return n;
}

static void reg_text(char *text, size_t size, const char *name, const char *type, int offset)
{
	unsigned int bits = type_bits(type);

	if (!type)
		*text = 0;
	else if (bits == 1)
		snprintf(
			text, size,
			".reg .pred %%%s; .reg .b64 %%w%s; ld.global.b64 %%w%s, [%%in+%d]; setp.ne.b64 %%%s, %%w%s, 0;\n",
			name, name, name, offset, name, name);
	else
		snprintf(text, size, ".reg .%s %%%s; ld.global.b%u %%%s, [%%in+%d];\n", type, name,
			 bits, name, offset);
}

static struct ptx_module *op_module(const struct op_test *test)
{
	unsigned int bits = type_bits(test->d);
	char a[160], b[160], c[160], store[160], *body;
	struct ptx_module *module;

	reg_text(a, sizeof(a), "a", test->a, 0);
	reg_text(b, sizeof(b), "b", test->b, 8);
	reg_text(c, sizeof(c), "c", test->c, 16);
	if (bits == 1)
		snprintf(store, sizeof(store),
			 "selp.b64 %%y0, 1, 0, %%d; st.global.b64 [%%out], %%y0;");
	else
		snprintf(
			store, sizeof(store),
			"mov.b64 %%y0, 0; st.global.b64 [%%out], %%y0; st.global.b%u [%%out], %%d;",
			bits);
	if (asprintf(
		    &body,
		    "mov.u32 %%x0, %%ctaid.x; mov.u32 %%x1, %%ntid.x; mad.lo.u32 %%x0, %%x0, %%x1, %%t;\n"
		    "mul.wide.u32 %%y0, %%x0, 8; add.u64 %%out, %%out, %%y0; mul.wide.u32 %%y0, %%x0, 24; add.u64 %%in, %%in, %%y0;\n"
		    ".reg .%s %%d;\n%s%s%s{ %s }\n%s\nret;",
		    test->d, a, b, c, test->insn, store) < 0)
		abort();
	module = load_body("", body);
	free(body);
	return module;
}

static bool is_nan(uint64_t bits, unsigned int width)
{
	switch (width) {
	case 32: return f32(bits) != f32(bits);
	case 64: return f64(bits) != f64(bits);
	default: return false;
	}
}

static void check_op(const struct op_test *test)
{
	struct words *rows = calloc(ROWS_MAX, sizeof(*rows));
	size_t n = rows_make(test, rows), blocks = (n + 127) / 128;
	uint64_t *out = calloc(ROWS_MAX + 128, sizeof(*out));
	unsigned int bits = type_bits(test->d);
	struct ptx_module *module = op_module(test);
	struct ptx_fault fault;

	assert_true(n + 128 <= ROWS_MAX);
	assert_int_equal(run_k(module, (uint32_t)blocks, 128, out, rows, &fault), 0);
	for (size_t i = 0; i < n; i++) {
		uint64_t want = cut(test->ref(rows[i].a, rows[i].b, rows[i].c), bits),
			 got = cut(out[i], bits);

		/* Which NaN it is, is not defined for f32 and f64 arithmetic. */
		if (got != want && !(test->d[0] == 'f' && is_nan(got, bits) && is_nan(want, bits)))
			fail_msg("%s: a=%#llx b=%#llx c=%#llx gives %#llx, not %#llx", test->insn,
				 (unsigned long long)rows[i].a, (unsigned long long)rows[i].b,
				 (unsigned long long)rows[i].c, (unsigned long long)got,
				 (unsigned long long)want);
	}
	ptx_module_unload(module);
	free(rows);
	free(out);
}

void check_ops(void **state)
{
	const struct op_tests *all = *state;

	for (size_t i = 0; i < all->count; i++)
		check_op(&all->tests[i]);
}
