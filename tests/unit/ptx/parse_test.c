/* SPDX-License-Identifier: MIT */
/* What is refused and how, linking of several texts, and texts that are cut and mutated: never a crash. */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD ".version 9.0\n.target sm_90\n.address_size 64\n"

static void test_refusals(void **state)
{
	(void)state;
	/* not supported: named, with its line */
	refuse_body("\n\nfrobnicate.b32 %x0, %x1;", -ENOTSUP,
		    "line 12: not supported: instruction 'frobnicate'");
	refuse_body("add.s32.quick %x0, %x1, %x2;", -ENOTSUP, "'.quick' of 'add'");
	refuse_body("add.wide.s32 %x0, %x1, %x2;", -ENOTSUP, "'add' in 'k': modifier .wide");
	refuse_body("add.f32.ftz.global %f0, %f1, %f2;", -ENOTSUP, "modifier .global");
	refuse_body(
		"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0,%f1,%f2,%f3}, {%x0,%x1,%x2,%x3}, {%x4,%x5}, {%f0,%f1,%f2,%f3};",
		-ENOTSUP, "mma");
	refuse_body("txq.width.b32 %x0, [%y0];", -ENOTSUP, "instruction 'txq'");
	refuse_body("tex.cube.v4.f32.f32 {%f0,%f1,%f2,%f3}, [%y0, {%f0,%f1,%f2,%f3}];", -ENOTSUP,
		    "cube");
	refuse_body("tex.2d.v4.f32.f32 {%f0,%f1,%f2,%f3}, [%y0, {%f0}];", -EINVAL,
		    "2 coordinates expected");
	refuse_body("tex.2d.v4.f32.f32 {%f0,%f1,%f2,%f3}, [%y0];", -EINVAL, "coordinates");
	refuse_body("suld.b.2d.b32.clamp {%x0}, [%y0, {%x1,%x2}];", -ENOTSUP, "clamp");
	refuse_body("ld.global.b32 %x0, [%y0, {%x1}];", -EINVAL, "an address expected");
	refuse_body("atom.global.add.s16 %h0, [%out], %h1;", -ENOTSUP, "atom");
	refuse_body("atom.global.v2.f32.add {%f0, %f1}, [%out], {%f2, %f3};", -ENOTSUP, "atom");
	refuse_body("mov.u32 %x0, %pm0;", -ENOTSUP, "%pm0");
	refuse_body(".magic 5;", -ENOTSUP, "directive '.magic'");
	refuse(HEAD ".global .texref t;", -ENOTSUP, "texref");
	refuse(".version 9.0\n.target sm_90\n.address_size 32\n", -ENOTSUP, "address_size");
	/* wrong */
	refuse("", -EINVAL, ".version");
	refuse(".version 9.0\n", -EINVAL, ".target");
	refuse("int main(void) { return 0; }", -EINVAL, ".version");
	refuse_body("add.s32 %x0, %x1;", -EINVAL, "2 operands");
	refuse_body("add.s32 %x0, %x1, %x99;", -ENOTSUP, "'%x99' is not declared");
	refuse_body("add.s64 %x0, %y1, %y2;", -EINVAL, "too narrow");
	refuse_body("add.s32 %x0, %x1, %p;", -EINVAL, "predicate");
	refuse_body("mul.s32 %x0, %x1, %x2;", -EINVAL, ".lo, .hi or .wide");
	refuse_body("bra nowhere;", -EINVAL, "label 'nowhere'");
	refuse_body("l: l: ret;", -EINVAL, "'l' is defined twice");
	refuse_body(".reg .b32 a; .reg .b32 a;", -EINVAL, "'a' is declared twice");
	refuse_body(".reg .b32 %q<2000000>;", -ENOTSUP, "register count");
	refuse_body("@%x0 bra l; l: ret;", -EINVAL, "predicate");
	refuse_body("ld.global.u32 %x0, [%h0];", -EINVAL, "too narrow");
	refuse_body("ld.shared.u32 %x0, [out];", -EINVAL, "another state space");
	refuse_body("mov.u32 %x0, 0x; ret;", -EINVAL, "bad token");
	refuse_body("mov.f32 %f0, 0f123; ret;", -EINVAL, "bad token");
	refuse_body("mov.u64 %y0, 99999999999999999999;", -EINVAL, "bad token");
	refuse_body("mov.u32 %x0, 1 / 0;", -EINVAL, "division by zero");
	refuse_body("{ { ret;", -EINVAL, "expected");
	refuse(HEAD ".global .u32 a[1000000000000];", -EINVAL, "number");
	refuse(HEAD ".global .u32 a[100000][100000];", -ENOTSUP, "bytes");
	refuse(HEAD ".shared .b8 a[300000];", -ENOTSUP, "shared");
	refuse(HEAD ".global .u32 a[2] = {1, 2, 3};", -EINVAL, "longer");
	refuse(HEAD ".global .u32 a; .global .u32 a;", -EINVAL, "twice");
	refuse(HEAD ".entry k() { ret; } .entry k() { ret; }", -EINVAL, "twice");
	refuse(HEAD ".entry k(.param .b8 p[40000]) { ret; }", -EINVAL, "too large");
	refuse(HEAD
	       ".extern .global .u32 gone; .entry k() { .reg .b32 %r; ld.global.u32 %r, [gone]; ret; }",
	       -ENOENT, "gone");
	refuse(HEAD
	       ".extern .func gone(.param .b32 a); .entry k() { .param .b32 p; st.param.b32 [p], 1; call gone, (p); ret; }",
	       -ENOENT, "gone");
	refuse(HEAD ".func f(.param .b32 a) { ret; } .entry k() { call f, (); ret; }", -EINVAL,
	       "arguments");
	refuse(HEAD "/* no end", -EINVAL, "bad token");
}

/* What deep nesting would do to a recursive parser. */
static void test_nesting(void **state)
{
	enum {
		DEPTH = 200000
	};
	static const char *const opens[] = {"(",        "-",    "{ ",   "mov.u32 %x0, ((((",
					    "1 ? 1 : ", "1 + ", "{{{{", "!"};
	char *body = malloc(DEPTH * 24);

	(void)state;
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		struct ptx_module *module;
		size_t len = (size_t)sprintf(body, "%s .entry k() { .reg .b32 %%x0; %s", HEAD,
					     opens[i][0] == '{' ? "" : "mov.u32 %x0, ");
		int rc;

		for (int k = 0; k < DEPTH; k++)
			len += (size_t)sprintf(body + len, "%s", opens[i]);
		rc = ptx_module_load(body, len, NULL, NULL, &module);
		assert_true(rc == -EINVAL || rc == -ENOTSUP);
	}
	free(body);
}

static void test_link(void **state)
{
	static const char one[] = HEAD
		".extern .func (.param .b32 r) helper(.param .b32 a);\n.extern .global .u32 shared_counter;\n.global .u32 own = 3;\n"
		".visible .entry k(.param .u64 out, .param .u64 in) { .reg .b32 %v<4>; .reg .b64 %o; ld.param.u64 %o, [out];"
		" { .param .b32 p; st.param.b32 [p], 20; .param .b32 r; call (r), helper, (p); ld.param.b32 %v0, [r]; }"
		" ld.global.u32 %v1, [shared_counter]; ld.global.u32 %v2, [own]; add.u32 %v0, %v0, %v1; add.u32 %v0, %v0, %v2; st.global.u32 [%o], %v0; ret; }\n";
	static const char two[] = HEAD
		".global .u32 own = 1000;\n.visible .global .u32 shared_counter = 300;\n"
		".func (.param .b32 r) local_one(.param .b32 a) { .reg .b32 %v; ld.param.b32 %v, [a]; add.u32 %v, %v, 1; st.param.b32 [r], %v; ret; }\n"
		".visible .func (.param .b32 r) helper(.param .b32 a) { .reg .b32 %v<3>; ld.param.b32 %v0, [a]; { .param .b32 p; st.param.b32 [p], %v0; .param .b32 q;"
		" call (q), local_one, (p); ld.param.b32 %v0, [q]; } ld.global.u32 %v1, [own]; add.u32 %v0, %v0, %v1; st.param.b32 [r], %v0; ret; }\n";
	struct ptx_linker *linker;
	struct ptx_module *module;
	struct ptx_log log = {0};
	uint32_t out = 0;

	(void)state;
	assert_int_equal(ptx_linker_create(NULL, &linker), 0);
	assert_int_equal(ptx_linker_add(linker, one, strlen(one), "one", &log), 0);
	assert_int_equal(ptx_linker_add(linker, two, strlen(two), "two", &log), 0);
	assert_int_equal(ptx_linker_finish(linker, &log, &module), 0);
	ptx_linker_destroy(linker);
	assert_int_equal(run_k(module, 1, 1, &out, NULL, NULL), 0);
	assert_int_equal(out, 20 + 1 + 1000 + 300 + 3);
	ptx_module_unload(module);
	/* twice the same strong symbol */
	assert_int_equal(ptx_linker_create(NULL, &linker), 0);
	assert_int_equal(ptx_linker_add(linker, two, strlen(two), "two", &log), 0);
	assert_int_equal(ptx_linker_add(linker, two, strlen(two), "again", &log), 0);
	assert_int_equal(ptx_linker_finish(linker, &log, &module), -EINVAL);
	assert_non_null(strstr(log.text, "again"));
	ptx_linker_destroy(linker);
}

static void test_tolerated(void **state)
{
	struct ptx_module *module = load(
		"// a comment\n/* and\nmore */ .version 6.4\n.target sm_70, debug\n.address_size 64\n"
		".file 1 \"x.cu\", 12, 34\n.pragma \"nounroll\";\n"
		".weak .func w() { ret; }\n.visible .func v() { ret; }\n.func a();\n.alias a, v;\n"
		".visible .entry k(.param .u64 .ptr .global .align 4 out, .param .u64 in)\n.maxntid 32,1,1\n{\n"
		".reg .b32 %r<3>, single; .reg .v4 .f32 %v; .reg .b64 %o;\n.loc 1 5 3\n.pragma \"nounroll\";\n"
		"mov.v4.f32 %v, {0f3f800000, 0f40000000, 2.5, 4.0e0}; ld.param.u64 %o, [out]; cvta.to.global.u64 %o, %o;\n"
		"mov.b32 %r0, %v.z; mov.b32 single, 010; add.u32 %r0, %r0, single; st.global.u32 [%o], %r0;\n"
		"call a;\n ret;\n}\n.section .debug_x\n{\n.b8 1, 2, 3\n.b32 lab\n{ nested }\n}\n");
	uint32_t out = 0;

	(void)state;
	assert_int_equal(run_k(module, 1, 1, &out, NULL, NULL), 0);
	assert_int_equal(out, 0x40200000 + 8);
	ptx_module_unload(module);
	assert_true(ptx_text_probe("  // x\n.version 1.0", 19));
	assert_false(ptx_text_probe("\x7f"
				    "ELF",
				    4));
}

/* ---- mutation ---- */

static const char seed[] = HEAD
	".extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);\n"
	".global .align 8 .b8 str[6] = {104, 101, 108, 108, 111};\n.const .f32 cs[2] = {1.5, 0f40000000};\n"
	".func (.param .align 8 .b8 r[16]) f(.param .b32 a) { .reg .b32 %r<3>; ld.param.b32 %r1, [a]; st.param.b32 [r+4], %r1; ret; }\n"
	".global .u64 tab[2] = {f, generic(str)};\n.visible .entry k(.param .u64 out, .param .u64 in)\n.maxntid 64\n{\n"
	".local .align 8 .b8 depot[24]; .shared .align 4 .b8 sm[64]; .reg .pred %p<4>; .reg .b16 %rs<5>; .reg .b32 %r<20>; .reg .f32 %f<9>; .reg .b64 %rd<20>; .reg .f64 %fd<4>;\n"
	"mov.u64 %rd1, depot; cvta.local.u64 %rd2, %rd1; ld.param.u64 %rd3, [out]; mov.u32 %r1, %tid.x; mad.lo.s32 %r2, %r1, 3, %r1;\n"
	"setp.gt.s32 %p1, %r2, 5; @%p1 bra L1; add.cc.u32 %r3, %r1, 1; addc.u32 %r4, %r3, 0; bra.uni L2;\nL1: shl.b32 %r4, %r1, 2; mul.wide.u32 %rd4, %r4, 4;\n"
	"L2: cvt.rn.f32.s32 %f1, %r4; fma.rn.f32 %f2, %f1, %f1, 0f3F800000; cvt.rzi.s32.f32 %r5, %f2; cvt.f64.f32 %fd1, %f2; mov.b64 {%r6, %r7}, %rd3;\n"
	"lop3.b32 %r8, %r5, %r6, %r7, 0x96; prmt.b32 %r9, %r8, 0, 0x0123; bfe.u32 %r10, %r9, 3, 5; ts: .branchtargets L3, L4; and.b32 %r11, %r1, 1; brx.idx %r11, ts;\n"
	"L3: bar.sync 0; L4: shfl.sync.down.b32 %r12|%p2, %r10, 1, 31, -1; st.shared.u32 [sm], %r12; atom.shared.add.u32 %r13, [sm], 1; ld.v2.u32 {%r14, %r15}, [%rd2];\n"
	"{ .param .b32 p0; st.param.b32 [p0], %r13; .param .align 8 .b8 q0[16]; call (q0), f, (p0); ld.param.b32 %r16, [q0+4]; }\n"
	"{ .reg .b32 t; pr: .callprototype (.param .align 8 .b8 _[16]) _ (.param .b32 _); .param .b32 p0; .param .align 8 .b8 q0[16]; ld.global.u64 %rd5, [tab]; call (q0), %rd5, (p0), pr; }\n"
	"selp.b32 %r17, %r16, %r14, %p2; cvt.rn.f16.f32 %rs1, %f2; fma.rn.f16 %rs2, %rs1, %rs1, %rs1; st.global.v2.u32 [%rd3], {%r17, %r15}; st.global.u16 [%rd3+8], %rs2; ret;\n}\n";

static void try_load(const char *text, size_t len)
{
	struct ptx_module *module = NULL;
	struct ptx_log log = {0};
	/* An exact copy on the heap, so that a sanitizer sees a byte too far. */
	char *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, text, len);
	rc = ptx_module_load(copy, len, NULL, &log, &module);
	free(copy);
	assert_true(rc == 0 || rc == -EINVAL || rc == -ENOTSUP || rc == -ENOENT || rc == -ENOMEM);
	assert_true((rc == 0) == (module != NULL));
	assert_true(rc == 0 || rc == -ENOMEM || log.bytes);
	ptx_module_unload(module);
}

static void test_truncations(void **state)
{
	(void)state;
	for (size_t len = 0; len <= strlen(seed); len++)
		try_load(seed, len);
}

/* Without the NUL. */
static void put(char *at, const char *token)
{
	while (*token)
		*at++ = *token++;
}

static void mutate(char *text, size_t *len)
{
	static const char tokens[][12] = {
		"{",     "}",     "(",     ")",  "[",  "]",           ";",   ",",
		".b8",   ".b128", ".pred", "-",  "0x", "99999999999", ".v4", "%p1",
		"%rd3",  "%f1",   "%rs1",  "L1", "f",  "str",         "@",   "!",
		"|",     "_",     "0f",    "\"", "/*", ".f16x2",      ".s8", ".sat",
		".wide", ".cc",   "sm",    "p0", "<",  ">",           ":",   "."};
	size_t at = random64() % *len, count = random64() % 8 + 1, from = random64() % *len;
	const char *token = tokens[random64() % (sizeof(tokens) / sizeof(tokens[0]))];

	switch (random64() % 5) {
	case 0: text[at] = (char)random64(); break;
	case 1: /* cut a piece out */
		if (at + count < *len) {
			memmove(text + at, text + at + count, *len - at - count);
			*len -= count;
		}
		break;
	case 2: /* put a token over what is there */
		if (at + strlen(token) < *len)
			put(text + at, token);
		break;
	case 3: /* put a token between */
		memmove(text + at + strlen(token), text + at, *len - at);
		put(text + at, token);
		*len += strlen(token);
		break;
	default: /* copy a piece elsewhere */
		if (at + 20 < *len && from + 20 < *len)
			memmove(text + at, text + from, 20);
		break;
	}
}

static void test_mutations(void **state)
{
	const char *rounds = getenv("PTX_FUZZ_ROUNDS");
	long count = rounds ? strtol(rounds, NULL, 10) : 3000;
	char *text = malloc(sizeof(seed) + 256);

	(void)state;
	for (long i = 0; i < count; i++) {
		size_t len = strlen(seed);

		memcpy(text, seed, sizeof(seed));
		for (uint64_t k = random64() % 4 + 1; k; k--)
			mutate(text, &len);
		try_load(text, len);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),    cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_link),        cmocka_unit_test(test_tolerated),
		cmocka_unit_test(test_truncations), cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
