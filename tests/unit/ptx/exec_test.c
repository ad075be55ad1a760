/* SPDX-License-Identifier: MIT */
/* Memory, control flow, calls, barriers, warps, atomics, faults: little kernels in PTX by hand. */
#include "harness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* %y0 = &out[thread] of 4 bytes, %y1 = &in[thread] of 4 bytes, over all blocks */
#define AT4                                                                                 \
	"mov.u32 %x14, %ctaid.x; mov.u32 %x15, %ntid.x; mad.lo.u32 %x15, %x14, %x15, %t;\n" \
	"mul.wide.u32 %y0, %x15, 4; add.u64 %y1, %in, %y0; add.u64 %y0, %out, %y0;\n"

static void test_memory(void **state)
{
	uint32_t in[64], out[64];

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		in[i] = 0x80f0e0d0u + i * 0x01020304u;
	/* every width, signed and not; vectors; offsets */
	run_body(
		"",
		AT4
		"ld.global.s8 %x0, [%y1+3]; ld.global.u8 %x1, [%y1+2]; ld.global.s16 %x2, [%y1+2];"
		"ld.global.u16 %x3, [%y1]; add.u32 %x0, %x0, %x1; add.u32 %x0, %x0, %x2; add.u32 %x0, %x0, %x3;"
		"st.global.u32 [%y0], %x0; ret;",
		1, 64, out, in);
	for (int i = 0; i < 64; i++)
		assert_int_equal(out[i],
				 (uint32_t)((int8_t)(in[i] >> 24) + (int)(in[i] >> 16 & 255) +
					    (int16_t)(in[i] >> 16) + (int)(in[i] & 0xffff)));
	run_body("",
		 "mul.wide.u32 %y0, %t, 16; add.u64 %y1, %in, %y0; add.u64 %y0, %out, %y0;"
		 "ld.global.v4.u32 {%x0, %x1, %x2, %x3}, [%y1]; st.global.v2.u32 [%y0], {%x3, %x2};"
		 "mov.b64 %y2, {%x1, %x0}; st.global.b64 [%y0+8], %y2; ret;",
		 1, 16, out, in);
	for (int i = 0; i < 64; i++)
		assert_int_equal(out[i], in[i ^ 3]);
}

static void test_spaces(void **state)
{
	uint32_t out[128];

	(void)state;
	/* shared by 32-bit address, by generic address, isspacep, cvta both ways; reversed over a barrier */
	run_body(
		".shared .align 4 .b8 area[512]; .const .align 4 .u32 kk[3] = {7, 0x10, 0b11};",
		AT4
		"mov.u32 %x0, area; mad.lo.u32 %x1, %t, 4, %x0; st.shared.u32 [%x1], %t; bar.sync 0;"
		"sub.u32 %x2, 127, %t; cvta.shared.u64 %y2, 0; mov.u64 %y3, area; add.u64 %y2, %y2, %y3;"
		"mul.wide.u32 %y4, %x2, 4; add.u64 %y2, %y2, %y4; ld.u32 %x3, [%y2];"
		"isspacep.shared %p, %y2; isspacep.global %q, %y2; isspacep.shared %r, %out;"
		"selp.u32 %x4, 1000, 0, %p; selp.u32 %x5, 0, 2000, %q; selp.u32 %x6, 0, 4000, %r;"
		"cvta.to.shared.u64 %y5, %y2; cvt.u32.u64 %x7, %y5; ld.shared.u32 %x8, [%x7];"
		"ld.const.u32 %x9, [kk+4]; mov.u64 %y6, kk; ld.const.u32 %x10, [%y6+8];"
		"add.u32 %x3, %x3, %x4; add.u32 %x3, %x3, %x5; add.u32 %x3, %x3, %x6; add.u32 %x3, %x3, %x9;"
		"add.u32 %x3, %x3, %x10; sub.u32 %x11, %x2, %x8; add.u32 %x3, %x3, %x11; st.global.u32 [%y0], %x3; ret;",
		1, 128, out, out);
	for (uint32_t i = 0; i < 128; i++)
		assert_int_equal(out[i], 127 - i + 7000 + 16 + 3);
	/* local memory is each thread's own, also through a generic pointer */
	run_body(
		"",
		AT4
		".local .align 8 .b8 l[64]; mov.u64 %y2, l; cvta.local.u64 %y3, %y2;"
		"and.b32 %x0, %t, 15; mul.wide.u32 %y4, %x0, 4; add.u64 %y5, %y3, %y4; st.u32 [%y5], %t; bar.sync 0;"
		"add.u64 %y6, %y2, %y4; ld.local.u32 %x1, [%y6]; isspacep.local %p, %y5; selp.u32 %x2, 100, 0, %p;"
		"add.u32 %x1, %x1, %x2; st.global.u32 [%y0], %x1; ret;",
		1, 128, out, out);
	for (uint32_t i = 0; i < 128; i++)
		assert_int_equal(out[i], i + 100);
}

static void test_globals(void **state)
{
	struct ptx_module *m;
	struct ptx_global_info table, info;
	uint64_t address;

	(void)state;
	m = load_body(
		".global .u32 other[4] = {1, 2, 3, 4};"
		".visible .global .align 8 .u64 table[4] = {0, other+8, generic(other), 5};"
		".visible .global .f32 f[2] = {1.5, 0f40000000}; .visible .global .b8 text[6] = {104, 105, 0};"
		".visible .global .f64 d = 0d3ff8000000000000; .visible .global .s16 neg = -2; .global .u32 m[2][3] = {{1,2,3},{4,5,6}};"
		".visible .global .b8 bytes[8] = {0xFF(other), 0xFF00(other), 0xFF0000(other), 0xFF000000(other), 0xFF00000000(other), 0xFF0000000000(other), 0xFF000000000000(other), 0xFF00000000000000(other)};"
		".visible .const .u32 c = (1 << 4) | 3; .visible .global .u64 big[100000];",
		"ret;");
	assert_int_equal(ptx_module_global(m, "other", &info), 0);
	address = (uint64_t)(uintptr_t)info.address;
	assert_int_equal(ptx_module_global(m, "table", &table), 0);
	assert_int_equal(table.size, 32);
	assert_int_equal(((uint64_t *)table.address)[1], address + 8);
	assert_int_equal(((uint64_t *)table.address)[2], address);
	assert_int_equal(((uint64_t *)table.address)[3], 5);
	assert_int_equal(ptx_module_global(m, "bytes", &info), 0);
	assert_memory_equal(info.address, &address, 8);
	assert_int_equal(ptx_module_global(m, "f", &info), 0);
	assert_true(((float *)info.address)[0] == 1.5f && ((float *)info.address)[1] == 2.0f);
	assert_int_equal(ptx_module_global(m, "d", &info), 0);
	assert_true(*(double *)info.address == 1.5);
	assert_int_equal(ptx_module_global(m, "neg", &info), 0);
	assert_int_equal(*(int16_t *)info.address, -2);
	assert_int_equal(ptx_module_global(m, "text", &info), 0);
	assert_string_equal(info.address, "hi");
	assert_int_equal(ptx_module_global(m, "m", &info), 0);
	assert_int_equal(((uint32_t *)info.address)[4], 5);
	assert_int_equal(ptx_module_global(m, "c", &info), 0);
	assert_int_equal(*(uint32_t *)info.address, 19);
	assert_true(info.is_const);
	assert_int_equal(ptx_module_global(m, "big", &info), 0);
	assert_int_equal(info.size, 800000);
	ptx_module_unload(m);
}

static void test_control(void **state)
{
	uint32_t out[64];

	(void)state;
	/* a loop, predicates both ways, a jump table */
	run_body(
		"",
		AT4
		"mov.u32 %x0, 0; mov.u32 %x1, 0; setp.eq.u32 %p, %t, 0; @%p bra done;\n"
		"again: add.u32 %x0, %x0, %t; add.u32 %x1, %x1, 1; setp.lt.u32 %q, %x1, 10; @%q bra again;\n"
		"done: rem.u32 %x2, %t, 5; ts: .branchtargets c0, c1, c2, c3; setp.lt.u32 %r, %x2, 4; @!%r bra c4;\n"
		"brx.idx %x2, ts;\n c0: add.u32 %x0, %x0, 1000; bra end; c1: add.u32 %x0, %x0, 2000; bra end;"
		"c2: @!%p add.u32 %x0, %x0, 3000; bra end; c3: bra end; c4: add.u32 %x0, %x0, 9000;\n"
		"end: st.global.u32 [%y0], %x0; ret;",
		1, 64, out, out);
	for (uint32_t i = 0; i < 64; i++) {
		static const uint32_t add[] = {1000, 2000, 3000, 0, 9000};

		assert_int_equal(out[i], i * 10 + add[i % 5]);
	}
	/* labels and registers of inner scopes */
	run_body(
		"",
		AT4
		"mov.u32 %x0, 0; { .reg .b32 v; mov.u32 v, 2; l: sub.u32 v, v, 1; add.u32 %x0, %x0, 1; setp.ne.u32 %p, v, 0; @%p bra l; }"
		"{ .reg .b32 v; mov.u32 v, 3; l: sub.u32 v, v, 1; add.u32 %x0, %x0, 16; setp.ne.u32 %p, v, 0; @%p bra l; bra finish; }"
		"add.u32 %x0, %x0, 500; finish: st.global.u32 [%y0], %x0; ret;",
		1, 1, out, out);
	assert_int_equal(out[0], 2 + 48);
}

static const char calls[] =
	".visible .func (.param .b32 r) twice(.param .b32 a) { .reg .b32 %v; ld.param.u32 %v, [a]; shl.b32 %v, %v, 1; st.param.b32 [r], %v; ret; }\n"
	".visible .func (.param .b32 r) thrice(.param .b32 a) { .reg .b32 %v; ld.param.u32 %v, [a]; mul.lo.u32 %v, %v, 3; st.param.b32 [r], %v; ret; }\n"
	".func (.reg .u32 r) plain(.reg .u32 a, .reg .u32 b) { sub.u32 r, a, b; ret; }\n"
	".func (.param .align 8 .b8 r[16]) pair(.param .align 8 .b8 a[16], .param .b32 k) { .reg .b64 %a, %b; .reg .b32 %k;"
	" ld.param.b64 %a, [a]; ld.param.b64 %b, [a+8]; st.param.b64 [r], %b; st.param.b64 [r+8], %a; ret; }\n"
	".func quit(.param .b32 a) { .reg .b32 %v; .reg .pred %p; ld.param.u32 %v, [a]; setp.gt.u32 %p, %v, 3; @%p exit; ret; }\n"
	".global .u64 fns[2] = {twice, thrice};\n";

static void test_calls(void **state)
{
	uint32_t out[8];
	uint64_t wide[4] = {0};

	(void)state;
	run_body(
		calls,
		AT4
		"{ .param .b32 p0; st.param.b32 [p0], %t; .param .b32 r0; call (r0), twice, (p0); ld.param.b32 %x0, [r0]; }"
		"call (%x1), plain, (%x0, 7); st.global.u32 [%y0], %x1; ret;",
		1, 8, out, out);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(out[i], 2 * i - 7);
	/* by pointer, from a table in memory and from mov */
	run_body(
		calls,
		AT4
		"and.b32 %x0, %t, 1; mul.wide.u32 %y2, %x0, 8; mov.u64 %y3, fns; add.u64 %y3, %y3, %y2; ld.global.u64 %y4, [%y3];"
		"proto: .callprototype (.param .b32 _) _ (.param .b32 _); { .param .b32 p0; st.param.b32 [p0], %t; .param .b32 r0;"
		"call (r0), %y4, (p0), proto; ld.param.b32 %x1, [r0]; mov.u64 %y5, thrice; call (r0), %y5, (p0), proto; ld.param.b32 %x2, [r0]; }"
		"mad.lo.u32 %x1, %x2, 100, %x1; st.global.u32 [%y0], %x1; ret;",
		1, 8, out, out);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(out[i], 300 * i + (i & 1 ? 3 : 2) * i);
	run_body(
		calls,
		"{ .param .align 8 .b8 p0[16]; mov.u64 %y0, 11; st.param.b64 [p0], %y0; mov.u64 %y0, 22; st.param.b64 [p0+8], %y0;"
		".param .b32 p1; st.param.b32 [p1], 1; .param .align 8 .b8 r0[16]; call.uni (r0), pair, (p0, p1);"
		"ld.param.v2.b64 {%y1, %y2}, [r0]; st.global.v2.b64 [%out], {%y1, %y2}; } ret;",
		1, 1, wide, wide);
	assert_int_equal(wide[0], 22);
	assert_int_equal(wide[1], 11);
	/* exit in a function ends the thread; the others' barrier does not wait for it */
	memset(out, 0, sizeof(out));
	run_body(
		calls,
		AT4
		"{ .param .b32 p0; st.param.b32 [p0], %t; call quit, (p0); } bar.sync 0; st.global.u32 [%y0], 1; ret;",
		1, 8, out, out);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(out[i], i <= 3);
}

static void test_barriers(void **state)
{
	uint32_t out[256], want;

	(void)state;
	/* two named barriers of 64 threads each beside the one of all */
	run_body(
		".shared .u32 s[256];",
		AT4
		"mov.u32 %x0, s; mad.lo.u32 %x1, %t, 4, %x0; st.shared.u32 [%x1], %t;"
		"shr.u32 %x2, %t, 6; add.u32 %x3, %x2, 1; barrier.sync %x3, 64; xor.b32 %x4, %t, 63; mad.lo.u32 %x4, %x4, 4, %x0;"
		"ld.shared.u32 %x5, [%x4]; bar.sync 0; st.global.u32 [%y0], %x5; ret;",
		1, 256, out, out);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(out[i], i ^ 63);
	run_body(
		"",
		AT4
		"setp.lt.u32 %p, %t, 37; bar.red.popc.u32 %x0, 0, %p; bar.red.and.pred %q, 0, %p; bar.red.or.pred %r, 0, %p;"
		"selp.u32 %x1, 1000, 0, %q; selp.u32 %x2, 2000, 0, %r; add.u32 %x0, %x0, %x1; add.u32 %x0, %x0, %x2; st.global.u32 [%y0], %x0; ret;",
		2, 96, out, out);
	for (uint32_t i = 0; i < 192; i++)
		assert_int_equal(out[i], 2037);
	/* producers arrive, consumers wait */
	run_body(
		".shared .u32 s[32];",
		AT4
		"mov.u32 %x0, s; setp.ge.u32 %p, %t, 32; @%p bra consumer; mad.lo.u32 %x1, %t, 4, %x0; add.u32 %x2, %t, 5;"
		"st.shared.u32 [%x1], %x2; bar.arrive 3, 64; bra end; consumer: bar.sync 3, 64; and.b32 %x1, %t, 31; mad.lo.u32 %x1, %x1, 4, %x0;"
		"ld.shared.u32 %x2, [%x1]; end: st.global.u32 [%y0], %x2; ret;",
		1, 64, out, out);
	for (uint32_t i = 0; i < 64; i++) {
		want = (i & 31) + 5;
		assert_int_equal(out[i], want);
	}
}

/* The ISA's pseudo code of shfl. */
static uint32_t shfl_ref(int mode, uint32_t lane, uint32_t b, uint32_t c, bool *p)
{
	uint32_t segment = c >> 8 & 31, clamp = c & 31, max = (lane & segment) | (clamp & ~segment),
		 min = lane & segment;
	int j;

	b &= 31;
	switch (mode) {
	case 0:
		j = (int)(lane - b);
		*p = j >= (int)max;
		break;
	case 1:
		j = (int)(lane + b);
		*p = j <= (int)max;
		break;
	case 2:
		j = (int)(lane ^ b);
		*p = j <= (int)max;
		break;
	default:
		j = (int)(min | (b & ~segment));
		*p = j <= (int)max;
		break;
	}
	return *p ? (uint32_t)j : lane;
}

static void test_shuffles(void **state)
{
	static const char *const modes[] = {"up", "down", "bfly", "idx"};
	static const uint32_t cs[] = {0x1f, 0, 0x181f, 0x1800, 0x1c07, 0x0f};
	uint32_t out[32];
	char body[1024];

	(void)state;
	for (int mode = 0; mode < 4; mode++)
		for (size_t k = 0; k < sizeof(cs) / sizeof(cs[0]); k++)
			for (uint32_t b = 0; b < 32; b += 9) {
				snprintf(
					body, sizeof(body),
					"%s add.u32 %%x0, %%t, 100; shfl.sync.%s.b32 %%x1|%%p, %%x0, %u, %u, 0xffffffff;"
					"selp.u32 %%x2, 1000, 0, %%p; add.u32 %%x1, %%x1, %%x2; st.global.u32 [%%y0], %%x1; ret;",
					AT4, modes[mode], b, cs[k]);
				run_body("", body, 1, 32, out, out);
				for (uint32_t lane = 0; lane < 32; lane++) {
					bool p;
					uint32_t from = shfl_ref(mode, lane, b, cs[k], &p);

					assert_int_equal(out[lane], from + 100 + (p ? 1000 : 0));
				}
			}
}

static void test_warps(void **state)
{
	uint32_t out[64];

	(void)state;
	run_body(
		"",
		AT4
		"and.b32 %x0, %t, 31; setp.lt.u32 %p, %x0, 10; vote.sync.ballot.b32 %x1, %p, 0xffffffff; vote.sync.all.pred %q, %p, 0xffffffff;"
		"vote.sync.any.pred %r, %p, 0xffffffff; selp.u32 %x2, 0x10000, 0, %q; selp.u32 %x3, 0x20000, 0, %r; or.b32 %x1, %x1, %x2; or.b32 %x1, %x1, %x3;"
		"st.global.u32 [%y0], %x1; ret;",
		1, 64, out, out);
	for (int i = 0; i < 64; i++)
		assert_int_equal(out[i], 0x203ff);
	/* the two halves of a warp do different things with their own masks, at the same time */
	run_body(
		"",
		AT4
		"and.b32 %x0, %t, 31; setp.lt.u32 %p, %x0, 16; @%p bra low; redux.sync.max.s32 %x1, %x0, 0xffff0000; shfl.sync.idx.b32 %x2, %x0, 20, 0x1f, 0xffff0000;"
		"bra end; low: redux.sync.add.u32 %x1, %x0, 0xffff; shfl.sync.idx.b32 %x2, %x0, 4, 0x1f, 0xffff; end: bar.warp.sync 0xffffffff;"
		"mad.lo.u32 %x1, %x2, 1000, %x1; st.global.u32 [%y0], %x1; ret;",
		1, 64, out, out);
	for (int i = 0; i < 64; i++)
		assert_int_equal(out[i], i % 32 < 16 ? 4120 : 20031);
	/* match, elect, activemask; a last warp that is not full */
	run_body(
		"",
		AT4
		"shr.u32 %x0, %t, 2; match.any.sync.b32 %x1, %x0, 0xffffffff; st.global.u32 [%y0], %x1; ret;",
		1, 32, out, out);
	for (int i = 0; i < 32; i++)
		assert_int_equal(out[i], 0xfu << i / 4 * 4);
	run_body(
		"",
		AT4
		"elect.sync %x0|%p, 0xfffffff0; @%p add.u32 %x0, %x0, 100; st.global.u32 [%y0], %x0; ret;",
		1, 32, out, out);
	assert_int_equal(out[4], 104);
	assert_int_equal(out[9], 4);
	run_body(
		"",
		AT4
		"setp.gt.u32 %p, %t, 35; @%p ret; and.b32 %x0, %t, 1; setp.eq.u32 %q, %x0, 1; @%q bra odd; activemask.b32 %x1; bra end; odd: activemask.b32 %x1;"
		"end: st.global.u32 [%y0], %x1; ret;",
		1, 40, out, out);
	for (int i = 0; i < 36; i++)
		assert_int_equal(out[i],
				 (i & 1 ? 0xaaaaaaaau : 0x55555555u) & (i < 32 ? ~0u : 0xfu));
}

static void test_atomics(void **state)
{
	struct {
		uint32_t sum, max, min, ored, inc, dec, xored, last;
		uint64_t sum64, max64;
		float f;
		uint32_t h2;
		double d;
		uint16_t cas16, pad[3];
	} m = {0};

	(void)state;
	m.min = 1000;
	m.dec = 5;
	m.max64 = 1;
	run_body(
		"",
		"mov.u32 %x0, %ctaid.x; mad.lo.u32 %x0, %x0, 128, %t; atom.global.add.u32 %x1, [%out], %x0; atom.max.s32 %x1, [%out+4], %x0; red.global.min.u32 [%out+8], %x0;"
		"and.b32 %x2, %t, 31; shl.b32 %x3, 1, %x2; red.global.or.b32 [%out+12], %x3; atom.global.inc.u32 %x1, [%out+16], 99; atom.global.dec.u32 %x1, [%out+20], 6;"
		"red.xor.b32 [%out+24], %x0; atom.global.exch.b32 %x1, [%out+28], 77; cvt.u64.u32 %y0, %x0; red.global.add.u64 [%out+32], %y0; atom.global.max.u64 %y1, [%out+40], %y0;"
		"red.global.add.f32 [%out+48], 0f3f000000; atom.global.add.noftz.f16x2 %x4, [%out+52], 0x3c003800; atom.global.add.f64 %g0, [%out+56], 0d3fd0000000000000;"
		"mov.b16 %h0, 0; mov.b16 %h1, 9; atom.global.cas.b16 %h2, [%out+64], %h0, %h1; ret;",
		4, 128, &m, &m);
	assert_int_equal(m.sum, 511 * 512 / 2);
	assert_int_equal(m.max, 511);
	assert_int_equal(m.min, 0);
	assert_int_equal(m.ored, 0xffffffff);
	assert_int_equal(m.inc, 512 % 100);
	assert_int_equal(m.dec, (5 + 7 * 100 - 512) % 7);
	assert_int_equal(m.xored, 0);
	assert_int_equal(m.last, 77);
	assert_int_equal(m.sum64, 511 * 512 / 2);
	assert_int_equal(m.max64, 511);
	assert_true(m.f == 256.0f);
	assert_int_equal(m.h2, 0x60005c00); /* 512 and 256 */
	assert_true(m.d == 128.0);
	assert_int_equal(m.cas16, 9);
	/* in shared memory, and compare and swap as a lock that threads of a block wait for */
	uint32_t out[2] = {0, 0};

	run_body(
		".shared .u32 s[2];",
		"setp.ne.u32 %p, %t, 0; @%p bra go; st.shared.u32 [s], 0; st.shared.u32 [s+4], 0; go: bar.sync 0;"
		"try: atom.shared.cas.b32 %x0, [s], 0, 1; setp.ne.u32 %q, %x0, 0; @%q bra try; ld.volatile.shared.u32 %x1, [s+4]; add.u32 %x1, %x1, 1;"
		"st.volatile.shared.u32 [s+4], %x1; atom.shared.exch.b32 %x0, [s], 0; bar.sync 0; @%p ret; ld.shared.u32 %x1, [s+4]; st.global.u32 [%out], %x1; ret;",
		1, 256, out, out);
	assert_int_equal(out[0], 256);
}

static void test_special_registers(void **state)
{
	uint32_t out[16 * 64];

	(void)state;
	run_body(
		"",
		"mov.u32 %x0, %ctaid.x; mov.u32 %x1, %ntid.x; mad.lo.u32 %x2, %x0, %x1, %t; mul.wide.u32 %y0, %x2, 64; add.u64 %y0, %out, %y0;"
		"mov.u32 %x3, %laneid; mov.u32 %x4, %warpid; mov.u32 %x5, %nctaid.x; mov.u32 %x6, %lanemask_lt; mov.u32 %x7, %lanemask_ge;"
		"st.global.v4.u32 [%y0], {%x0, %x1, %x3, %x4}; st.global.v4.u32 [%y0+16], {%x5, %x6, %x7, %t}; mov.u32 %x8, %tid.y; mov.u32 %x9, %ntid.z; mov.u32 %x10, %nctaid.y;"
		"st.global.v2.u32 [%y0+32], {%x8, %x9}; st.global.u32 [%y0+40], %x10; mov.u64 %y1, %clock64; mov.u64 %y2, %clock64; setp.ge.u64 %p, %y2, %y1; selp.u32 %x11, 1, 0, %p; st.global.u32 [%y0+44], %x11; ret;",
		1, 64, out, out);
	for (uint32_t i = 0; i < 64; i++) {
		const uint32_t lt = (1u << i % 32) - 1,
			       want[] = {0, 64, i % 32, i / 32, 1, lt, ~lt, i, 0, 1, 1, 1};

		assert_memory_equal(&out[i * 16], want, sizeof(want));
	}
}

static int fault_of(const char *globals, const char *body, uint32_t block, struct ptx_fault *fault)
{
	struct ptx_module *m = load_body(globals, body);
	static uint64_t memory[4];
	int rc = run_k(m, 1, block, memory, memory, fault);

	ptx_module_unload(m);
	return rc;
}

static void test_faults(void **state)
{
	struct ptx_fault fault;

	(void)state;
	assert_int_equal(fault_of("", "setp.eq.u32 %p, %t, 5; @%p trap; ret;", 8, &fault), -14);
	assert_int_equal(fault.kind, PTX_FAULT_TRAP);
	assert_int_equal(fault.thread[0], 5);
	assert_int_equal(
		fault_of(
			"",
			"mov.u64 %y0, 0; ld.global.u32 %x0, [%y0+16]; st.global.u32 [%out], %x0; ret;",
			8, &fault),
		-14);
	assert_int_equal(fault.kind, PTX_FAULT_ADDRESS);
	assert_int_equal(fault.address, 16);
	assert_non_null(strstr(fault.text, "kernel k"));
	assert_int_equal(
		fault_of("", "mov.u64 %y0, 4096; p: .callprototype _ (); call %y0, (), p; ret;", 1,
			 &fault),
		-14);
	assert_int_equal(fault.kind, PTX_FAULT_ADDRESS);
	assert_int_equal(fault_of("", "p: .callprototype _ (); call %out, (), p; ret;", 1, &fault),
			 -14);
	assert_int_equal(fault.kind, PTX_FAULT_BAD_CALL);
	/* half of the threads wait for the other half, which waits elsewhere */
	assert_int_equal(fault_of("", "and.b32 %x0, %t, 1; add.u32 %x0, %x0, 1; bar.sync %x0; ret;",
				  64, &fault),
			 -14);
	assert_int_equal(fault.kind, PTX_FAULT_DEADLOCK);
	/* out of the block's shared memory */
	assert_int_equal(
		fault_of(
			".shared .u32 s[4];",
			"mov.u32 %x0, 0x3a000; ld.shared.u32 %x1, [%x0]; st.shared.u32 [s], %x1; ret;",
			1, &fault),
		-14);
	assert_int_equal(fault.kind, PTX_FAULT_ADDRESS);
	/* endless recursion */
	assert_int_equal(
		fault_of(
			".func f(.param .b32 a); .func f(.param .b32 a) { .local .b8 l[64]; .reg .b32 %v; .reg .b64 %l; ld.param.b32 %v, [a]; mov.u64 %l, l; st.local.u32 [%l], %v; { .param .b32 p; add.u32 %v, %v, 1; st.param.b32 [p], %v; call f, (p); } ld.local.u32 %v, [%l+4]; st.local.u32 [%l+8], %v; ret; }",
			"{ .param .b32 p; st.param.b32 [p], 0; call f, (p); } ret;", 2, &fault),
		-14);
	assert_int_equal(fault.kind, PTX_FAULT_STACK_OVERFLOW);
	/* division by zero is no fault */
	assert_int_equal(
		fault_of("",
			 "mov.u32 %x0, 0; div.s32 %x1, %t, %x0; st.global.u32 [%out], %x1; ret;", 8,
			 &fault),
		0);
	assert_int_equal(fault.kind, PTX_FAULT_NONE);
}

static void test_info(void **state)
{
	struct ptx_module *m = load(
		".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry a(.param .u64 x, .param .u8 y, .param .align 16 .b8 z[20]) .reqntid 32, 2\n{ .shared .b8 s[1000]; .reg .b32 %r; mov.u32 %r, s; ret; }\n"
		".entry b() .maxntid 64 .minnctapersm 3 { ret; }");
	struct ptx_kernel_info info;
	struct ptx_fault fault;
	uint8_t params[64] = {0};
	struct ptx_launch l = {
		.grid = {1, 1, 1}, .block = {32, 2, 1}, .params = params, .param_bytes = 36};

	(void)state;
	assert_int_equal(ptx_module_kernel_count(m), 2);
	ptx_kernel_info(ptx_module_kernel(m, "a"), &info);
	assert_int_equal(info.param_count, 3);
	assert_int_equal(info.params[1].offset, 8);
	assert_int_equal(info.params[2].offset, 16);
	assert_int_equal(info.params[2].size, 20);
	assert_int_equal(info.param_bytes, 36);
	assert_int_equal(info.shared_bytes, 1000);
	assert_int_equal(info.reqntid[1], 2);
	assert_int_equal(info.max_threads, 64);
	assert_int_equal(ptx_launch(ptx_module_kernel(m, "a"), &l, &fault), 0);
	l.block[1] = 1;
	assert_int_equal(ptx_launch(ptx_module_kernel(m, "a"), &l, &fault), -22);
	assert_int_equal(fault.kind, PTX_FAULT_CONFIG);
	l.block[1] = 2;
	l.param_bytes = 35;
	assert_int_equal(ptx_launch(ptx_module_kernel(m, "a"), &l, &fault), -22);
	l.param_bytes = 36;
	l.dynamic_shared = 232448;
	assert_int_equal(ptx_launch(ptx_module_kernel(m, "a"), &l, &fault), -22);
	ptx_kernel_info(ptx_module_kernel(m, "b"), &info);
	assert_int_equal(info.minnctapersm, 3);
	l = (struct ptx_launch){.grid = {1, 1, 1}, .block = {65, 1, 1}};
	assert_int_equal(ptx_launch(ptx_module_kernel(m, "b"), &l, &fault), -22);
	l.block[0] = 64;
	l.grid[1] = 0;
	assert_int_equal(ptx_launch(ptx_module_kernel(m, "b"), &l, &fault), -22);
	ptx_module_unload(m);
}

/* Many host threads launch at once; each launch spreads over workers. */
static struct ptx_module *parallel_module;

static void *parallel_main(void *result)
{
	uint32_t *sums = calloc(64, 4);

	for (int i = 0; i < 20; i++) {
		memset(sums, 0, 64 * 4);
		*(int *)result |= run_k(parallel_module, 64, 128, sums, sums, NULL);
		for (int k = 0; k < 64; k++)
			*(int *)result |= sums[k] != 127 * 128 / 2;
	}
	free(sums);
	return NULL;
}

static void test_parallel(void **state)
{
	pthread_t threads[4];
	int results[4] = {0};

	(void)state;
	parallel_module = load_body(
		".shared .u32 s;",
		"setp.ne.u32 %p, %t, 0; @%p bra go; st.shared.u32 [s], 0; go: bar.sync 0; red.shared.add.u32 [s], %t; bar.sync 0; @%p ret;"
		"mov.u32 %x0, %ctaid.x; mul.wide.u32 %y0, %x0, 4; add.u64 %y0, %out, %y0; ld.shared.u32 %x1, [s]; st.global.u32 [%y0], %x1; ret;");
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, parallel_main, &results[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(results[i], 0);
	ptx_module_unload(parallel_module);
}

static void test_copies(void **state)
{
	uint32_t in[64], out[64];

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		in[i] = i * 7 + 1;
	run_body(
		".shared .align 16 .b8 s[256];",
		"mul.wide.u32 %y0, %t, 16; add.u64 %y1, %in, %y0; mov.u32 %x0, s; mad.lo.u32 %x0, %t, 16, %x0; setp.lt.u32 %p, %t, 8;"
		"@%p cp.async.cg.shared.global.L2::128B [%x0], [%y1], 16; @!%p cp.async.ca.shared.global [%x0], [%y1], 16, 4; cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;"
		"ld.shared.v4.u32 {%x1, %x2, %x3, %x4}, [%x0]; add.u64 %y2, %out, %y0; st.global.v4.u32 [%y2], {%x1, %x2, %x3, %x4}; ret;",
		1, 16, out, in);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(out[i], i < 32 || i % 4 == 0 ? in[i] : 0);
}

/* Producers arrive on an mbarrier, everybody waits for its phase, by state and by parity, twice. */
static void test_mbarrier(void **state)
{
	uint32_t out[96] = {0};

	(void)state;
	run_body(
		".shared .align 8 .b64 bar; .shared .u32 s[96];",
		AT4
		"mov.u32 %x0, s; mad.lo.u32 %x1, %t, 4, %x0; setp.ne.u32 %p, %t, 0; @!%p mbarrier.init.shared.b64 [bar], 96; bar.sync 0;"
		"add.u32 %x2, %t, 7; st.shared.u32 [%x1], %x2; mbarrier.arrive.shared.b64 %y2, [bar];"
		"w1: mbarrier.test_wait.shared.b64 %q, [bar], %y2; @!%q bra w1;"
		"sub.u32 %x3, 95, %t; mad.lo.u32 %x3, %x3, 4, %x0; ld.shared.u32 %x4, [%x3];"
		"mbarrier.arrive.release.cta.shared::cta.b64 %y3, [bar], 1;"
		"w2: mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 %q, [bar], 1; @!%q bra w2;"
		"mbarrier.pending_count.b64 %x5, %y2; min.u32 %x5, %x5, 0; add.u32 %x4, %x4, %x5; st.global.u32 [%y0], %x4; ret;",
		1, 96, out, out);
	for (uint32_t i = 0; i < 96; i++)
		assert_int_equal(out[i], 95 - i + 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),   cmocka_unit_test(test_spaces),
		cmocka_unit_test(test_globals),  cmocka_unit_test(test_control),
		cmocka_unit_test(test_calls),    cmocka_unit_test(test_barriers),
		cmocka_unit_test(test_shuffles), cmocka_unit_test(test_warps),
		cmocka_unit_test(test_atomics),  cmocka_unit_test(test_special_registers),
		cmocka_unit_test(test_faults),   cmocka_unit_test(test_info),
		cmocka_unit_test(test_parallel), cmocka_unit_test(test_copies),
		cmocka_unit_test(test_mbarrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
