/* SPDX-License-Identifier: MIT */
/*
 * PTX as nvcc makes it from kernels.cu, for several targets and with -G: each kernel against C.
 * The files come from the build ($VGPU_BUILD/test/ptx); without a toolkit the whole test is skipped.
 */
#include "harness.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct ptx_module *module;
static char printed[4096];
static size_t printed_bytes;

static void on_write(void *opaque, const char *bytes, size_t len)
{
	(void)opaque;
	if (printed_bytes + len < sizeof(printed)) {
		memcpy(printed + printed_bytes, bytes, len);
		printed_bytes += len;
		printed[printed_bytes] = 0;
	}
}

struct shape {
	uint32_t grid, block_x, block_y, shared, stack;
	bool cooperative;
	const volatile int *cancel;
};

static int launch(const char *name, struct shape s, const void *params, size_t bytes,
		  struct ptx_fault *fault)
{
	struct ptx_kernel *kernel = ptx_module_kernel(module, name);
	uint32_t side = s.block_y > 1 ? s.grid : 1;
	struct ptx_launch l = {.grid = {s.grid, side, 1},
			       .block = {s.block_x, s.block_y ? s.block_y : 1, 1},
			       .dynamic_shared = s.shared,
			       .params = params,
			       .param_bytes = bytes,
			       .cooperative = s.cooperative,
			       .stack_bytes = s.stack,
			       .cancel = s.cancel,
			       .callbacks = {.write = on_write}};

	assert_non_null(kernel);
	printed_bytes = 0;
	printed[0] = 0;
	return ptx_launch(kernel, &l, fault);
}

static void run(const char *name, struct shape s, const void *params, size_t bytes)
{
	struct ptx_fault fault;
	int rc = launch(name, s, params, bytes, &fault);

	if (rc)
		fail_msg("%s: %d %s", name, rc, fault.text);
}

struct two_in {
	const void *a, *b;
	void *out;
	int n;
};
struct out_n {
	void *out;
	int n;
};
struct out_in {
	void *out;
	const void *in;
};

static void test_vector_add(void **state)
{
	enum {
		N = 100003
	};
	float *a = malloc(N * 4), *b = malloc(N * 4), *c = calloc(N + 1, 4);
	struct two_in p = {a, b, c, N};

	(void)state;
	for (int i = 0; i < N; i++) {
		a[i] = (float)i * 0.5f;
		b[i] = (float)(i % 17);
	}
	run("vector_add", (struct shape){.grid = (N + 255) / 256, .block_x = 256}, &p, sizeof(p));
	for (int i = 0; i < N; i++)
		assert_true(c[i] == a[i] + b[i]);
	assert_true(c[N] == 0);
	free(a);
	free(b);
	free(c);
}

static void test_matmul(void **state)
{
	enum {
		N = 64
	};
	static float a[N * N], b[N * N], c[N * N];
	struct two_in p = {a, b, c, N};

	(void)state;
	for (int i = 0; i < N * N; i++) {
		a[i] = (float)(i % 13);
		b[i] = (float)(i % 7);
	}
	run("matmul", (struct shape){.grid = N / 16, .block_x = 16, .block_y = 16}, &p, sizeof(p));
	for (int i = 0; i < N; i++)
		for (int k = 0; k < N; k++) {
			float sum = 0;

			for (int m = 0; m < N; m++)
				sum += a[i * N + m] * b[m * N + k];
			assert_true(c[i * N + k] == sum);
		}
}

static void test_reduce(void **state)
{
	enum {
		N = 50000
	};
	static float a[N];
	float sum = 0, want = 0;
	struct {
		const void *a;
		void *sum;
		int n;
	} p = {a, &sum, N};

	(void)state;
	for (int i = 0; i < N; i++)
		want += a[i] = (float)(i % 5);
	run("reduce", (struct shape){.grid = 8, .block_x = 256}, &p, sizeof(p));
	assert_true(sum == want);
}

static void test_print(void **state)
{
	struct ptx_fault fault;
	int x = 3;

	(void)state;
	run("print", (struct shape){.grid = 1, .block_x = 2}, &x, 4);
	assert_string_equal(printed,
			    "3  4.50|text  |c 123456789abc %\n3  4.50|text  |c 123456789abc %\n");
	x = 11;
	assert_int_equal(launch("print", (struct shape){.grid = 1, .block_x = 1}, &x, 4, &fault),
			 -14);
	assert_int_equal(fault.kind, PTX_FAULT_ASSERT);
	assert_non_null(strstr(printed, "kernels.cu:"));
	assert_non_null(
		strstr(printed, "block: [0,0,0], thread: [0,0,0] Assertion `x < 10` failed.\n"));
}

static int fibonacci(int n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static void test_calls(void **state)
{
	int out[32];
	struct out_n p = {out, 7};

	(void)state;
	run("virtual_call", (struct shape){.grid = 1, .block_x = 4}, &p, 12);
	for (int i = 0; i < 4; i++)
		assert_int_equal(out[i], i & 1 ? 12 : 14);
	run("recursion", (struct shape){.grid = 1, .block_x = 8}, &p, 12);
	for (int i = 0; i < 8; i++)
		assert_int_equal(out[i], fibonacci(7 + i));
	p.n = 1;
	run("function_pointer", (struct shape){.grid = 1, .block_x = 32}, &p, 12);
	for (int i = 0; i < 32; i++)
		assert_int_equal(out[i], (i + 1) & 1 ? i * i : i + 1);
}

static void test_control(void **state)
{
	static const int want[] = {5, 7, 0x40000000, 0x40000003, 3, 8, 9};
	int out[64], a[64];
	struct out_n p = {out, 0};

	(void)state;
	for (p.n = 0; p.n < 7; p.n++) {
		run("switch_table", (struct shape){.grid = 1, .block_x = 1}, &p, 12);
		assert_int_equal(out[0], want[p.n]);
	}
	p.n = 3;
	run("local_array", (struct shape){.grid = 1, .block_x = 64}, &p, 12);
	for (int i = 0; i < 64; i++)
		a[i] = i * 3;
	for (int i = 1; i < 64; i++)
		a[i * 7 & 63] += a[i - 1];
	for (int i = 0; i < 64; i++)
		assert_int_equal(out[i], a[i]);
}

static void near(double got, double want, double relative)
{
	if (fabs(got - want) > fabs(want) * relative + relative * 1e-3)
		fail_msg("%.17g is not %.17g", got, want);
}

static void test_math(void **state)
{
	double in[32], out[32 * 8];
	float inf[32], outf[32 * 8];
	struct out_in p = {out, in}, pf = {outf, inf};

	(void)state;
	for (int i = 0; i < 32; i++) {
		in[i] = (i - 16) * 0.37 +
			(i > 28 ? 1e6 : 0); /* the last ones need the long reduction */
		inf[i] = (float)((i - 16) * 0.37);
	}
	in[0] = -2.25;
	run("double_math", (struct shape){.grid = 1, .block_x = 29}, &p, 16);
	run("float_math", (struct shape){.grid = 1, .block_x = 32}, &pf, 16);
	for (int i = 0; i < 29; i++) {
		double x = in[i];
		const double want[] = {
			sin(x), cos(x),      exp(x), log(fabs(x) + 1), pow(fabs(x), 3.3),
			tan(x), atan2(x, 2), cbrt(x)};

		for (int k = 0; k < 8; k++)
			near(out[i * 8 + k], want[k], 1e-14);
	}
	for (int i = 0; i < 32; i++) {
		double x = inf[i];
		const double want[] = {sin(x),
				       cos(x),
				       exp(x),
				       log(fabs(x) + 1),
				       pow(fabs(x), (double)3.3f),
				       tan(x),
				       erf(x),
				       fmod(x, (double)0.3f)};

		for (int k = 0; k < 8; k++)
			near(outf[i * 8 + k], want[k], 2e-6);
	}
}

static void test_half(void **state)
{
	/* 0.5 and 1; 2 and 3 as pairs, bf16: 1.5, -2 */
	uint32_t in[] = {0x38003c00, 0x42004000}, out[2];
	uint16_t bin[] = {0x3fc0, 0xc000}, bout[2];
	struct out_in p = {out, in}, pb = {bout, bin};

	(void)state;
	run("half_math", (struct shape){.grid = 1, .block_x = 2}, &p, 16);
	/* x*x + x + 1 in the low half: 3, 7; x*x + x - 0.5 in the high one: 0.25, 11.5 */
	assert_int_equal(out[0], 0x34004200);
	assert_int_equal(out[1], 0x49c04700);
	run("bfloat_math", (struct shape){.grid = 1, .block_x = 2}, &pb, 16);
	assert_int_equal(bout[0], 0x4020); /* 2.5 */
	assert_int_equal(bout[1], 0x4088); /* 4.25 */
}

static void test_memory(void **state)
{
	int out[256];
	void *p = out;
	float table[16], fout[32];
	void *pf = fout;
	struct ptx_global_info info;

	(void)state;
	run("dynamic_shared", (struct shape){.grid = 1, .block_x = 256, .shared = 1024}, &p, 8);
	for (int i = 0; i < 256; i++)
		assert_int_equal(out[i], (255 - i) * 3);
	run("heap", (struct shape){.grid = 1, .block_x = 64}, &p, 8);
	for (int i = 0; i < 64; i++)
		assert_int_equal(out[i], 45 + 10 * i);
	assert_int_equal(ptx_module_global(module, "table", &info), 0);
	assert_int_equal(info.size, 64);
	assert_true(info.is_const);
	for (int i = 0; i < 16; i++)
		table[i] = (float)i * 2;
	memcpy(info.address, table, sizeof(table));
	assert_int_equal(ptx_module_global(module, "counter", &info), 0);
	assert_int_equal(*(int *)info.address, 5);
	run("globals", (struct shape){.grid = 1, .block_x = 32}, &pf, 8);
	for (int i = 0; i < 32; i++)
		assert_true(fout[i] == (float)(i & 15) * 2 + 5);
	assert_int_equal(ptx_module_global(module, "nothing", &info), -2);
}

static void test_long_long(void **state)
{
	long long o[10], a = -0x123456789abcdefll;
	int b = -77;
	struct {
		void *o;
		long long a;
		int b;
	} p = {o, a, b};
	uint64_t brev = 0;

	(void)state;
	run("long_long", (struct shape){.grid = 1, .block_x = 1}, &p, 20);
	for (int i = 0; i < 64; i++)
		brev |= ((uint64_t)a >> i & 1) << (63 - i);
	assert_int_equal(o[0], a / b);
	assert_int_equal(o[1], a % b);
	assert_int_equal(o[2], (long long)((__int128)a * b >> 64));
	assert_int_equal(o[3], (long long)brev);
	assert_int_equal(o[4], __builtin_ffsll(a));
	assert_int_equal(o[5], __builtin_clzll((unsigned long long)a));
	assert_int_equal(o[6], __builtin_popcountll((unsigned long long)a));
	assert_int_equal(o[7], (long long)((unsigned __int128)(uint64_t)a * (uint64_t)a >> 64));
	assert_int_equal(o[8], (long long)((uint64_t)a >> (b & 63)));
	assert_int_equal(o[9], (long long)((uint64_t)a << (b & 63)));
}

static void test_groups(void **state)
{
	int out[1024];
	void *p = out;

	(void)state;
	run("groups", (struct shape){.grid = 1, .block_x = 64}, &p, 8);
	for (int i = 0; i < 64; i++) {
		int tile = i / 8 * 8, sum = 0, active = 0;

		for (int k = 0; k < 8; k++)
			sum += tile + k;
		for (int k = i / 32 * 32; k < i / 32 * 32 + 32; k++)
			active += k % 3 == 0;
		assert_int_equal(out[i], sum + (i % 3 ? 0 : active * 1000));
	}
	run("grid_sync", (struct shape){.grid = 8, .block_x = 128, .cooperative = true}, &p, 8);
	assert_int_equal(out[0], 1024);
	run("block_votes", (struct shape){.grid = 1, .block_x = 64}, &p, 8);
	for (int i = 0; i < 64; i++)
		assert_int_equal(out[i], 1132);
}

static void test_votes(void **state)
{
	uint32_t out[32];
	void *p = out;

	(void)state;
	run("votes", (struct shape){.grid = 1, .block_x = 32}, &p, 8);
	for (uint32_t i = 0; i < 32; i++) {
		uint32_t want = (0xaaaaaaaau ^ 0xfu << i / 4 * 4) + 1 + 2 + 0xffffffffu + 1 +
				(i ^ 5) * 64 + (i % 8 < 3 ? i : i - 3) * 4096;

		assert_int_equal(out[i], want);
	}
}

struct big {
	int a[10];
	double d;
};

static void test_structs(void **state)
{
	struct big out[10];
	struct {
		void *out;
		struct big b;
	} p = {out, {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 1.5}};

	(void)state;
	run("structs", (struct shape){.grid = 1, .block_x = 10}, &p, sizeof(p));
	for (int i = 0; i < 10; i++) {
		assert_true(out[i].d == 3.0);
		for (int k = 0; k < 10; k++)
			assert_int_equal(out[i].a[k], k == i ? 2 * k : k);
	}
}

static void test_spin(void **state)
{
	int lock = 0, sum = 0;
	const void *p[] = {&lock, &sum};

	(void)state;
	run("spin_lock", (struct shape){.grid = 4, .block_x = 64}, p, sizeof(p));
	assert_int_equal(sum, 256);
}

static volatile int cancelled;

static void *canceller(void *unused)
{
	(void)unused;
	usleep(50000);
	__atomic_store_n(&cancelled, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void test_faults(void **state)
{
	struct ptx_fault fault;
	pthread_t thread;
	int flag = 0;
	void *p = &flag;
	struct out_n deep = {&flag, 100000};

	(void)state;
	cancelled = 0;
	pthread_create(&thread, NULL, canceller, NULL);
	assert_int_equal(launch("endless",
				(struct shape){.grid = 2, .block_x = 64, .cancel = &cancelled}, &p,
				8, &fault),
			 -125);
	assert_int_equal(fault.kind, PTX_FAULT_CANCELLED);
	pthread_join(thread, NULL);
	p = (void *)0x1000;
	assert_int_equal(launch("wild", (struct shape){.grid = 1, .block_x = 32}, &p, 8, &fault),
			 -14);
	assert_int_equal(fault.kind, PTX_FAULT_ADDRESS);
	assert_int_equal(fault.address, 0x1000);
	assert_non_null(strstr(fault.text, "wild"));
	assert_int_equal(launch("deep_recursion", (struct shape){.grid = 1, .block_x = 1}, &deep,
				12, &fault),
			 -14);
	assert_int_equal(fault.kind, PTX_FAULT_STACK_OVERFLOW);
	/* and it goes on after all that */
	deep.n = 20;
	run("deep_recursion", (struct shape){.grid = 1, .block_x = 32, .stack = 16384}, &deep, 12);
	assert_int_equal(flag, 210);
}

/* Returns 77 where the build had no nvcc. */
static int load_file(const char *name)
{
	const char *build = getenv("VGPU_BUILD");
	char path[512];
	struct ptx_log log = {0};
	FILE *file;
	char *text;
	size_t len;
	int rc;

	snprintf(path, sizeof(path), "%s/test/ptx/%s.ptx", build ? build : "build/release", name);
	file = fopen(path, "r");
	if (!file)
		return 77;
	text = malloc(8 << 20);
	len = fread(text, 1, 8 << 20, file);
	fclose(file);
	rc = ptx_module_load(text, len, NULL, &log, &module);
	free(text);
	if (rc)
		fprintf(stderr, "%s: %d %s\n", path, rc, log.text);
	return rc;
}

int main(void)
{
	static const char *const files[] = {"sm_75", "sm_90", "sm_80-G"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector_add), cmocka_unit_test(test_matmul),
		cmocka_unit_test(test_reduce),     cmocka_unit_test(test_print),
		cmocka_unit_test(test_calls),      cmocka_unit_test(test_control),
		cmocka_unit_test(test_math),       cmocka_unit_test(test_half),
		cmocka_unit_test(test_memory),     cmocka_unit_test(test_long_long),
		cmocka_unit_test(test_groups),     cmocka_unit_test(test_votes),
		cmocka_unit_test(test_structs),    cmocka_unit_test(test_spin),
		cmocka_unit_test(test_faults),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int rc = load_file(files[i]);

		if (rc == 77) {
			printf("SKIP %s: the build found no nvcc\n", files[i]);
			return 77;
		}
		if (rc)
			return 1;
		printf("# %s\n", files[i]);
		failed += cmocka_run_group_tests_name(files[i], tests, NULL, NULL);
		ptx_module_unload(module);
	}
	return failed != 0;
}
