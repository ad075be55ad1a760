// SPDX-License-Identifier: MIT
// The shape of a local inference server: libcudart and cuBLAS linked statically, libcuda and libnvidia-ml
// opened to discover devices, weights from a memory-mapped file into VMM memory that grows, pinned staging,
// graphs, cudaStreamPerThread from several threads. WEIGHTS_MIB: how much (default 8192).
// nvcc: -cudart static -lcublas_static -lcublasLt_static -lculibos -lcuda -lpthread -ldl --default-stream per-thread
#include <cublas_v2.h>
#include <cuda.h>
#include <algorithm>
#include <cuda_fp16.h>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>

#include "case.h"

static size_t weights_bytes()
{
	const char *mib = getenv("WEIGHTS_MIB");

	return static_cast<size_t>(mib ? atoll(mib) : 8192) << 20;
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

/* Word i of the weights: no two pieces of the file are alike. */
static unsigned weight(size_t i)
{
	uint64_t x = (i + 1) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 29;
	return static_cast<unsigned>((x * 0xbf58476d1ce4e5b9ull) >> 32);
}

/* A file of weights that has no name any more, on the first file system with room for it. */
static int weights_file(size_t bytes)
{
	for (const char *folder : {"/dev/shm", "/tmp"}) {
		std::string path = std::string(folder) + "/weights-XXXXXX";
		struct statvfs room;
		int fd;

		if (statvfs(folder, &room) ||
		    room.f_bavail * size_t(room.f_frsize) < bytes + bytes / 8)
			continue;
		fd = mkstemp(path.data());
		if (fd < 0)
			continue;
		unlink(path.c_str());
		if (!ftruncate(fd, static_cast<off_t>(bytes)))
			return fd;
		close(fd);
	}
	throw Skip("no room for a file of " + std::to_string(bytes >> 20) + " MiB");
}

/* Fills it by several threads. What the device's checksum must be. */
static unsigned long long weights_write(int fd, size_t bytes)
{
	const size_t words = bytes / 4, count = std::max(1u, std::thread::hardware_concurrency());
	std::vector<unsigned long long> sums(count, 0);
	std::vector<std::thread> all;
	unsigned long long sum = 0;
	void *map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		throw std::runtime_error("mmap");
	for (size_t t = 0; t < count; t++)
		all.emplace_back([&, t] {
			auto *data = static_cast<unsigned *>(map);
			unsigned long long mine = 0;

			for (size_t i = words / count * t,
				    end = t + 1 < count ? words / count * (t + 1) : words;
			     i < end; i++) {
				data[i] = weight(i);
				mine += data[i] * (i % 1021 + 1);
			}
			sums[t] = mine;
		});
	for (auto &thread : all)
		thread.join();
	munmap(map, bytes);
	for (auto part : sums)
		sum += part;
	return sum;
}

/* As the server does it: two pieces of pinned memory in turn, the device's memory growing with what is read. */
static unsigned long long weights_upload(const char *weights, size_t bytes, Results &results)
{
	const size_t piece = 64 << 20;
	Pool pool(bytes + (1ull << 30));
	Device<unsigned long long> total(std::vector<unsigned long long>(1, 0));
	unsigned long long sum = 0;
	cudaEvent_t free_again[2];
	cudaStream_t stream;
	void *staging[2];

	OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
	for (int i = 0; i < 2; i++) {
		OK(cudaMallocHost(&staging[i], piece));
		OK(cudaEventCreateWithFlags(&free_again[i], cudaEventDisableTiming));
	}
	auto began = std::chrono::steady_clock::now();
	for (size_t at = 0, turn = 0; at < bytes; at += piece, turn ^= 1) {
		const size_t n = std::min(piece, bytes - at);

		pool.grow(n);
		OK(cudaEventSynchronize(free_again[turn]));
		memcpy(staging[turn], weights + at, n);
		OK(cudaMemcpyAsync(reinterpret_cast<void *>(pool.base + at), staging[turn], n,
				   cudaMemcpyHostToDevice, stream));
		OK(cudaEventRecord(free_again[turn], stream));
	}
	OK(cudaStreamSynchronize(stream));
	results.seconds =
		std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
	checksum<<<1024, 256, 0, stream>>>(reinterpret_cast<unsigned *>(pool.base), bytes / 4,
					   total);
	OK(cudaGetLastError());
	OK(cudaStreamSynchronize(stream));
	OK(cudaMemcpy(&sum, total, sizeof(sum), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 2; i++) {
		cudaFreeHost(staging[i]);
		cudaEventDestroy(free_again[i]);
	}
	cudaStreamDestroy(stream);
	return sum;
}

static void load_weights(Results &results)
{
	const size_t bytes = weights_bytes();
	size_t free_bytes = 0, all_bytes = 0;

	OK(cudaMemGetInfo(&free_bytes, &all_bytes));
	if (free_bytes < bytes + (256 << 20))
		throw Skip("the device has no " + std::to_string(bytes >> 20) + " MiB free");
	int fd = weights_file(bytes);
	unsigned long long wanted = weights_write(fd, bytes);
	void *map = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);

	close(fd);
	if (map == MAP_FAILED)
		throw std::runtime_error("mmap");
	unsigned long long sum = weights_upload(static_cast<char *>(map), bytes, results);
	munmap(map, bytes);
	if (sum != wanted)
		throw std::runtime_error("the device has other weights than the file");
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
