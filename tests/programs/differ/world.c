/* SPDX-License-Identifier: MIT */
/* How each object is made and dropped. One thread at a time. */
#include "tests/programs/differ/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/errors.h"
#include "tests/programs/differ.ptx.h"
#include "tests/programs/differ/shapes.h"

static CUresult make_context(struct df_world *w, uint64_t *made)
{
	CUcontext before = NULL;
	CUresult result;

	cuCtxGetCurrent(&before);
	result = cuCtxCreate_v2((CUcontext *)made, 0, w->dev);
	cuCtxSetCurrent(before);
	return result;
}

static CUresult make_stream(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuStreamCreate((CUstream *)made, CU_STREAM_NON_BLOCKING);
}

/* Recorded and reached, so that two of them have a time between them. */
static CUresult make_event(struct df_world *w, uint64_t *made)
{
	CUresult result = cuEventCreate((CUevent *)made, 0);

	(void)w;
	if (!result)
		result = cuEventRecord(*(CUevent *)made, NULL);
	return result ? result : cuEventSynchronize(*(CUevent *)made);
}

static CUresult make_module(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuModuleLoadData((CUmodule *)made, differ_ptx);
}

static CUresult make_function(struct df_world *w, uint64_t *made)
{
	return cuModuleGetFunction((CUfunction *)made, (CUmodule)df_get(w, DF_module), "put");
}

static CUresult make_library(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuLibraryLoadData((CUlibrary *)made, differ_ptx, NULL, NULL, 0, NULL, NULL, 0);
}

static CUresult make_kernel(struct df_world *w, uint64_t *made)
{
	return cuLibraryGetKernel((CUkernel *)made, (CUlibrary)df_get(w, DF_library), "put");
}

static CUresult make_link(struct df_world *w, uint64_t *made)
{
	CUresult result = cuLinkCreate_v2(0, NULL, NULL, (CUlinkState *)made);

	(void)w;
	if (result)
		return result;
	return cuLinkAddData_v2(*(CUlinkState *)made, CU_JIT_INPUT_PTX, (void *)differ_ptx,
				sizeof(differ_ptx), "differ", 0, NULL, NULL);
}

static CUresult make_mem(struct df_world *w, uint64_t *made)
{
	CUresult result = cuMemAlloc_v2((CUdeviceptr *)made, DF_SIZE);

	(void)w;
	if (!result)
		result = cuMemsetD8_v2(*made, 0, DF_SIZE);
	return result ? result : cuCtxSynchronize();
}

static CUresult make_managed(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuMemAllocManaged((CUdeviceptr *)made, DF_SIZE, CU_MEM_ATTACH_GLOBAL);
}

static CUresult make_pinned(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuMemHostAlloc((void **)made, DF_SIZE, 0);
}

/* The second half of the host's buffer. */
static CUresult make_registered(struct df_world *w, uint64_t *made)
{
	*made = (uint64_t)(uintptr_t)(w->host + DF_HOST / 2);
	return cuMemHostRegister_v2(w->host + DF_HOST / 2, DF_SIZE, 0);
}

static CUresult make_async(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuMemAllocAsync((CUdeviceptr *)made, DF_SIZE, NULL);
}

static CUresult make_array(struct df_world *w, uint64_t *made)
{
	return cuArrayCreate_v2((CUarray *)made, df_array_desc(w, ""));
}

static CUresult make_array2(struct df_world *w, uint64_t *made)
{
	return cuArray3DCreate_v2((CUarray *)made, df_array3d_desc(w, "surface"));
}

static CUresult make_mipmap(struct df_world *w, uint64_t *made)
{
	return cuMipmappedArrayCreate((CUmipmappedArray *)made, df_array3d_desc(w, ""), 2);
}

static CUresult make_pool(struct df_world *w, uint64_t *made)
{
	return cuMemPoolCreate((CUmemoryPool *)made, df_pool_props(w, ""));
}

static CUresult make_vmm(struct df_world *w, uint64_t *made)
{
	return cuMemCreate((CUmemGenericAllocationHandle *)made, DF_VMM, df_alloc_prop(w, ""), 0);
}

static CUresult make_reserved(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuMemAddressReserve((CUdeviceptr *)made, DF_VMM, 0, 0, 0);
}

static CUresult make_mapped(struct df_world *w, uint64_t *made)
{
	CUresult result = make_reserved(w, made);

	return result ? result : cuMemMap(*made, DF_VMM, 0, df_get(w, DF_vmm), 0);
}

static void user_gone(void *data)
{
	(void)data;
}

static CUresult make_user(struct df_world *w, uint64_t *made)
{
	return cuUserObjectCreate((CUuserObject *)made, w, user_gone, 1,
				  CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
}

static CUresult make_texref(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuTexRefCreate((CUtexref *)made);
}

static CUresult make_tex(struct df_world *w, uint64_t *made)
{
	return cuTexObjectCreate((CUtexObject *)made, df_resource(w, ""), df_texture(w, ""), NULL);
}

static CUresult make_surf(struct df_world *w, uint64_t *made)
{
	return cuSurfObjectCreate((CUsurfObject *)made, df_resource(w, "surface"));
}

static CUresult make_desc(struct df_world *w, uint64_t *made)
{
	return cuDevResourceGenerateDesc((CUdevResourceDesc *)made, df_dev_resource(w, ""), 1);
}

static CUresult make_green(struct df_world *w, uint64_t *made)
{
	return cuGreenCtxCreate((CUgreenCtx *)made, (CUdevResourceDesc)df_get(w, DF_desc), w->dev,
				CU_GREEN_CTX_DEFAULT_STREAM);
}

static CUresult make_graph(struct df_world *w, uint64_t *made)
{
	(void)w;
	return cuGraphCreate((CUgraph *)made, 0);
}

static CUresult make_clone(struct df_world *w, uint64_t *made)
{
	return cuGraphClone((CUgraph *)made, (CUgraph)df_get(w, DF_graph));
}

static CUresult make_exec(struct df_world *w, uint64_t *made)
{
	return cuGraphInstantiateWithFlags((CUgraphExec *)made, (CUgraph)df_get(w, DF_graph), 0);
}

static CUresult drop_context(uint64_t it)
{
	return cuCtxDestroy_v2((CUcontext)it);
}

static CUresult drop_stream(uint64_t it)
{
	return cuStreamDestroy_v2((CUstream)it);
}

static CUresult drop_event(uint64_t it)
{
	return cuEventDestroy_v2((CUevent)it);
}

static CUresult drop_module(uint64_t it)
{
	return cuModuleUnload((CUmodule)it);
}

static CUresult drop_library(uint64_t it)
{
	return cuLibraryUnload((CUlibrary)it);
}

static CUresult drop_link(uint64_t it)
{
	return cuLinkDestroy((CUlinkState)it);
}

static CUresult drop_mem(uint64_t it)
{
	return cuMemFree_v2((CUdeviceptr)it);
}

static CUresult drop_pinned(uint64_t it)
{
	return cuMemFreeHost((void *)(uintptr_t)it);
}

static CUresult drop_registered(uint64_t it)
{
	return cuMemHostUnregister((void *)(uintptr_t)it);
}

static CUresult drop_async(uint64_t it)
{
	return cuMemFreeAsync((CUdeviceptr)it, NULL);
}

static CUresult drop_array(uint64_t it)
{
	return cuArrayDestroy((CUarray)it);
}

static CUresult drop_mipmap(uint64_t it)
{
	return cuMipmappedArrayDestroy((CUmipmappedArray)it);
}

static CUresult drop_pool(uint64_t it)
{
	return cuMemPoolDestroy((CUmemoryPool)it);
}

static CUresult drop_vmm(uint64_t it)
{
	return cuMemRelease((CUmemGenericAllocationHandle)it);
}

static CUresult drop_reserved(uint64_t it)
{
	return cuMemAddressFree((CUdeviceptr)it, DF_VMM);
}

static CUresult drop_mapped(uint64_t it)
{
	cuMemUnmap((CUdeviceptr)it, DF_VMM);
	return drop_reserved(it);
}

static CUresult drop_user(uint64_t it)
{
	return cuUserObjectRelease((CUuserObject)it, 1);
}

static CUresult drop_texref(uint64_t it)
{
	return cuTexRefDestroy((CUtexref)it);
}

static CUresult drop_tex(uint64_t it)
{
	return cuTexObjectDestroy((CUtexObject)it);
}

static CUresult drop_surf(uint64_t it)
{
	return cuSurfObjectDestroy((CUsurfObject)it);
}

static CUresult drop_green(uint64_t it)
{
	return cuGreenCtxDestroy((CUgreenCtx)it);
}

static CUresult drop_graph(uint64_t it)
{
	return cuGraphDestroy((CUgraph)it);
}

static CUresult drop_exec(uint64_t it)
{
	return cuGraphExecDestroy((CUgraphExec)it);
}

static CUresult drop_node(uint64_t it)
{
	return cuGraphDestroyNode((CUgraphNode)it);
}

/* `kept`: over cases. `whole`: what is destroyed instead of it, which it is a part of. */
static const struct kind {
	const char *name;
	CUresult (*make)(struct df_world *, uint64_t *);
	CUresult (*drop)(uint64_t);
	bool kept, node;
	enum df_kind whole;
} kinds[DF_KINDS] = {
	[DF_context] = {.name = "context",
			.make = make_context,
			.drop = drop_context,
			.kept = true},
	[DF_stream] = {.name = "stream", .make = make_stream, .drop = drop_stream},
	[DF_stream2] = {.name = "stream", .make = make_stream, .drop = drop_stream},
	[DF_event] = {.name = "event", .make = make_event, .drop = drop_event},
	[DF_event2] = {.name = "event", .make = make_event, .drop = drop_event},
	[DF_module] = {.name = "module", .make = make_module, .drop = drop_module, .kept = true},
	[DF_function] = {.name = "function",
			 .make = make_function,
			 .drop = NULL,
			 .kept = true,
			 .whole = DF_module},
	[DF_library] = {.name = "library",
			.make = make_library,
			.drop = drop_library,
			.kept = true},
	[DF_kernel] = {.name = "kernel",
		       .make = make_kernel,
		       .drop = NULL,
		       .kept = true,
		       .whole = DF_library},
	[DF_link] = {.name = "link", .make = make_link, .drop = drop_link},
	[DF_mem] = {.name = "memory", .make = make_mem, .drop = drop_mem},
	[DF_mem2] = {.name = "memory", .make = make_mem, .drop = drop_mem},
	[DF_managed] = {.name = "managed", .make = make_managed, .drop = drop_mem},
	[DF_pinned] = {.name = "pinned", .make = make_pinned, .drop = drop_pinned},
	[DF_registered] = {.name = "registered", .make = make_registered, .drop = drop_registered},
	[DF_async] = {.name = "async", .make = make_async, .drop = drop_async},
	[DF_array] = {.name = "array", .make = make_array, .drop = drop_array},
	[DF_array2] = {.name = "array", .make = make_array2, .drop = drop_array},
	[DF_mipmap] = {.name = "mipmap", .make = make_mipmap, .drop = drop_mipmap},
	[DF_pool] = {.name = "pool", .make = make_pool, .drop = drop_pool},
	[DF_vmm] = {.name = "vmm", .make = make_vmm, .drop = drop_vmm},
	[DF_reserved] = {.name = "reserved", .make = make_reserved, .drop = drop_reserved},
	[DF_mapped] = {.name = "mapped", .make = make_mapped, .drop = drop_mapped},
	[DF_user] = {.name = "user", .make = make_user, .drop = drop_user},
	[DF_texref] = {.name = "texref", .make = make_texref, .drop = drop_texref},
	[DF_tex] = {.name = "texture", .make = make_tex, .drop = drop_tex},
	[DF_surf] = {.name = "surface", .make = make_surf, .drop = drop_surf},
	[DF_desc] = {.name = "resources", .make = make_desc, .drop = NULL},
	[DF_green] = {.name = "green", .make = make_green, .drop = drop_green},
	[DF_graph] = {.name = "graph", .make = make_graph, .drop = drop_graph},
	[DF_graph2] = {.name = "graph", .make = make_graph, .drop = drop_graph},
	[DF_emptynode] = {.name = "empty node", .make = NULL, .drop = drop_node, .node = true},
	[DF_emptynode2] = {.name = "empty node", .make = NULL, .drop = drop_node, .node = true},
	[DF_kernelnode] = {.name = "kernel node", .make = NULL, .drop = drop_node, .node = true},
	[DF_copynode] = {.name = "copy node", .make = NULL, .drop = drop_node, .node = true},
	[DF_setnode] = {.name = "set node", .make = NULL, .drop = drop_node, .node = true},
	[DF_hostnode] = {.name = "host node", .make = NULL, .drop = drop_node, .node = true},
	[DF_childnode] = {.name = "child node", .make = NULL, .drop = drop_node, .node = true},
	[DF_recordnode] = {.name = "record node", .make = NULL, .drop = drop_node, .node = true},
	[DF_waitnode] = {.name = "wait node", .make = NULL, .drop = drop_node, .node = true},
	[DF_batchnode] = {.name = "batch node", .make = NULL, .drop = drop_node, .node = true},
	[DF_allocnode] = {.name = "alloc node", .make = NULL, .drop = drop_node, .node = true},
	[DF_freenode] = {.name = "free node", .make = NULL, .drop = drop_node, .node = true},
	[DF_clone] = {.name = "clone", .make = make_clone, .drop = drop_graph},
	[DF_exec] = {.name = "exec", .make = make_exec, .drop = drop_exec},
};

uint64_t df_new(struct df_world *w, enum df_kind kind)
{
	const struct kind *how = &kinds[kind];
	uint64_t made = 0;
	CUresult result;

	result = how->node ? df_make_node(w, kind, &made) : how->make(w, &made);
	if (!result)
		return made;
	df_print(w, " no-%s=%s", how->name, vg_error_name((int)result));
	return 0;
}

uint64_t df_get(struct df_world *w, enum df_kind kind)
{
	if (w->made[kind])
		return w->made[kind];
	w->made[kind] = df_new(w, kind);
	if (w->made[kind])
		w->order[w->count_made++] = kind;
	return w->made[kind];
}

uint64_t df_gone(struct df_world *w, enum df_kind kind)
{
	enum df_kind whole = kinds[kind].whole;
	uint64_t it, kept;
	CUresult result;

	/* Once is enough: making one takes long, and the next would be where this one was. */
	if (kind == DF_context && w->gone_context)
		return w->gone_context;
	if (kind == DF_context)
		df_get(w, DF_context);
	if (whole) {
		kept = w->made[whole];
		w->made[whole] = df_new(w, whole);
		it = df_new(w, kind);
		result = kinds[whole].drop(w->made[whole]);
		w->made[whole] = kept;
	} else {
		it = df_new(w, kind);
		result = it && kinds[kind].drop ? kinds[kind].drop(it) : CUDA_SUCCESS;
	}
	if (result)
		df_print(w, " not-gone=%s", vg_error_name((int)result));
	if (kind == DF_context)
		w->gone_context = it;
	return it;
}

void df_drop(struct df_world *w)
{
	unsigned int left = 0;

	for (unsigned int i = w->count_made; i-- > 0;) {
		const struct kind *how = &kinds[w->order[i]];

		/* Nodes go with their graph. */
		if (how->kept || how->node || !how->drop)
			continue;
		how->drop(w->made[w->order[i]]);
	}
	for (unsigned int i = 0; i < w->count_made; i++) {
		if (kinds[w->order[i]].kept)
			w->order[left++] = w->order[i];
		else
			w->made[w->order[i]] = 0;
	}
	w->count_made = left;
}

void df_forget(struct df_world *w, bool everything)
{
	uint64_t context = w->made[DF_context];

	memset(w->made, 0, sizeof(w->made));
	w->count_made = 0;
	if (everything || !context)
		return;
	w->made[DF_context] = context;
	w->order[w->count_made++] = DF_context;
}

void df_print(struct df_world *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->line + w->length, sizeof(w->line) - w->length, format, args);
	va_end(args);
	if (n > 0)
		w->length += (size_t)n;
	if (w->length >= sizeof(w->line))
		w->length = sizeof(w->line) - 1;
}

unsigned int df_hash(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	unsigned int hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ at[i]) * 16777619u;
	return hash;
}

void df_world_fill(struct df_world *w)
{
	for (size_t i = 0; i < DF_HOST; i++)
		w->host[i] = (unsigned char)(i * 7 + (i >> 8));
	memset(w->text, 0, sizeof(w->text));
}

CUresult df_world_open(struct df_world *w)
{
	CUresult result = cuInit(0);

	if (!result)
		result = cuDeviceGetCount(&w->count);
	if (!result)
		result = cuDeviceGet(&w->dev, 0);
	if (!result)
		result = cuDevicePrimaryCtxRetain(&w->ctx, w->dev);
	return result ? result : cuCtxSetCurrent(w->ctx);
}
