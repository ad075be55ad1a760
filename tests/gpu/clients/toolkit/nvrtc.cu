// SPDX-License-Identifier: MIT
// NVRTC and nvJitLink: source to PTX and to SASS, linked at run time, launched by the driver API.
// nvcc: -lnvrtc -lnvJitLink -lcuda
#include <cuda.h>
#include <nvJitLink.h>
#include <nvrtc.h>

#include "case.h"

static const char *const HELPER = R"(
extern "C" __device__ float twice(float x) { return 2 * x; }
)";
static const char *const KERNEL = R"(
extern "C" __device__ float twice(float x);
extern "C" __global__ void scale(float *x, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n)
		x[i] = twice(x[i]) + 1;
}
)";

static std::string architecture(const char *kind)
{
	cudaDeviceProp device;

	OK(cudaGetDeviceProperties(&device, 0));
	return std::string(kind) + std::to_string(device.major * 10 + device.minor);
}

static std::vector<char> compile(const char *source, bool ptx, bool separate)
{
	std::string arch = "--gpu-architecture=" + architecture(ptx ? "compute_" : "sm_");
	const char *options[] = {arch.c_str(), "-rdc=true"};
	nvrtcProgram program;
	size_t bytes;

	OK(nvrtcCreateProgram(&program, source, "source.cu", 0, nullptr, nullptr));
	OK(nvrtcCompileProgram(program, separate ? 2 : 1, options));
	OK(ptx ? nvrtcGetPTXSize(program, &bytes) : nvrtcGetCUBINSize(program, &bytes));
	std::vector<char> image(bytes);
	OK(ptx ? nvrtcGetPTX(program, image.data()) : nvrtcGetCUBIN(program, image.data()));
	nvrtcDestroyProgram(&program);
	return image;
}

static void launch(Results &results, const void *image)
{
	Device<float> x(numbers(1000));
	CUmodule module;
	CUfunction function;
	float *pointer = x.data;
	int n = 1000;
	void *arguments[] = {&pointer, &n};

	OK(cuModuleLoadData(&module, image));
	OK(cuModuleGetFunction(&function, module, "scale"));
	OK(cuLaunchKernel(function, 4, 1, 1, 256, 1, 1, 0, nullptr, arguments, nullptr));
	results.add_device(x.data, 1000);
	OK(cuModuleUnload(module));
}

static std::vector<char> link(const std::vector<std::vector<char>> &inputs, nvJitLinkInputType type)
{
	std::string arch = "-arch=" + architecture("sm_");
	const char *options[] = {arch.c_str()};
	nvJitLinkHandle handle;
	size_t bytes;

	OK(nvJitLinkCreate(&handle, 1, options));
	for (auto &input : inputs)
		OK(nvJitLinkAddData(handle, type, input.data(), input.size(), "input"));
	OK(nvJitLinkComplete(handle));
	OK(nvJitLinkGetLinkedCubinSize(handle, &bytes));
	std::vector<char> cubin(bytes);
	OK(nvJitLinkGetLinkedCubin(handle, cubin.data()));
	nvJitLinkDestroy(&handle);
	return cubin;
}

static std::string whole()
{
	std::string kernel = KERNEL;

	return HELPER + kernel.substr(kernel.find("extern \"C\" __global__"));
}

int main()
{
	run_case("NVRTC to PTX, compiled by the driver", 0,
		 [](Results &r) { launch(r, compile(whole().c_str(), true, false).data()); });
	run_case("NVRTC to SASS", 0,
		 [](Results &r) { launch(r, compile(whole().c_str(), false, false).data()); });
	run_case("nvJitLink of PTX", 0, [](Results &r) {
		launch(r, link({compile(HELPER, true, true), compile(KERNEL, true, true)},
			       NVJITLINK_INPUT_PTX)
				  .data());
	});
	run_case("nvJitLink of cubins", 0, [](Results &r) {
		launch(r, link({compile(HELPER, false, true), compile(KERNEL, false, true)},
			       NVJITLINK_INPUT_CUBIN)
				  .data());
	});
	run_case("cuLink of PTX", 0, [](Results &r) {
		auto helper = compile(HELPER, true, true), kernel = compile(KERNEL, true, true);
		CUlinkState state;
		void *cubin;
		size_t bytes;

		OK(cudaFree(nullptr));
		OK(cuLinkCreate(0, nullptr, nullptr, &state));
		OK(cuLinkAddData(state, CU_JIT_INPUT_PTX, helper.data(), helper.size(), "helper", 0,
				 nullptr, nullptr));
		OK(cuLinkAddData(state, CU_JIT_INPUT_PTX, kernel.data(), kernel.size(), "kernel", 0,
				 nullptr, nullptr));
		OK(cuLinkComplete(state, &cubin, &bytes));
		launch(r, cubin);
		OK(cuLinkDestroy(state));
	});
	return 0;
}
