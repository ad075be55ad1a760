/* SPDX-License-Identifier: MIT */
/* Graphs: what cannot be replayed as it stands. Runs in lanes' threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/copy.h"
#include "dom0-executor/lane.h"

/* --- capture ------------------------------------------------------------------------------------ */

struct capture {
	CUstreamCaptureStatus status;
	cuuint64_t id;
	CUgraph graph;
	const CUgraphNode *nodes; /* the driver's, until the stream's next call */
	const CUgraphEdgeData *edges;
	size_t count;
};

/* By the newest form that the driver has. */
static CUresult capture_read(CUstream stream, struct capture *capture)
{
	*capture = (struct capture){.status = CU_STREAM_CAPTURE_STATUS_NONE};
	if (ex_driver.cuStreamGetCaptureInfo_v3)
		return ex_driver.cuStreamGetCaptureInfo_v3(stream, &capture->status, &capture->id,
							   &capture->graph, &capture->nodes,
							   &capture->edges, &capture->count);
	if (ex_driver.cuStreamGetCaptureInfo_v2)
		return ex_driver.cuStreamGetCaptureInfo_v2(stream, &capture->status, &capture->id,
							   &capture->graph, &capture->nodes,
							   &capture->count);
	if (ex_driver.cuStreamGetCaptureInfo)
		return ex_driver.cuStreamGetCaptureInfo(stream, &capture->status, &capture->id);
	return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult ex_vgCaptureInfo(struct ex_call *call, CUstream stream, unsigned int room,
			  CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
			  unsigned int *count, CUgraphNode *nodes, CUgraphEdgeData *edges)
{
	struct capture capture;
	CUresult result = capture_read(stream, &capture);
	uint64_t parent;
	size_t some;

	if (result)
		return result;
	*status = capture.status;
	if (capture.status != CU_STREAM_CAPTURE_STATUS_ACTIVE)
		return CUDA_SUCCESS;
	*id = capture.id;
	*graph = capture.graph;
	*count = (unsigned int)capture.count;
	some = capture.nodes ? vg_min(capture.count, room) : 0;
	/* Entered here, so that they end with their graph; the generated code finds them again. */
	parent = ex_handle_put(call, VG_HANDLE_CUgraph, capture.graph, 0);
	for (size_t i = 0; i < some && nodes; i++) {
		nodes[i] = capture.nodes[i];
		ex_handle_put(call, VG_HANDLE_CUgraphNode, nodes[i], parent);
	}
	if (edges && capture.edges)
		memcpy(edges, capture.edges, some * sizeof(*edges));
	return CUDA_SUCCESS;
}

/* What a capture is to depend on may be missing only where there is no capture: that is the error then. */
static CUresult dependencies_check(CUstream stream, const CUgraphNode *dependencies, size_t *count)
{
	if (dependencies || !*count)
		return CUDA_SUCCESS;
	*count = 0;
	return ex_stream_captures(stream) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult ex_cuStreamUpdateCaptureDependencies(struct ex_call *call, CUstream hStream,
					      CUgraphNode *dependencies, size_t numDependencies,
					      unsigned int flags)
{
	CUresult result;

	if (!ex_driver.cuStreamUpdateCaptureDependencies)
		return CUDA_ERROR_NOT_SUPPORTED;
	(void)call;
	result = dependencies_check(hStream, dependencies, &numDependencies);
	return result ? result
		      : ex_driver.cuStreamUpdateCaptureDependencies(hStream, dependencies,
								    numDependencies, flags);
}

CUresult ex_cuStreamUpdateCaptureDependencies_v2(struct ex_call *call, CUstream hStream,
						 CUgraphNode *dependencies,
						 const CUgraphEdgeData *dependencyData,
						 size_t numDependencies, unsigned int flags)
{
	CUresult result;

	if (!ex_driver.cuStreamUpdateCaptureDependencies_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	(void)call;
	result = dependencies_check(hStream, dependencies, &numDependencies);
	return result ? result
		      : ex_driver.cuStreamUpdateCaptureDependencies_v2(
				hStream, dependencies, dependencies ? dependencyData : NULL,
				numDependencies, flags);
}

/* --- instantiation and update ------------------------------------------------------------------- */

CUresult ex_vgGraphInstantiate(struct ex_call *call, CUgraph graph, uint64_t flags, CUstream upload,
			       CUgraphExec *exec, CUgraphNode *error_node, unsigned int *outcome)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS params = {.flags = flags, .hUploadStream = upload};
	CUresult result;

	(void)call;
	*exec = NULL;
	*error_node = NULL;
	if (!ex_driver.cuGraphInstantiateWithParams) {
		if (!ex_driver.cuGraphInstantiateWithFlags)
			return CUDA_ERROR_NOT_SUPPORTED;
		result = ex_driver.cuGraphInstantiateWithFlags(exec, graph, flags);
		*outcome = result ? CUDA_GRAPH_INSTANTIATE_ERROR : CUDA_GRAPH_INSTANTIATE_SUCCESS;
	} else {
		result = ex_driver.cuGraphInstantiateWithParams(exec, graph, &params);
		*error_node = params.hErrNode_out;
		*outcome = params.result_out;
	}
	if (result)
		*exec = NULL;
	return result;
}

CUresult ex_vgGraphExecUpdate(struct ex_call *call, CUgraphExec gexec, CUgraph graph,
			      unsigned int *outcome, CUgraphNode *node, CUgraphNode *from)
{
	CUgraphExecUpdateResultInfo info = {.result = CU_GRAPH_EXEC_UPDATE_SUCCESS};
	CUresult result;

	(void)call;
	*node = *from = NULL;
	if (!ex_driver.cuGraphExecUpdate_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGraphExecUpdate_v2(gexec, graph, &info);
	*outcome = info.result;
	*node = info.errorNode;
	*from = info.errorFromNode;
	return result;
}

/* --- text ----------------------------------------------------------------------------------------- */

/* The driver writes to a path: that of a file in memory, which only this process can open. */
static CUresult dot_write(CUgraph graph, unsigned int flags, int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return ex_driver.cuGraphDebugDotPrint(graph, path, flags);
}

static bool read_whole(int fd, uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		ssize_t n = pread(fd, data + at, size - at, (off_t)at);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* --- text without this process's addresses ---------------------------------------------------------- */

static uint64_t text_secret;

static void text_secret_make(void)
{
	if (getrandom(&text_secret, sizeof(text_secret), 0) != sizeof(text_secret))
		text_secret = (uintptr_t)&text_secret;
}

/* The same for the same number, and not to be traced back. */
static uint64_t pseudonym(uint64_t number)
{
	uint64_t z = number ^ text_secret;

	for (int i = 0; i < 2; i++) {
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull + text_secret;
	}
	return z ^ z >> 31;
}

/* What the driver prints of its objects are addresses here; those of the guest's own memory stay. */
static void text_blind(struct ex_session *session, char *text)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char digits[17];

	pthread_once(&once, text_secret_make);
	for (char *at = strstr(text, "0x"); at; at = strstr(at, "0x")) {
		size_t n = strspn(at + 2, "0123456789abcdefABCDEF");

		at += 2;
		if (n >= 8 && n <= 16 &&
		    !ex_ranges_cover(&session->ranges, strtoull(at, NULL, 16), 1, NULL)) {
			snprintf(digits, sizeof(digits), "%016llx",
				 (unsigned long long)pseudonym(strtoull(at, NULL, 16)));
			memcpy(at, digits + 16 - n, n);
		}
		at += n;
	}
}

/* The text becomes the lane's, until it is fetched. */
static CUresult text_keep(struct ex_lane *lane, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return CUDA_ERROR_OPERATING_SYSTEM;
	if (st.st_size > EX_TEXT_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	free(lane->text);
	lane->text_size = (size_t)st.st_size;
	lane->text = calloc(1, lane->text_size + 1);
	if (lane->text && read_whole(fd, lane->text, lane->text_size)) {
		text_blind(lane->session, (char *)lane->text);
		return CUDA_SUCCESS;
	}
	lane->text_size = 0;
	return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult ex_vgGraphDot(struct ex_call *call, CUgraph graph, unsigned int flags, size_t *size)
{
	CUresult result;
	int fd;

	if (!ex_driver.cuGraphDebugDotPrint)
		return CUDA_ERROR_NOT_SUPPORTED;
	fd = memfd_create("vgpu-graph", MFD_CLOEXEC);
	if (fd < 0)
		return CUDA_ERROR_OPERATING_SYSTEM;
	result = dot_write(graph, flags, fd);
	if (!result)
		result = text_keep(call->lane, fd);
	close(fd);
	*size = result ? 0 : call->lane->text_size;
	return result;
}

CUresult ex_vgTextFetch(struct ex_call *call, size_t size)
{
	const struct ex_lane *lane = call->lane;
	void *span;

	if (size != lane->text_size)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_reply_bulk_begin(call, size))
		return CUDA_ERROR_UNKNOWN;
	for (size_t at = 0, n; at < size; at += n) {
		n = ex_reply_bulk_span(call, &span, size - at);
		if (!n)
			return CUDA_ERROR_UNKNOWN;
		memcpy(span, lane->text + at, n);
		ex_reply_bulk_commit(call, n);
	}
	return CUDA_SUCCESS;
}

/* A graph cannot be a part of itself, and the driver does not look. */
CUresult ex_cuGraphAddChildGraphNode(struct ex_call *call, CUgraphNode *phGraphNode, CUgraph hGraph,
				     const CUgraphNode *dependencies, size_t numDependencies,
				     CUgraph childGraph)
{
	(void)call;
	if (!ex_driver.cuGraphAddChildGraphNode)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (childGraph == hGraph)
		return CUDA_ERROR_INVALID_VALUE;
	return ex_driver.cuGraphAddChildGraphNode(phGraphNode, hGraph, dependencies,
						  numDependencies, childGraph);
}

/* --- user objects ----------------------------------------------------------------------------------- */

/* The guest's destructor is told and not waited for: the driver calls from wherever the last reference went. */
CUresult ex_vgUserObjectCreate(struct ex_call *call, CUuserObject *object, uint64_t id,
			       unsigned int references, unsigned int flags)
{
	struct ex_host_func *func;
	CUresult result;

	if (!ex_driver.cuUserObjectCreate)
		return CUDA_ERROR_NOT_SUPPORTED;
	func = ex_host_func_new(&call->session->host_funcs, id, true);
	if (!func)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuUserObjectCreate(object, func, ex_host_func_post, references, flags);
	if (result)
		ex_host_func_cancel(func);
	else
		ex_host_func_ends(func, &call->session->handles, *object);
	return result;
}

/* --- memory of graphs ------------------------------------------------------------------------------- */

CUresult ex_vgGraphMemGet(struct ex_call *call, CUdevice device, CUgraphMem_attribute attr,
			  uint64_t *value)
{
	(void)call;
	*value = 0;
	if ((unsigned int)attr > CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_driver.cuDeviceGetGraphMemAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuDeviceGetGraphMemAttribute(device, attr, value);
}

CUresult ex_vgGraphMemSet(struct ex_call *call, CUdevice device, CUgraphMem_attribute attr,
			  uint64_t value)
{
	(void)call;
	if ((unsigned int)attr > CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_driver.cuDeviceSetGraphMemAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuDeviceSetGraphMemAttribute(device, attr, &value);
}

CUresult ex_cuDeviceGraphMemTrim(struct ex_call *call, CUdevice device)
{
	CUresult result;

	if (!ex_driver.cuDeviceGraphMemTrim)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuDeviceGraphMemTrim(device);
	if (!result)
		ex_usage_look(call->session, ex_gpu_of(call->session, device));
	return result;
}
