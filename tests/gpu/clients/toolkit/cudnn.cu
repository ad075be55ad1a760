// SPDX-License-Identifier: MIT
// cuDNN itself: a convolution forward and backward, each also computed on the CPU in places, and attention as a graph of
// its backend API, which cuDNN compiles at run time (the driver gets PTX or machine code of it).
// nvcc: @cudnn -l:libcudnn.so.9
#include <cmath>
#include <cuda_fp16.h>
#include <cudnn.h>
#include <memory>

#include "case.h"

/* --- convolution ------------------------------------------------------------------------------ */

enum {
	N = 4,
	C = 16,
	H = 20,
	W = 24,
	K = 32,
	R = 3
};

static size_t at(int n, int c, int y, int x, int channels)
{
	return ((size_t(n) * channels + c) * H + y) * W + x;
}

static void expect(double got, double wanted, double tolerance, const char *what)
{
	if (std::fabs(got - wanted) > tolerance * std::max(1.0, std::fabs(wanted)))
		throw std::runtime_error(std::string(what) + ": " + std::to_string(got) + " for " +
					 std::to_string(wanted));
}

/* Same size in and out: a border of one, no stride. */
struct Convolution {
	cudnnHandle_t cudnn = nullptr;
	cudnnTensorDescriptor_t x = nullptr, y = nullptr;
	cudnnFilterDescriptor_t w = nullptr;
	cudnnConvolutionDescriptor_t how = nullptr;
	std::vector<float> hx = numbers(size_t(N) * C * H * W),
			   hw = numbers(size_t(K) * C * R * R, 2),
			   hy = numbers(size_t(N) * K * H * W, 3);
	float one = 1, zero = 0;

	Convolution()
	{
		OK(cudnnCreate(&cudnn));
		OK(cudnnCreateTensorDescriptor(&x));
		OK(cudnnCreateTensorDescriptor(&y));
		OK(cudnnCreateFilterDescriptor(&w));
		OK(cudnnCreateConvolutionDescriptor(&how));
		OK(cudnnSetTensor4dDescriptor(x, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, N, C, H, W));
		OK(cudnnSetTensor4dDescriptor(y, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, N, K, H, W));
		OK(cudnnSetFilter4dDescriptor(w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, K, C, R, R));
		OK(cudnnSetConvolution2dDescriptor(how, 1, 1, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION,
						   CUDNN_DATA_FLOAT));
		OK(cudnnSetConvolutionMathType(how, CUDNN_FMA_MATH));
	}
	~Convolution()
	{
		cudnnDestroyConvolutionDescriptor(how);
		cudnnDestroyFilterDescriptor(w);
		cudnnDestroyTensorDescriptor(y);
		cudnnDestroyTensorDescriptor(x);
		cudnnDestroy(cudnn);
	}
	float weight(int k, int c, int r, int s) const
	{
		return hw[((size_t(k) * C + c) * R + r) * R + s];
	}
};

static void forward(Results &results)
{
	Convolution conv;
	const auto algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
	Device<float> x(conv.hx), w(conv.hw), y(conv.hy.size());
	std::vector<float> got(conv.hy.size());
	size_t bytes = 0;

	OK(cudnnGetConvolutionForwardWorkspaceSize(conv.cudnn, conv.x, conv.w, conv.how, conv.y,
						   algorithm, &bytes));
	Device<char> work(bytes + 1);
	timed(results, [&] {
		OK(cudnnConvolutionForward(conv.cudnn, &conv.one, conv.x, x, conv.w, w, conv.how,
					   algorithm, work, bytes, &conv.zero, conv.y, y));
	});
	OK(cudaMemcpy(got.data(), y, got.size() * sizeof(float), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 200; i++) {
		int n = i % N, k = i * 7 % K, py = i * 5 % H, px = i * 11 % W;
		double sum = 0;

		for (int c = 0; c < C; c++)
			for (int r = 0; r < R; r++)
				for (int s = 0; s < R; s++) {
					int iy = py + r - 1, ix = px + s - 1;

					if (iy >= 0 && iy < H && ix >= 0 && ix < W)
						sum += double(conv.hx[at(n, c, iy, ix, C)]) *
						       conv.weight(k, c, r, s);
				}
		expect(got[at(n, k, py, px, K)], sum, 1e-4, "forward");
	}
	results.add(got.data(), got.size() * sizeof(float));
}

static void backward_data(Results &results)
{
	Convolution conv;
	const auto algorithm = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
	Device<float> dy(conv.hy), w(conv.hw), dx(conv.hx.size());
	std::vector<float> got(conv.hx.size());
	size_t bytes = 0;

	OK(cudnnGetConvolutionBackwardDataWorkspaceSize(conv.cudnn, conv.w, conv.y, conv.how,
							conv.x, algorithm, &bytes));
	Device<char> work(bytes + 1);
	timed(results, [&] {
		OK(cudnnConvolutionBackwardData(conv.cudnn, &conv.one, conv.w, w, conv.y, dy,
						conv.how, algorithm, work, bytes, &conv.zero,
						conv.x, dx));
	});
	OK(cudaMemcpy(got.data(), dx, got.size() * sizeof(float), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 200; i++) {
		int n = i % N, c = i * 7 % C, py = i * 5 % H, px = i * 11 % W;
		double sum = 0;

		for (int k = 0; k < K; k++)
			for (int r = 0; r < R; r++)
				for (int s = 0; s < R; s++) {
					int oy = py - r + 1, ox = px - s + 1;

					if (oy >= 0 && oy < H && ox >= 0 && ox < W)
						sum += double(conv.hy[at(n, k, oy, ox, K)]) *
						       conv.weight(k, c, r, s);
				}
		expect(got[at(n, c, py, px, C)], sum, 1e-4, "backward data");
	}
	results.add(got.data(), got.size() * sizeof(float));
}

static void backward_filter(Results &results)
{
	Convolution conv;
	const auto algorithm = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;
	Device<float> x(conv.hx), dy(conv.hy), dw(conv.hw.size());
	std::vector<float> got(conv.hw.size());
	size_t bytes = 0;

	OK(cudnnGetConvolutionBackwardFilterWorkspaceSize(conv.cudnn, conv.x, conv.y, conv.how,
							  conv.w, algorithm, &bytes));
	Device<char> work(bytes + 1);
	timed(results, [&] {
		OK(cudnnConvolutionBackwardFilter(conv.cudnn, &conv.one, conv.x, x, conv.y, dy,
						  conv.how, algorithm, work, bytes, &conv.zero,
						  conv.w, dw));
	});
	OK(cudaMemcpy(got.data(), dw, got.size() * sizeof(float), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 60; i++) {
		int k = i * 7 % K, c = i * 5 % C, r = i % R, s = i / R % R;
		double sum = 0;

		for (int n = 0; n < N; n++)
			for (int y = 0; y < H; y++)
				for (int px = 0; px < W; px++) {
					int iy = y + r - 1, ix = px + s - 1;

					if (iy >= 0 && iy < H && ix >= 0 && ix < W)
						sum += double(conv.hx[at(n, c, iy, ix, C)]) *
						       conv.hy[at(n, k, y, px, K)];
				}
		expect(got[((size_t(k) * C + c) * R + r) * R + s], sum, 2e-3, "backward filter");
	}
	results.add(got.data(), got.size() * sizeof(float));
}

/* --- attention, as a graph -------------------------------------------------------------------- */

struct Descriptor {
	cudnnBackendDescriptor_t handle = nullptr;

	explicit Descriptor(cudnnBackendDescriptorType_t type)
	{
		OK(cudnnBackendCreateDescriptor(type, &handle));
	}
	Descriptor(const Descriptor &) = delete;
	~Descriptor()
	{
		cudnnBackendDestroyDescriptor(handle);
	}
	void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
		 const void *values)
	{
		OK(cudnnBackendSetAttribute(handle, name, type, count, values));
	}
	void set(cudnnBackendAttributeName_t name, const Descriptor &other)
	{
		set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.handle);
	}
	void finish()
	{
		OK(cudnnBackendFinalize(handle));
	}
};

using Part = std::unique_ptr<Descriptor>;

enum Place {
	MEMORY,
	VIRTUAL,
	HOST
};

struct Graph {
	std::vector<Part> parts; /* all that operations refer to */
	std::vector<cudnnBackendDescriptor_t> operations;
	int64_t next = 100; /* of what lies nowhere */

	Descriptor &part(cudnnBackendDescriptorType_t type)
	{
		parts.push_back(Part(new Descriptor(type)));
		return *parts.back();
	}

	Descriptor &tensor(int64_t id, std::vector<int64_t> sizes, std::vector<int64_t> strides,
			   cudnnDataType_t type, Place place)
	{
		Descriptor &t = part(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
		int64_t alignment = 16;
		bool yes = true;

		if (place == VIRTUAL)
			id = next++;
		t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
		t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
		t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, int64_t(sizes.size()),
		      sizes.data());
		t.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, int64_t(strides.size()),
		      strides.data());
		t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
		if (place == VIRTUAL)
			t.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes);
		if (place == HOST)
			t.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes);
		t.finish();
		return t;
	}

	void matmul(const Descriptor &a, const Descriptor &b, const Descriptor &c)
	{
		Descriptor &how = part(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
		Descriptor &op = part(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
		cudnnDataType_t type = CUDNN_DATA_FLOAT;

		how.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
		how.finish();
		op.set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
		op.set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
		op.set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
		op.set(CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
		op.finish();
		operations.push_back(op.handle);
	}

	void pointwise(cudnnPointwiseMode_t mode, const Descriptor &x, const Descriptor *b,
		       const Descriptor &y)
	{
		Descriptor &how = part(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
		Descriptor &op = part(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
		cudnnDataType_t type = CUDNN_DATA_FLOAT;

		how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
		how.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
		how.finish();
		op.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
		op.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
		if (b)
			op.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
		op.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
		op.finish();
		operations.push_back(op.handle);
	}

	void reduce(cudnnReduceTensorOp_t operation, const Descriptor &x, const Descriptor &y)
	{
		Descriptor &how = part(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
		Descriptor &op = part(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
		cudnnDataType_t type = CUDNN_DATA_FLOAT;

		how.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1,
			&operation);
		how.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
		how.finish();
		op.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
		op.set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
		op.set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
		op.finish();
		operations.push_back(op.handle);
	}

	/* The first plan that can be made, as cuDNN's heuristics propose them. */
	Part plan(cudnnHandle_t cudnn)
	{
		Descriptor &all = part(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
		Descriptor &choice = part(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
		cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
		std::vector<cudnnBackendDescriptor_t> engines;
		int64_t count = 0;

		all.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &cudnn);
		all.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
			int64_t(operations.size()), operations.data());
		all.finish();
		choice.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, all);
		choice.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
		choice.finish();
		OK(cudnnBackendGetAttribute(choice.handle, CUDNN_ATTR_ENGINEHEUR_RESULTS,
					    CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
		for (int64_t i = 0; i < count; i++)
			engines.push_back(part(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).handle);
		OK(cudnnBackendGetAttribute(choice.handle, CUDNN_ATTR_ENGINEHEUR_RESULTS,
					    CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count,
					    engines.data()));
		for (int64_t i = 0; i < count; i++) {
			Part plan(new Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR));

			plan->set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &cudnn);
			plan->set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
				  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engines[i]);
			if (cudnnBackendFinalize(plan->handle) == CUDNN_STATUS_SUCCESS)
				return plan;
		}
		throw std::runtime_error("no plan of " + std::to_string(count) + " can be made");
	}
};

enum {
	B = 2,
	HEADS = 4,
	S = 256,
	D = 64
};
enum Id : int64_t {
	Q_ID = 1,
	K_ID,
	V_ID,
	O_ID,
	SCALE_ID,
	STATS_ID
};

/* O = softmax(Q K' * scale) V, and the logarithm of each row's sum, without which cuDNN 9 has no engine for it */
static void attention_graph(Graph &graph)
{
	const std::vector<int64_t> rows = {HEADS * S * D, S * D, D, 1};
	const std::vector<int64_t> scores = {HEADS * S * S, S * S, S, 1}, ones = {1, 1, 1, 1};
	const std::vector<int64_t> square = {B, HEADS, S, S}, line = {B, HEADS, S, 1};
	const std::vector<int64_t> line_strides = {HEADS * S, S, 1, 1};
	const auto half = CUDNN_DATA_HALF, single = CUDNN_DATA_FLOAT;
	auto &q = graph.tensor(Q_ID, {B, HEADS, S, D}, rows, half, MEMORY);
	auto &k = graph.tensor(K_ID, {B, HEADS, D, S}, {HEADS * S * D, S * D, 1, D}, half, MEMORY);
	auto &v = graph.tensor(V_ID, {B, HEADS, S, D}, rows, half, MEMORY);
	auto &o = graph.tensor(O_ID, {B, HEADS, S, D}, rows, half, MEMORY);
	auto &scale = graph.tensor(SCALE_ID, ones, ones, single, HOST);
	auto &product = graph.tensor(0, square, scores, single, VIRTUAL);
	auto &scaled = graph.tensor(0, square, scores, single, VIRTUAL);
	auto &largest = graph.tensor(0, line, line_strides, single, VIRTUAL);
	auto &less = graph.tensor(0, square, scores, single, VIRTUAL);
	auto &power = graph.tensor(0, square, scores, single, VIRTUAL);
	auto &sum = graph.tensor(0, line, line_strides, single, VIRTUAL);
	auto &logarithm = graph.tensor(0, line, line_strides, single, VIRTUAL);
	auto &stats = graph.tensor(STATS_ID, line, line_strides, single, MEMORY);
	auto &weights = graph.tensor(0, square, scores, half, VIRTUAL);

	graph.matmul(q, k, product);
	graph.pointwise(CUDNN_POINTWISE_MUL, product, &scale, scaled);
	graph.reduce(CUDNN_REDUCE_TENSOR_MAX, scaled, largest);
	graph.pointwise(CUDNN_POINTWISE_SUB, scaled, &largest, less);
	graph.pointwise(CUDNN_POINTWISE_EXP, less, nullptr, power);
	graph.reduce(CUDNN_REDUCE_TENSOR_ADD, power, sum);
	graph.pointwise(CUDNN_POINTWISE_LOG, sum, nullptr, logarithm);
	graph.pointwise(CUDNN_POINTWISE_ADD, largest, &logarithm, stats);
	graph.pointwise(CUDNN_POINTWISE_DIV, power, &sum, weights);
	graph.matmul(weights, v, o);
}

static std::vector<__half> halves(const std::vector<float> &from)
{
	std::vector<__half> to;

	for (float value : from)
		to.push_back(__float2half(value));
	return to;
}

/* One row of the output on the CPU. */
static std::vector<double> attention_row(const std::vector<__half> &q, const std::vector<__half> &k,
					 const std::vector<__half> &v, size_t head, size_t row,
					 double scale)
{
	const size_t base = head * S * D;
	std::vector<double> weights(S), out(D);
	double total = 0;

	for (size_t j = 0; j < S; j++) {
		double dot = 0;

		for (size_t d = 0; d < D; d++)
			dot += double(__half2float(q[base + row * D + d])) *
			       __half2float(k[base + j * D + d]);
		total += weights[j] = std::exp(dot * scale);
	}
	for (size_t j = 0; j < S; j++)
		for (size_t d = 0; d < D; d++)
			out[d] += weights[j] / total * __half2float(v[base + j * D + d]);
	return out;
}

static void attention(Results &results)
{
	const size_t count = size_t(B) * HEADS * S * D;
	const auto hq = halves(numbers(count)), hk = halves(numbers(count, 2)),
		   hv = halves(numbers(count, 3));
	const size_t lines = size_t(B) * HEADS * S;
	Device<__half> q(hq), k(hk), v(hv), o(count);
	Device<float> stats(lines);
	std::vector<__half> got(count);
	std::vector<float> got_stats(lines);
	float scale = 1 / std::sqrt(float(D));
	cudnnHandle_t cudnn;
	int64_t bytes = 0, ids[] = {Q_ID, K_ID, V_ID, O_ID, SCALE_ID, STATS_ID};
	void *places[] = {q.data, k.data, v.data, o.data, &scale, stats.data};

	OK(cudnnCreate(&cudnn));
	auto began = std::chrono::steady_clock::now(); /* its compilation counts */
	{
		Graph graph;

		attention_graph(graph);
		Part plan = graph.plan(cudnn);
		OK(cudnnBackendGetAttribute(plan->handle, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
					    CUDNN_TYPE_INT64, 1, nullptr, &bytes));
		Device<char> work(size_t(bytes) + 1);
		Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
		void *workspace = work.data;

		pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 6, ids);
		pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 6, places);
		pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
		pack.finish();
		OK(cudnnBackendExecute(cudnn, plan->handle, pack.handle));
		OK(cudaDeviceSynchronize());
	}
	results.seconds =
		std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
	OK(cudnnDestroy(cudnn));
	OK(cudaMemcpy(got.data(), o, count * sizeof(__half), cudaMemcpyDeviceToHost));
	OK(cudaMemcpy(got_stats.data(), stats, lines * sizeof(float), cudaMemcpyDeviceToHost));
	for (size_t i = 0; i < 24; i++) {
		size_t head = i % (B * HEADS), row = i * 37 % S;
		auto wanted = attention_row(hq, hk, hv, head, row, scale);

		for (size_t d = 0; d < D; d++)
			expect(__half2float(got[(head * S + row) * D + d]), wanted[d], 5e-3,
			       "attention");
	}
	results.add(got.data(), count * sizeof(__half));
	results.add(got_stats.data(), lines * sizeof(float));
}

int main()
{
	run_case("convolution forward", 0, forward);
	run_case("convolution backward, data", 0, backward_data);
	run_case("convolution backward, filter", 0, backward_filter);
	run_case("attention, a graph compiled at run time", 0, attention);
	return 0;
}
