// SPDX-License-Identifier: MIT
// The shape of a local inference server: libcudart and cuBLAS linked statically, libcuda and libnvidia-ml
// opened to discover devices, weights from a memory-mapped file into VMM memory that grows, pinned staging,
// graphs, cudaStreamPerThread from several threads. WEIGHTS_MIB: how much (default 2048).
// nvcc: -cudart static -lcublas_static -lcublasLt_static -lculibos -lcuda -lpthread -ldl --default-stream per-thread
#include <cublas_v2.h>
#include <cuda.h>
#include <cuda_fp16.h>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

#include "case.h"

static size_t weights_bytes()
{
	const char *mib = getenv("WEIGHTS_MIB");

	return static_cast<size_t>(mib ? atoll(mib) : 2048) << 20;
}

static void discover(Results &results)
{
	void *cuda = dlopen("libcuda.so.1", RTLD_NOW),
	     *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	int count = 0;
	char name[96] = "";

	if (!cuda || !nvml)
		throw std::runtime_error(dlerror());
	auto init = reinterpret_cast<int (*)()>(dlsym(nvml, "nvmlInit_v2"));
	auto get = reinterpret_cast<int (*)(unsigned, void **)>(
		dlsym(nvml, "nvmlDeviceGetHandleByIndex_v2"));
	auto get_name = reinterpret_cast<int (*)(void *, char *, unsigned)>(
		dlsym(nvml, "nvmlDeviceGetName"));
	auto devices = reinterpret_cast<int (*)(int *)>(dlsym(cuda, "cuDeviceGetCount"));
	auto cu_init = reinterpret_cast<int (*)(unsigned)>(dlsym(cuda, "cuInit"));
	void *device = nullptr;

	OK(cu_init(0));
	OK(devices(&count));
	OK(init());
	OK(get(0, &device));
	OK(get_name(device, name, sizeof(name)));
	results.add(&count, sizeof(count));
	results.add(name, strlen(name));
}

/* Address space for all, memory as it is needed. */
struct Pool {
	CUdeviceptr base = 0;
	size_t reserved, used = 0, granularity = 0;
	std::vector<CUmemGenericAllocationHandle> parts;
	CUmemAllocationProp properties = {};

	explicit Pool(size_t bytes) : reserved(bytes)
	{
		properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
		properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
		OK(cuMemGetAllocationGranularity(&granularity, &properties,
						 CU_MEM_ALLOC_GRANULARITY_RECOMMENDED));
		OK(cuMemAddressReserve(&base, reserved, 0, 0, 0));
	}
	void grow(size_t bytes)
	{
		CUmemAccessDesc access = {};
		CUmemGenericAllocationHandle part;

		bytes = (bytes + granularity - 1) / granularity * granularity;
		OK(cuMemCreate(&part, bytes, &properties, 0));
		OK(cuMemMap(base + used, bytes, 0, part, 0));
		access.location = properties.location;
		access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
		OK(cuMemSetAccess(base + used, bytes, &access, 1));
		parts.push_back(part);
		used += bytes;
	}
	~Pool()
	{
		if (used)
			cuMemUnmap(base, used);
		for (auto part : parts)
			cuMemRelease(part);
		cuMemAddressFree(base, reserved);
	}
};

__global__ static void checksum(const unsigned *data, size_t words, unsigned long long *sum)
{
	unsigned long long mine = 0;

	for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < words;
	     i += size_t(gridDim.x) * blockDim.x)
		mine += data[i] * (i % 1021 + 1);
	atomicAdd(sum, mine);
}

static void load_weights(Results &results)
{
	const size_t bytes = weights_bytes(), piece = 64 << 20;
	char path[] = "/tmp/weights-XXXXXX";
	int fd = mkstemp(path);
	unsigned long long sum = 0;

	unlink(path);
	OK(ftruncate(fd, static_cast<off_t>(bytes)));
	auto *map = static_cast<unsigned *>(
		mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	for (size_t i = 0; i < bytes / 4; i += 256)
		map[i] = static_cast<unsigned>(i * 2654435761u);
	OK(cudaFree(nullptr));
	{
		Pool pool(bytes + (1ull << 30));
		void *staging[2];
		cudaStream_t stream;
		cudaEvent_t free_again[2];
		Device<unsigned long long> total(std::vector<unsigned long long>(1, 0));

		OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
		for (int i = 0; i < 2; i++) {
			OK(cudaMallocHost(&staging[i], piece));
			OK(cudaEventCreateWithFlags(&free_again[i], cudaEventDisableTiming));
		}
		auto began = std::chrono::steady_clock::now();
		for (size_t at = 0, turn = 0; at < bytes; at += piece, turn ^= 1) {
			pool.grow(piece);
			OK(cudaEventSynchronize(free_again[turn]));
			memcpy(staging[turn], reinterpret_cast<char *>(map) + at, piece);
			OK(cudaMemcpyAsync(reinterpret_cast<void *>(pool.base + at), staging[turn],
					   piece, cudaMemcpyHostToDevice, stream));
			OK(cudaEventRecord(free_again[turn], stream));
		}
		OK(cudaStreamSynchronize(stream));
		results.seconds =
			std::chrono::duration<double>(std::chrono::steady_clock::now() - began)
				.count();
		checksum<<<256, 256, 0, stream>>>(reinterpret_cast<unsigned *>(pool.base),
						  bytes / 4, total);
		OK(cudaStreamSynchronize(stream));
		OK(cudaMemcpy(&sum, total, sizeof(sum), cudaMemcpyDeviceToHost));
		for (int i = 0; i < 2; i++) {
			cudaFreeHost(staging[i]);
			cudaEventDestroy(free_again[i]);
		}
		cudaStreamDestroy(stream);
	}
	munmap(map, bytes);
	results.add(&sum, sizeof(sum));
}

static void threads(Results &results)
{
	const int count = 4, n = 256;
	std::vector<std::thread> all;
	std::vector<std::vector<float>> outs(count, std::vector<float>(n * n));
	std::vector<std::string> errors(count);

	for (int t = 0; t < count; t++)
		all.emplace_back([&, t] {
			try {
				cublasHandle_t blas;
				Device<float> a(numbers(n * n, t + 1)), b(n * n);
				float one = 1, zero = 0;

				OK(cublasCreate(&blas));
				OK(cublasSetStream(blas, cudaStreamPerThread));
				for (int i = 0; i < 50; i++)
					OK(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n,
						       &one, a, n, a, n, &zero, b, n));
				OK(cudaMemcpyAsync(outs[t].data(), b, n * n * sizeof(float),
						   cudaMemcpyDeviceToHost, cudaStreamPerThread));
				OK(cudaStreamSynchronize(cudaStreamPerThread));
				cublasDestroy(blas);
			} catch (const std::exception &error) {
				errors[t] = error.what();
			}
		});
	for (auto &thread : all)
		thread.join();
	for (auto &error : errors)
		if (!error.empty())
			throw std::runtime_error(error);
	for (auto &out : outs)
		results.add(out.data(), out.size() * sizeof(float));
}

static void graphs(Results &results)
{
	const int n = 512;
	cublasHandle_t blas;
	cudaStream_t stream;
	cudaGraph_t graph;
	cudaGraphExec_t exec;
	Device<float> a(numbers(n * n)), b(n * n), c(n * n), work(4 << 20);
	float one = 1, zero = 0, small = 1e-3f;

	OK(cublasCreate(&blas));
	OK(cudaStreamCreate(&stream));
	OK(cublasSetStream(blas, stream));
	OK(cublasSetWorkspace(blas, work, (4 << 20) * sizeof(float)));
	OK(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, a, n, a, n, &zero, b, n));
	OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
	for (int i = 0; i < 10; i++) {
		OK(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &small, a, n, b, n, &zero,
			       c, n));
		OK(cudaMemcpyAsync(b, c, n * n * sizeof(float), cudaMemcpyDeviceToDevice, stream));
	}
	OK(cudaStreamEndCapture(stream, &graph));
	OK(cudaGraphInstantiate(&exec, graph, 0));
	OK(cudaStreamSynchronize(stream));
	auto began = std::chrono::steady_clock::now();
	for (int i = 0; i < 20; i++)
		OK(cudaGraphLaunch(exec, stream));
	OK(cudaStreamSynchronize(stream));
	results.seconds =
		std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
	results.add_device(b.data, n * n);
	cudaGraphExecDestroy(exec);
	cudaGraphDestroy(graph);
	cublasDestroy(blas);
	cudaStreamDestroy(stream);
}

int main()
{
	run_case("devices by dlopen of libcuda and libnvidia-ml", 0, discover);
	run_case("weights from a mapped file into VMM memory", 0, load_weights);
	run_case("cudaStreamPerThread from four threads", 0, threads);
	run_case("graph of matrix products", 0, graphs);
	return 0;
}
