/* SPDX-License-Identifier: MIT */
/*
 * Structures and arrays that calls are given. Each function returns the good one for "", or one with the
 * fault that `fault` names; what it returns is valid until it is called again. An unknown fault is a
 * mistake in the table of values: the program says so and ends.
 */
#ifndef TESTS_DIFFER_SHAPES_H
#define TESTS_DIFFER_SHAPES_H

#include "tests/programs/differ/world.h"

/* Copies (copies.c): 64 bytes, or boxes of 16 bytes x 4 (x 2); "array" has array ends. */
CUDA_MEMCPY2D *df_copy2d(struct df_world *w, const char *fault);
CUDA_MEMCPY2D_v1 *df_copy2d_old(struct df_world *w, const char *fault);
CUDA_MEMCPY3D *df_copy3d(struct df_world *w, const char *fault);
CUDA_MEMCPY3D_v1 *df_copy3d_old(struct df_world *w, const char *fault);
CUDA_MEMCPY3D_PEER *df_copy_peer(struct df_world *w, const char *fault);
CUDA_MEMCPY3D_BATCH_OP *df_copy_boxes(struct df_world *w, const char *fault);
CUmemcpyAttributes *df_copy_attributes(struct df_world *w, const char *fault);
CUdeviceptr *df_addresses(struct df_world *w, enum df_kind kind, const char *fault);
size_t *df_sizes(struct df_world *w, size_t size);

/* Descriptions of memory. */
CUDA_ARRAY_DESCRIPTOR *df_array_desc(struct df_world *w, const char *fault);
CUDA_ARRAY_DESCRIPTOR_v1 *df_array_desc_old(struct df_world *w, const char *fault);
CUDA_ARRAY3D_DESCRIPTOR *df_array3d_desc(struct df_world *w, const char *fault);
CUDA_ARRAY3D_DESCRIPTOR_v1 *df_array3d_desc_old(struct df_world *w, const char *fault);
CUarrayMapInfo *df_array_map(struct df_world *w, const char *fault);
CUDA_RESOURCE_DESC *df_resource(struct df_world *w, const char *fault);
CUDA_TEXTURE_DESC *df_texture(struct df_world *w, const char *fault);
CUDA_RESOURCE_VIEW_DESC *df_view(struct df_world *w, const char *fault);
CUmemPoolProps *df_pool_props(struct df_world *w, const char *fault);
CUmemAllocationProp *df_alloc_prop(struct df_world *w, const char *fault);
CUmemAccessDesc *df_access(struct df_world *w, const char *fault);
CUmemLocation *df_location(struct df_world *w, const char *fault);
CUmemDecompressParams *df_decompress(struct df_world *w, const char *fault);

/* Work (work.c). */
void **df_params(struct df_world *w);
void **df_extra(struct df_world *w, const char *fault);
CUlaunchConfig *df_config(struct df_world *w, const char *fault);
CUlaunchAttributeValue *df_attribute(struct df_world *w, const char *fault);
CUstreamBatchMemOpParams *df_memops(struct df_world *w, const char *fault);
CUdevResource *df_dev_resource(struct df_world *w, const char *fault);
CUctxCreateParams *df_ctx_params(struct df_world *w, const char *fault);
CUexecAffinityParam *df_affinity(struct df_world *w, const char *fault);
CUuuid *df_table_id(struct df_world *w, const char *fault);
const char *df_bus_id(struct df_world *w);
void **df_data(struct df_world *w);
void df_host_function(void *data);
void df_stream_function(CUstream stream, CUresult status, void *data);
size_t df_dynamic_size(int block);
CUtensorMap *df_tensor_map(struct df_world *w, const char *fault);
CUipcMemHandle df_ipc_mem(struct df_world *w, const char *fault);
CUipcEventHandle df_ipc_event(struct df_world *w, const char *fault);
CUDA_GRAPH_INSTANTIATE_PARAMS *df_instantiate(struct df_world *w, const char *fault);

/* Nodes (nodes.c). */
CUDA_KERNEL_NODE_PARAMS *df_kernel_params(struct df_world *w, const char *fault);
CUDA_KERNEL_NODE_PARAMS_v1 *df_kernel_params_old(struct df_world *w, const char *fault);
CUDA_MEMSET_NODE_PARAMS *df_set_params(struct df_world *w, const char *fault);
CUDA_HOST_NODE_PARAMS *df_host_params(struct df_world *w, const char *fault);
CUDA_BATCH_MEM_OP_NODE_PARAMS *df_batch_params(struct df_world *w, const char *fault);
CUDA_MEM_ALLOC_NODE_PARAMS *df_alloc_params(struct df_world *w, const char *fault);
CUgraphNodeParams *df_node_params(struct df_world *w, const char *fault);
CUDA_MEMCPY3D *df_node_copy(struct df_world *w, const char *fault);
CUgraphNode *df_nodes(struct df_world *w, enum df_kind kind, bool gone);
CUgraphEdgeData *df_edges(struct df_world *w, const char *fault);

/* An array that outlives the statement that it is made in. */
#define DF_LIST(type, ...)                          \
	({                                          \
		static type list[] = {__VA_ARGS__}; \
		list;                               \
	})

/* For the functions above: whether this is the fault that is asked for. */
#define df_is(fault, name) (__builtin_strcmp((fault), (name)) == 0)
/* The last of a function's tests: a fault that none of them knows. */
void df_known(bool known, const char *function, const char *fault);

#endif
