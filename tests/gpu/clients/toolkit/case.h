/* SPDX-License-Identifier: MIT */
/*
 * Cases of a CUDA program, as case.py has them for Python: each says in one line of JSON what came out and how
 * long it took.
 */
#ifndef CASE_H
#define CASE_H

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cuda_runtime.h>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

struct Results {
	uint64_t hash = 14695981039346656037ull; /* FNV-1a */
	std::vector<double> values;
	double seconds = -1;

	void add(const void *data, size_t bytes)
	{
		for (size_t i = 0; i < bytes; i++)
			hash = (hash ^ static_cast<const unsigned char *>(data)[i]) *
			       1099511628211ull;
	}
	template <class T> void add_device(const T *device, size_t count)
	{
		std::vector<T> host(count);
		if (cudaMemcpy(host.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost))
			throw std::runtime_error("cudaMemcpy");
		add(host.data(), count * sizeof(T));
		for (size_t i = 0; i < count && i < 8; i++)
			values.push_back(reinterpret_cast<const float &>(host[i]));
	}
};

/* Thrown by a case that cannot be had on this machine: why. */
struct Skip : std::runtime_error {
	using std::runtime_error::runtime_error;
};

/* Every library's status is 0 when all is well. */
#define OK(call)                                                                             \
	do {                                                                                 \
		auto status_ = (call);                                                       \
		if (static_cast<int>(status_))                                               \
			throw std::runtime_error(#call " gave " +                            \
						 std::to_string(static_cast<int>(status_))); \
	} while (0)

template <class T> struct Device {
	T *data = nullptr;
	size_t count;

	explicit Device(size_t n) : count(n)
	{
		OK(cudaMalloc(&data, n * sizeof(T)));
	}
	explicit Device(const std::vector<T> &host) : Device(host.size())
	{
		OK(cudaMemcpy(data, host.data(), count * sizeof(T), cudaMemcpyHostToDevice));
	}
	Device(const Device &) = delete;
	~Device()
	{
		cudaFree(data);
	}
	operator T *() const
	{
		return data;
	}
};

/* The same numbers in every run, between -1 and 1. */
inline std::vector<float> numbers(size_t count, uint32_t seed = 1)
{
	std::vector<float> out(count);
	for (auto &value : out) {
		seed = seed * 1664525u + 1013904223u;
		value = static_cast<float>(seed >> 8) / (1 << 23) - 1;
	}
	return out;
}

/* `rtol` 0: compared bit by bit. */
inline void run_case(const char *name, double rtol, const std::function<void(Results &)> &body)
{
	Results results;
	auto began = std::chrono::steady_clock::now();

	try {
		body(results);
		OK(cudaDeviceSynchronize());
	} catch (const Skip &why) {
		printf("{\"case\": \"%s\", \"skip\": \"%s\"}\n", name, why.what());
		fflush(stdout);
		return;
	} catch (const std::exception &error) {
		std::string text = error.what();
		for (auto &c : text)
			c = c == '"' || c == '\\' ? '\'' : c;
		printf("{\"case\": \"%s\", \"error\": \"%s\"}\n", name, text.c_str());
		fflush(stdout);
		return;
	}
	std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
	printf("{\"case\": \"%s\", \"seconds\": %.6f, ", name,
	       results.seconds >= 0 ? results.seconds : took.count());
	if (rtol == 0) {
		printf("\"digest\": \"%016llx\"}\n", static_cast<unsigned long long>(results.hash));
	} else {
		printf("\"rtol\": %g, \"values\": [", rtol);
		for (size_t i = 0; i < results.values.size(); i++)
			printf("%s%.9g", i ? ", " : "", results.values[i]);
		printf("]}\n");
	}
	fflush(stdout);
}

/* Times what `body` queues until it is done, after one run of it to warm up. */
inline void timed(Results &results, const std::function<void()> &body)
{
	body();
	OK(cudaDeviceSynchronize());
	auto began = std::chrono::steady_clock::now();
	body();
	OK(cudaDeviceSynchronize());
	results.seconds =
		std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

#endif
