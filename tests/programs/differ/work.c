/* SPDX-License-Identifier: MIT */
/* What launches, batches and contexts are told, good and bad. */
#include "tests/programs/differ/shapes.h"

#include <string.h>

/* Not in libcuda-soft. */
#pragma weak cuTensorMapEncodeTiled
#pragma weak cuIpcGetMemHandle

void **df_params(struct df_world *w)
{
	static CUdeviceptr out;
	static unsigned int value;
	static void *params[] = {&out, &value};

	out = (CUdeviceptr)df_get(w, DF_mem);
	value = 0x12345678;
	return params;
}

/* CU_LAUNCH_PARAM_BUFFER_POINTER 1, _BUFFER_SIZE 2, _END 0. */
void **df_extra(struct df_world *w, const char *fault)
{
	static struct {
		CUdeviceptr out;
		unsigned int value;
	} packed;
	static size_t size;
	static void *extra[5];

	packed.out = (CUdeviceptr)df_get(w, DF_mem);
	packed.value = 0x12345678;
	size = 12;
	extra[0] = (void *)1;
	extra[1] = &packed;
	extra[2] = (void *)2;
	extra[3] = &size;
	extra[4] = NULL;
	if (df_is(fault, "short"))
		size = 4;
	else if (df_is(fault, "word"))
		extra[0] = (void *)77;
	else
		df_known(false, __func__, fault);
	return extra;
}

CUlaunchAttributeValue *df_attribute(struct df_world *w, const char *fault)
{
	static CUlaunchAttributeValue p;

	(void)w;
	memset(&p, 0, sizeof(p));
	df_known(false, __func__, fault);
	return &p;
}

CUlaunchConfig *df_config(struct df_world *w, const char *fault)
{
	static CUlaunchConfig p;
	static CUlaunchAttribute attribute;

	memset(&attribute, 0, sizeof(attribute));
	p = (CUlaunchConfig){.gridDimX = 1,
			     .gridDimY = 1,
			     .gridDimZ = 1,
			     .blockDimX = 1,
			     .blockDimY = 1,
			     .blockDimZ = 1,
			     .hStream = (CUstream)df_get(w, DF_stream)};
	if (df_is(fault, "grid"))
		p.gridDimX = 0;
	else if (df_is(fault, "grid3"))
		p.gridDimZ = 70000;
	else if (df_is(fault, "block"))
		p.blockDimX = 4096;
	else if (df_is(fault, "noblock"))
		p.blockDimY = 0;
	else if (df_is(fault, "shared"))
		p.sharedMemBytes = 1u << 30;
	else if (df_is(fault, "stream"))
		p.hStream = (CUstream)df_gone(w, DF_stream);
	else if (df_is(fault, "noattributes"))
		p.numAttrs = 1;
	else if (df_is(fault, "attribute")) {
		attribute.id = (CUlaunchAttributeID)77;
		p.attrs = &attribute;
		p.numAttrs = 1;
	} else if (df_is(fault, "cluster")) {
		attribute.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
		attribute.value.clusterDim.x = 3;
		attribute.value.clusterDim.y = 1;
		attribute.value.clusterDim.z = 1;
		p.attrs = &attribute;
		p.numAttrs = 1;
	} else
		df_known(false, __func__, fault);
	return &p;
}

CUstreamBatchMemOpParams *df_memops(struct df_world *w, const char *fault)
{
	static CUstreamBatchMemOpParams p;

	memset(&p, 0, sizeof(p));
	p.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
	p.writeValue.address = (CUdeviceptr)df_get(w, DF_mem);
	p.writeValue.value = 7;
	if (df_is(fault, "operation"))
		p.operation = (CUstreamBatchMemOpType)77;
	else if (df_is(fault, "freed"))
		p.writeValue.address = (CUdeviceptr)df_gone(w, DF_mem);
	else if (df_is(fault, "odd"))
		p.writeValue.address += 2;
	else if (df_is(fault, "flags"))
		p.writeValue.flags = 0x80000000u;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUdevResource *df_dev_resource(struct df_world *w, const char *fault)
{
	static CUdevResource p;

	memset(&p, 0, sizeof(p));
	if (!df_is(fault, "blank") && cuDeviceGetDevResource(w->dev, &p, CU_DEV_RESOURCE_TYPE_SM))
		df_print(w, " no-resource");
	if (df_is(fault, "type"))
		p.type = (CUdevResourceType)77;
	else
		df_known(df_is(fault, "blank"), __func__, fault);
	return &p;
}

CUctxCreateParams *df_ctx_params(struct df_world *w, const char *fault)
{
	static CUctxCreateParams p;

	memset(&p, 0, sizeof(p));
	if (df_is(fault, "affinity")) {
		p.execAffinityParams = df_affinity(w, "type");
		p.numExecAffinityParams = 1;
	} else if (df_is(fault, "noaffinity"))
		p.numExecAffinityParams = 1;
	else
		df_known(false, __func__, fault);
	return &p;
}

CUexecAffinityParam *df_affinity(struct df_world *w, const char *fault)
{
	static CUexecAffinityParam p;

	(void)w;
	p = (CUexecAffinityParam){.type = CU_EXEC_AFFINITY_TYPE_SM_COUNT};
	p.param.smCount.val = 1;
	if (df_is(fault, "type"))
		p.type = (CUexecAffinityType)77;
	else
		df_known(false, __func__, fault);
	return &p;
}

/* CUDART_INTERFACE's, and one that nobody has. */
CUuuid *df_table_id(struct df_world *w, const char *fault)
{
	static CUuuid p;
	static const unsigned char known[16] = {0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a,
						0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d, 0xf9};

	(void)w;
	memcpy(p.bytes, known, sizeof(known));
	if (df_is(fault, "unknown"))
		memset(p.bytes, 0x77, sizeof(p.bytes));
	else
		df_known(false, __func__, fault);
	return &p;
}

const char *df_bus_id(struct df_world *w)
{
	static char text[64];

	text[0] = 0;
	if (w->stage != DF_BEFORE_INIT)
		cuDeviceGetPCIBusId(text, sizeof(text), w->dev);
	return text;
}

/* Where attributes are written to, two of 8 bytes. */
void **df_data(struct df_world *w)
{
	static void *data[2];

	data[0] = w->host;
	data[1] = w->host + 8;
	return data;
}

void df_host_function(void *data)
{
	(void)data;
}

void df_stream_function(CUstream stream, CUresult status, void *data)
{
	(void)stream;
	(void)status;
	(void)data;
}

size_t df_dynamic_size(int block)
{
	return (size_t)block;
}

CUtensorMap *df_tensor_map(struct df_world *w, const char *fault)
{
	static CUtensorMap p;
	static const cuuint64_t dims[] = {64, 64}, strides[] = {256};
	static const cuuint32_t box[] = {16, 16}, element[] = {1, 1};

	memset(&p, 0, sizeof(p));
	if (df_is(fault, "blank"))
		return &p;
	df_known(false, __func__, fault);
	if (!cuTensorMapEncodeTiled ||
	    cuTensorMapEncodeTiled(&p, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2,
				   (void *)(uintptr_t)df_get(w, DF_mem), dims, strides, box,
				   element, CU_TENSOR_MAP_INTERLEAVE_NONE,
				   CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
				   CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE))
		df_print(w, " no-map");
	return &p;
}

CUipcMemHandle df_ipc_mem(struct df_world *w, const char *fault)
{
	CUipcMemHandle handle;

	memset(&handle, 0, sizeof(handle));
	if (df_is(fault, "forged"))
		memset(&handle, 0x77, sizeof(handle));
	else if (!df_is(fault, "blank") &&
		 (!cuIpcGetMemHandle || cuIpcGetMemHandle(&handle, (CUdeviceptr)df_get(w, DF_mem))))
		df_print(w, " no-handle");
	return handle;
}

CUipcEventHandle df_ipc_event(struct df_world *w, const char *fault)
{
	CUipcEventHandle handle;

	(void)w;
	memset(&handle, df_is(fault, "forged") ? 0x77 : 0, sizeof(handle));
	return handle;
}

CUDA_GRAPH_INSTANTIATE_PARAMS *df_instantiate(struct df_world *w, const char *fault)
{
	static CUDA_GRAPH_INSTANTIATE_PARAMS p;

	memset(&p, 0, sizeof(p));
	if (df_is(fault, "flags"))
		p.flags = 1ull << 40;
	else if (df_is(fault, "stream")) {
		p.flags = CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD;
		p.hUploadStream = (CUstream)df_gone(w, DF_stream);
	} else
		df_known(false, __func__, fault);
	return &p;
}
