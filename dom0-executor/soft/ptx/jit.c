/* SPDX-License-Identifier: MIT */
/*
 * LLVM: IR of a kernel and all that it calls, few passes, native code by MCJIT. One engine per kernel. Code uses
 * the host's CPU features, never more; helpers are called by address, libm by the symbols named here.
 */
#include "gen.h"
#include "jit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/ExecutionEngine.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/IPO.h>
#include <llvm-c/Transforms/InstCombine.h>
#include <llvm-c/Transforms/Scalar.h>
#include <llvm-c/Transforms/Utils.h>

static pthread_once_t jit_once = PTHREAD_ONCE_INIT;
static char *host_cpu, *host_features;

/* What LLVM's intrinsics become on CPUs that lack the instruction. dlsym would not find them where this
 * library is loaded RTLD_LOCAL. */
static void add_libm(void)
{
	static const struct {
		const char *name;
		void *address;
	} symbols[] = {
#define SYMBOL(f) {#f, (void *)(uintptr_t)(f)}
		SYMBOL(fma),    SYMBOL(fmaf),  SYMBOL(rint),   SYMBOL(rintf),  SYMBOL(floor),
		SYMBOL(floorf), SYMBOL(ceil),  SYMBOL(ceilf),  SYMBOL(trunc),  SYMBOL(truncf),
		SYMBOL(sqrt),   SYMBOL(sqrtf), SYMBOL(memcpy), SYMBOL(memset), SYMBOL(memmove),
#undef SYMBOL
	};

	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		LLVMAddSymbol(symbols[i].name, symbols[i].address);
}

static void jit_init(void)
{
	LLVMLinkInMCJIT();
	LLVMInitializeNativeTarget();
	LLVMInitializeNativeAsmPrinter();
	host_cpu = LLVMGetHostCPUName();
	host_features = LLVMGetHostCPUFeatures();
	add_libm();
}

static void gen_open(struct ptx_gen *g, const struct ptx_module *m, struct ptx_log *log)
{
	pthread_once(&jit_once, jit_init);
	*g = (struct ptx_gen){.log = log, .cpu = host_cpu, .features = host_features};
	if (m->options.baseline) {
		g->cpu = "x86-64";
		g->features = "";
	}
	g->ctx = LLVMContextCreate();
	g->mod = LLVMModuleCreateWithNameInContext("ptx", g->ctx);
	ptx_gen_init(g);
}

/* The module stays where an engine took it (mod is NULL then). */
static void gen_close(struct ptx_gen *g, bool context_too)
{
	LLVMDisposeBuilder(g->b);
	LLVMDisposeBuilder(g->entry);
	if (g->mod)
		LLVMDisposeModule(g->mod);
	if (context_too)
		LLVMContextDispose(g->ctx);
}

static int module_verify(struct ptx_gen *g)
{
	char *message = NULL;

	if (!g->rc && LLVMVerifyModule(g->mod, LLVMReturnStatusAction, &message))
		gen_fail(g, -ENOTSUP, "code that was made from it is not valid: %.160s", message);
	LLVMDisposeMessage(message);
	return g->rc;
}

static int check(struct ptx_module *m, struct ptx_log *log)
{
	struct ptx_gen g;
	int rc = 0;

	for (struct ptx_unit *unit = m->units; unit && !rc; unit = unit->next)
		for (struct ptx_func *f = unit->funcs; f && !rc; f = f->next) {
			if (!f->has_body || f->target)
				continue;
			gen_open(&g, m, log);
			rc = ptx_gen_function(&g, f);
			if (!rc)
				rc = module_verify(&g);
			gen_close(&g, true);
		}
	return rc;
}

static void run_passes(struct ptx_gen *g, unsigned int level, bool has_calls)
{
	LLVMPassManagerRef pm = LLVMCreatePassManager();

	LLVMAddScalarReplAggregatesPass(pm);
	if (level) {
		LLVMAddInstructionCombiningPass(pm);
		LLVMAddCFGSimplificationPass(pm);
		if (has_calls)
			LLVMAddFunctionInliningPass(pm);
		LLVMAddEarlyCSEPass(pm);
		if (has_calls)
			LLVMAddScalarReplAggregatesPass(pm);
		LLVMAddLICMPass(pm);
		LLVMAddGVNPass(pm);
		LLVMAddInstructionCombiningPass(pm);
		LLVMAddDeadStoreEliminationPass(pm);
		LLVMAddCFGSimplificationPass(pm);
	} else {
		LLVMAddEarlyCSEPass(pm);
		LLVMAddCFGSimplificationPass(pm);
	}
	LLVMRunPassManager(pm, g->mod);
	LLVMDisposePassManager(pm);
}

/* Functions whose address is taken keep a name, so that their code can be found. */
static void set_linkage(struct ptx_gen *g, struct ptx_func *first)
{
	for (struct ptx_func *f = first; f; f = f->walk)
		if (!f->is_kernel)
			LLVMSetLinkage(gen_declare(g, f), f->address_taken ? LLVMExternalLinkage
									   : LLVMInternalLinkage);
}

static void describe_functions(struct ptx_func *first, LLVMExecutionEngineRef engine)
{
	for (struct ptx_func *f = first; f; f = f->walk) {
		struct ptx_func_desc *desc = f->descriptor;
		char name[64];

		snprintf(name, sizeof(name), "func_%p", (void *)f);
		if (!f->is_kernel && f->address_taken && !desc->code)
			__atomic_store_n(&desc->code,
					 (void *)(uintptr_t)LLVMGetFunctionAddress(engine, name),
					 __ATOMIC_RELEASE);
	}
}

struct engine {
	LLVMExecutionEngineRef mcjit;
	LLVMContextRef ctx;
};

static int make_code(struct ptx_gen *g, struct ptx_kernel *kernel, struct ptx_func *first)
{
	struct LLVMMCJITCompilerOptions options;
	struct engine *engine = calloc(1, sizeof(*engine));
	char *error = NULL;
	uint64_t code;

	if (!engine)
		return -ENOMEM;
	LLVMInitializeMCJITCompilerOptions(&options, sizeof(options));
	options.OptLevel = kernel->module->options.opt_level ? 2 : 1;
	if (LLVMCreateMCJITCompilerForModule(&engine->mcjit, g->mod, &options, sizeof(options),
					     &error)) {
		gen_fail(g, -ENOMEM, "MCJIT: %.200s", error ? error : "?");
		LLVMDisposeMessage(error);
		g->mod = NULL;
		free(engine);
		return g->rc;
	}
	g->mod = NULL; /* the engine's now */
	engine->ctx = g->ctx;
	kernel->engine = engine;
	code = LLVMGetFunctionAddress(engine->mcjit, "kernel");
	describe_functions(first, engine->mcjit);
	__atomic_store_n(&kernel->code, (ptx_code *)(uintptr_t)code, __ATOMIC_RELEASE);
	return code ? 0 : -ENOMEM;
}

static int compile(struct ptx_kernel *kernel, struct ptx_log *log)
{
	struct ptx_func *first = ptx_link_walk(kernel->module, kernel->func, NULL);
	struct ptx_gen g;
	int rc;

	gen_open(&g, kernel->module, log);
	for (struct ptx_func *f = first; f && !g.rc; f = f->walk)
		ptx_gen_function(&g, f);
	if (!module_verify(&g)) {
		set_linkage(&g, first);
		run_passes(&g, kernel->module->options.opt_level, kernel->func->walk != NULL);
		rc = make_code(&g, kernel, first);
	} else {
		rc = g.rc;
	}
	gen_close(&g, !kernel->engine);
	return rc;
}

static void release(struct ptx_kernel *kernel)
{
	struct engine *engine = kernel->engine;

	LLVMDisposeExecutionEngine(engine->mcjit);
	LLVMContextDispose(engine->ctx);
	free(engine);
	kernel->engine = NULL;
}

const struct ptx_jit ptx_jit_llvm = {compile, check, release};
