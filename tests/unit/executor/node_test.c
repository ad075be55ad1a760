/* SPDX-License-Identifier: MIT */
/*
 * Graph nodes, textures and parts of devices as a guest might send them: what is named in their structures must be the
 * session's own, and the driver is not asked otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/executor/fake_driver.h"
#include "dom0-executor/calls.h"
#include "tests/unit/executor/harness.h"

static struct harness harness;
static uint64_t answer[512]; /* arguments of the last reply */

static int setup(void **state)
{
	*state = &harness;
	fake_driver_install(0);
	harness_open(&harness, 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&harness);
	fake_driver_reset();
	return 0;
}

static int call_one(struct harness *h, uint16_t op, const void *args, size_t size)
{
	struct vg_reply head = {.result = -1};

	assert_true(harness_command(h, op, 0, args, size, NULL, 0));
	harness_run(h);
	memset(answer, 0, sizeof(answer));
	assert_true(harness_reply(h, &head, answer, sizeof(answer)));
	assert_int_equal(head.op, op);
	return head.result;
}

#define CALL(h, name, ...)                                               \
	call_one(h, VG_OP_##name, &(struct vg_args_##name){__VA_ARGS__}, \
		 sizeof(struct vg_args_##name))

#define NO_HANDLE vg_handle_make(VG_HANDLE_CUfunction, 5, 77)

static uint64_t make_graph(struct harness *h)
{
	/* The fake makes none: a handle is entered as the call would. */
	return ex_handles_put(&h->session.handles, VG_HANDLE_CUgraph, &harness, 0);
}

/* One node without dependencies, with what belongs to its parameters. */
static int add(struct harness *h, CUgraphNodeParams *params, const void *data, size_t size)
{
	struct {
		struct vg_args_vgGraphNodeAdd args;
		CUgraphNodeParams params __attribute__((aligned(8)));
		uint8_t data[256] __attribute__((aligned(8)));
	} command = {.args = {.graph = make_graph(h),
			      .n_params = 1,
			      .size = size,
			      .n_data = size,
			      .room_bodies = 0}};

	command.params = *params;
	if (size)
		memcpy(command.data, data, size);
	return call_one(h, VG_OP_vgGraphNodeAdd, &command,
			offsetof(__typeof__(command), data) + vg_pad8(size));
}

static int add_type(struct harness *h, CUgraphNodeType type)
{
	return add(h, &(CUgraphNodeParams){.type = type}, NULL, 0);
}

static unsigned long asked; /* of the driver, before the calls that must not come to it */

static void not_asked(struct harness *h)
{
	assert_int_equal(fake_driver_calls(), asked);
	assert_string_equal(harness_breach(h), "");
}

static void handles_in_nodes(void **state)
{
	struct harness *h = *state;
	CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_KERNEL};

	asked = fake_driver_calls();
	params.kernel.func = (CUfunction)(uintptr_t)NO_HANDLE;
	assert_int_equal(add(h, &params, NULL, 0), CUDA_ERROR_INVALID_HANDLE);
	params.kernel.func = (CUfunction)&harness; /* an address of the executor's */
	assert_int_equal(add(h, &params, NULL, 0), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(add_type(h, CU_GRAPH_NODE_TYPE_EVENT_RECORD), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(add_type(h, CU_GRAPH_NODE_TYPE_WAIT_EVENT), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(add_type(h, CU_GRAPH_NODE_TYPE_GRAPH), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(add_type(h, CU_GRAPH_NODE_TYPE_CONDITIONAL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(add_type(h, CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL),
			 CUDA_ERROR_NOT_SUPPORTED);
	assert_int_equal(add_type(h, (CUgraphNodeType)99), CUDA_ERROR_NOT_SUPPORTED);
	not_asked(h);
}

static CUDA_MEMCPY3D copy_between(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	return (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			       .srcDevice = src,
			       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			       .dstDevice = dst,
			       .WidthInBytes = bytes,
			       .Height = 1,
			       .Depth = 1};
}

static void addresses_in_nodes(void **state)
{
	struct harness *h = *state;
	CUgraphNodeParams fill = {.type = CU_GRAPH_NODE_TYPE_MEMSET},
			  copy = {.type = CU_GRAPH_NODE_TYPE_MEMCPY},
			  gone = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE};
	uint64_t own = (uintptr_t)h->session.stats.page, memory;

	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = 1000), CUDA_SUCCESS);
	memory = answer[0];
	fill.memset = (CUDA_MEMSET_NODE_PARAMS_v2){memory, 100, 1, 4, 25, 10, NULL};
	copy.memcpy.copyParams = copy_between(memory, memory + 500, 500);
	assert_int_equal(add(h, &fill, NULL, 0), CUDA_SUCCESS);
	assert_int_equal(add(h, &copy, NULL, 0), CUDA_SUCCESS);
	asked = fake_driver_calls();
	fill.memset.height = 11;
	assert_int_equal(add(h, &fill, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	fill.memset.height = SIZE_MAX / 2;
	fill.memset.pitch = 4;
	assert_int_equal(add(h, &fill, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	copy.memcpy.copyParams = copy_between(memory, memory + 501, 500);
	assert_int_equal(add(h, &copy, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	copy.memcpy.copyParams = copy_between(memory, own, 8);
	assert_int_equal(add(h, &copy, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	/* Device memory is not the host's, whatever the driver would make of it. */
	copy.memcpy.copyParams = copy_between(memory, 0, 8);
	copy.memcpy.copyParams.srcMemoryType = CU_MEMORYTYPE_HOST;
	copy.memcpy.copyParams.srcHost = (void *)(uintptr_t)(memory + 100);
	assert_int_equal(add(h, &copy, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	copy.memcpy.copyParams.srcHost = (void *)(uintptr_t)own;
	assert_int_equal(add(h, &copy, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	gone.free.dptr = own;
	assert_int_equal(add(h, &gone, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	not_asked(h);
}

/* The guest's own shared memory may be an end. */
static void regions_in_nodes(void **state)
{
	struct harness *h = *state;
	CUgraphNodeParams copy = {.type = CU_GRAPH_NODE_TYPE_MEMCPY};

	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = 1000), CUDA_SUCCESS);
	copy.memcpy.copyParams = copy_between(answer[0], 0, 64);
	copy.memcpy.copyParams.srcMemoryType = CU_MEMORYTYPE_HOST;
	copy.memcpy.copyParams.srcHost = h->region;
	assert_int_equal(add(h, &copy, NULL, 0), CUDA_SUCCESS);
	asked = fake_driver_calls();
	copy.memcpy.copyParams.srcHost = h->region + VG_PAGE_SIZE * 4 - 60;
	assert_int_equal(add(h, &copy, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	not_asked(h);
}

static void words_in_nodes(void **state)
{
	struct harness *h = *state;
	CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, .memOp = {.count = 1}};
	CUstreamBatchMemOpParams op = {
		.writeValue = {.operation = CU_STREAM_MEM_OP_WRITE_VALUE_64}};

	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	op.writeValue.address = answer[0] + 56;
	assert_int_equal(add(h, &params, &op, sizeof(op)), CUDA_SUCCESS);
	asked = fake_driver_calls();
	op.writeValue.address += 4; /* its last bytes are behind the end */
	assert_int_equal(add(h, &params, &op, sizeof(op)), CUDA_ERROR_INVALID_VALUE);
	op.writeValue.operation = (CUstreamBatchMemOpType)77;
	assert_int_equal(add(h, &params, &op, sizeof(op)), CUDA_ERROR_INVALID_VALUE);
	params.memOp.count = 2; /* of which one came along */
	assert_int_equal(add(h, &params, &op, sizeof(op)), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(add(h, &params, &op, 40), CUDA_ERROR_INVALID_VALUE);
	not_asked(h);
}

/* --- textures: numbers and what they are made of ---------------------------------------------------------- */

static int texture(struct harness *h, const CUDA_RESOURCE_DESC *resource)
{
	struct {
		struct vg_args_cuTexObjectCreate args;
		CUDA_RESOURCE_DESC resource __attribute__((aligned(8)));
		CUDA_TEXTURE_DESC desc __attribute__((aligned(8)));
	} command = {.args = {.n_pResDesc = 1, .n_pTexDesc = 1}};

	command.resource = *resource;
	return call_one(h, VG_OP_cuTexObjectCreate, &command, sizeof(command));
}

static void textures(void **state)
{
	struct harness *h = *state;
	CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_LINEAR};

	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = 512), CUDA_SUCCESS);
	resource.res.linear.devPtr = answer[0];
	resource.res.linear.sizeInBytes = 512;
	assert_int_equal(texture(h, &resource), CUDA_SUCCESS);
	asked = fake_driver_calls();
	resource.res.linear.sizeInBytes = 513;
	assert_int_equal(texture(h, &resource), CUDA_ERROR_INVALID_VALUE);
	resource.resType = CU_RESOURCE_TYPE_ARRAY;
	assert_int_equal(texture(h, &resource), CUDA_ERROR_INVALID_HANDLE);
	resource.resType = (CUresourcetype)9;
	assert_int_equal(texture(h, &resource), CUDA_ERROR_INVALID_VALUE);
	/* A number that the session was not given. */
	assert_int_equal(CALL(h, cuTexObjectDestroy, .texObject = 5), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, cuSurfObjectDestroy, .surfObject = (uintptr_t)h),
			 CUDA_ERROR_INVALID_VALUE);
	/* The fake's own is 0. */
	assert_int_equal(CALL(h, cuTexObjectGetTextureDesc, .texObject = 1),
			 CUDA_ERROR_INVALID_VALUE);
	not_asked(h);
}

static CUresult texture_number(CUtexObject *number, const CUDA_RESOURCE_DESC *resource,
			       const CUDA_TEXTURE_DESC *desc, const CUDA_RESOURCE_VIEW_DESC *view)
{
	(void)resource;
	(void)desc;
	*number = view ? 0 : 0x1234;
	return CUDA_SUCCESS;
}

/* It goes to the guest as it is, comes back, and is no more after its end. */
static void numbers(void **state)
{
	struct harness *h = *state;
	CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_LINEAR};

	ex_driver.cuTexObjectCreate = texture_number;
	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = 512), CUDA_SUCCESS);
	resource.res.linear.devPtr = answer[0];
	resource.res.linear.sizeInBytes = 512;
	assert_int_equal(texture(h, &resource), CUDA_SUCCESS);
	assert_int_equal(answer[0], 0x1234);
	assert_int_equal(CALL(h, cuSurfObjectDestroy, .surfObject = 0x1234),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, cuTexObjectDestroy, .texObject = 0x1234), CUDA_SUCCESS);
	assert_int_equal(CALL(h, cuTexObjectDestroy, .texObject = 0x1234),
			 CUDA_ERROR_INVALID_VALUE);
}

/* --- parts of devices: only the driver's own words ----------------------------------------------------------- */

static CUresult resource_of(CUdevice device, CUdevResource *resource, CUdevResourceType type)
{
	memset(resource, 0x21, sizeof(*resource));
	resource->type = type;
	return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

static int describe(struct harness *h, const CUdevResource *resource)
{
	struct {
		struct vg_args_cuDevResourceGenerateDesc args;
		CUdevResource resource __attribute__((aligned(8)));
	} command = {.args = {.n_resources = 1, .nbResources = 1}};

	command.resource = *resource;
	return call_one(h, VG_OP_cuDevResourceGenerateDesc, &command, sizeof(command));
}

static void parts_of_devices(void **state)
{
	struct harness *h = *state;
	CUdevResource resource = {.type = CU_DEV_RESOURCE_TYPE_SM};

	ex_driver.cuDeviceGetDevResource = resource_of;
	assert_int_equal(describe(h, &resource), CUDA_ERROR_INVALID_RESOURCE_TYPE);
	assert_int_equal(CALL(h, cuDeviceGetDevResource, .device = 0,
			      .type = CU_DEV_RESOURCE_TYPE_SM),
			 CUDA_SUCCESS);
	memcpy(&resource, answer, sizeof(resource));
	assert_int_equal(describe(h, &resource), CUDA_SUCCESS);
	resource.sm.smCount++;
	assert_int_equal(describe(h, &resource), CUDA_ERROR_INVALID_RESOURCE_TYPE);
	assert_string_equal(harness_breach(h), "");
}

/* --- a drawn graph: nothing of this process's addresses ------------------------------------------------------- */

static CUresult dot_print(CUgraph graph, const char *path, unsigned int flags)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return CUDA_ERROR_OPERATING_SYSTEM;
	(void)flags;
	fprintf(file, "node 0x%llx at 0x%llx, 0x12\n", (unsigned long long)(uintptr_t)graph,
		(unsigned long long)fake_driver_address(0));
	return fclose(file) ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}

static void drawings(void **state)
{
	struct harness *h = *state;
	char text[128], own[32], memory[32];
	struct vg_reply head;
	uint64_t size;

	ex_driver.cuGraphDebugDotPrint = dot_print;
	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = 64), CUDA_SUCCESS);
	snprintf(memory, sizeof(memory), "0x%llx,", (unsigned long long)answer[0]);
	snprintf(own, sizeof(own), "0x%llx", (unsigned long long)(uintptr_t)&harness);
	assert_int_equal(CALL(h, vgGraphDot, .graph = make_graph(h)), CUDA_SUCCESS);
	size = answer[0];
	assert_in_range(size, 20, sizeof(text) - 1);
	assert_int_equal(CALL(h, vgTextFetch, .size = size + 1), CUDA_ERROR_INVALID_VALUE);
	assert_true(harness_command(h, VG_OP_vgTextFetch, 0,
				    &(struct vg_args_vgTextFetch){.size = size},
				    sizeof(struct vg_args_vgTextFetch), NULL, 0));
	harness_run(h);
	memset(text, 0, sizeof(text));
	assert_true(harness_reply(h, &head, text, size));
	assert_int_equal(head.bulk_size, size);
	assert_non_null(strstr(text, "node 0x"));
	assert_null(strstr(text, own));
	assert_non_null(strstr(text, memory));
	assert_non_null(strstr(text, "0x12\n"));
}

/* --- user objects ------------------------------------------------------------------------------------ */

static struct {
	CUhostFn destroy;
	void *data;
	unsigned int releases;
} user;

static CUresult user_create(CUuserObject *object, void *ptr, CUhostFn destroy,
			    unsigned int references, unsigned int flags)
{
	(void)references;
	(void)flags;
	user.destroy = destroy;
	user.data = ptr;
	*object = (CUuserObject)&user;
	return CUDA_SUCCESS;
}

/* The second one is the last. */
static CUresult user_release(CUuserObject object, unsigned int count)
{
	assert_ptr_equal(object, &user);
	user.releases += count;
	if (user.releases == 2)
		user.destroy(user.data);
	return CUDA_SUCCESS;
}

static void a_user_objects_handle_ends_with_it(void **state)
{
	struct harness *h = *state;
	uint64_t object;

	user.releases = 0;
	ex_driver.cuUserObjectCreate = (__typeof__(ex_driver.cuUserObjectCreate))user_create;
	ex_driver.cuUserObjectRelease = user_release;
	assert_int_equal(CALL(h, vgUserObjectCreate, .id = 7, .references = 2), CUDA_SUCCESS);
	object = answer[0];
	assert_int_equal(CALL(h, cuUserObjectRelease, .object = object, .count = 1), CUDA_SUCCESS);
	assert_int_equal(CALL(h, cuUserObjectRetain, .object = object, .count = 1), CUDA_SUCCESS);
	assert_int_equal(CALL(h, cuUserObjectRelease, .object = object, .count = 1), CUDA_SUCCESS);
	/* The driver has freed it: nothing may reach it any more. */
	assert_int_equal(CALL(h, cuUserObjectRelease, .object = object, .count = 1),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, cuUserObjectRetain, .object = object, .count = 1),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(user.releases, 2);
}

static void a_graph_is_not_its_own_child(void **state)
{
	struct harness *h = *state;
	uint64_t graph = make_graph(h);

	asked = fake_driver_calls();
	assert_int_equal(CALL(h, cuGraphAddChildGraphNode, .hGraph = graph, .childGraph = graph),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fake_driver_calls(), asked);
}

static void values_have_bounds(void **state)
{
	struct harness *h = *state;
	uint64_t function = ex_handles_put(&h->session.handles, VG_HANDLE_CUfunction, &harness, 0);

	asked = fake_driver_calls();
	assert_int_equal(CALL(h, cuFuncSetAttribute, .hfunc = function,
			      .attrib = (CUfunction_attribute)-1),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(h, cuFuncSetAttribute, .hfunc = function,
			      .attrib = CU_FUNC_ATTRIBUTE_MAX),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fake_driver_calls(), asked);
	assert_int_equal(CALL(h, cuFuncSetAttribute, .hfunc = function, .attrib = 0), CUDA_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(handles_in_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_in_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(regions_in_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(words_in_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(textures, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_of_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(drawings, setup, teardown),
		cmocka_unit_test_setup_teardown(a_user_objects_handle_ends_with_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_graph_is_not_its_own_child, setup, teardown),
		cmocka_unit_test_setup_teardown(values_have_bounds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
