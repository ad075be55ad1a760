// SPDX-License-Identifier: MIT
// cuBLAS and cuBLASLt: products in fp32, fp16, bf16 and fp8, batched, on streams.
// nvcc: -lcublas -lcublasLt
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "case.h"

static const int N = 1024;

template <class T> std::vector<T> convert(const std::vector<float> &from)
{
	std::vector<T> to;
	for (float value : from)
		to.push_back(T(value));
	return to;
}

struct Blas {
	cublasHandle_t handle;
	Blas()
	{
		OK(cublasCreate(&handle));
	}
	~Blas()
	{
		cublasDestroy(handle);
	}
};

template <class T> void gemm_ex(Results &results, cudaDataType type)
{
	Blas blas;
	Device<T> a(convert<T>(numbers(N * N, 1))), b(convert<T>(numbers(N * N, 2))), c(N * N);
	float one = 1, zero = 0;

	timed(results, [&] {
		for (int i = 0; i < 20; i++)
			OK(cublasGemmEx(blas.handle, CUBLAS_OP_N, CUBLAS_OP_T, N, N, N, &one, a,
					type, N, b, type, N, &zero, c, type, N, CUBLAS_COMPUTE_32F,
					CUBLAS_GEMM_DEFAULT));
	});
	results.add_device(c.data, c.count);
}

static void batched(Results &results)
{
	Blas blas;
	Device<float> a(numbers(16 * 128 * 128, 1)), b(numbers(16 * 128 * 128, 2)),
		c(16 * 128 * 128);
	std::vector<float *> pa, pb, pc;
	float one = 1, zero = 0;

	for (int i = 0; i < 16; i++) {
		pa.push_back(a + i * 128 * 128);
		pb.push_back(b + i * 128 * 128);
		pc.push_back(c + i * 128 * 128);
	}
	Device<float *> da(pa), db(pb), dc(pc);
	OK(cublasSgemmBatched(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, 128, 128, 128, &one, da, 128,
			      db, 128, &zero, dc, 128, 16));
	results.add_device(c.data, c.count);
}

static void vectors(Results &results)
{
	Blas blas;
	Device<float> x(numbers(1 << 20, 3)), y(numbers(1 << 20, 4));
	float dot = 0, norm = 0, two = 2;
	int most = 0;

	OK(cublasSaxpy(blas.handle, 1 << 20, &two, x, 1, y, 1));
	OK(cublasSdot(blas.handle, 1 << 20, x, 1, y, 1, &dot));
	OK(cublasSnrm2(blas.handle, 1 << 20, y, 1, &norm));
	OK(cublasIsamax(blas.handle, 1 << 20, y, 1, &most));
	results.add(&dot, sizeof(dot));
	results.add(&norm, sizeof(norm));
	results.add(&most, sizeof(most));
	results.add_device(y.data, 1000);
}

template <class T, class Out> void lt(Results &results, cudaDataType type, cudaDataType out_type)
{
	cublasLtHandle_t handle;
	cublasLtMatmulDesc_t op;
	cublasLtMatrixLayout_t la, lb, lc;
	cublasLtMatmulPreference_t preference;
	cublasLtMatmulHeuristicResult_t best;
	cublasOperation_t transposed = CUBLAS_OP_T;
	size_t work_bytes = 32 << 20;
	int found = 0;
	Device<T> a(convert<T>(numbers(N * N, 1))), b(convert<T>(numbers(N * N, 2)));
	Device<Out> c(N * N);
	Device<char> work(work_bytes);
	Device<float> scale(std::vector<float>(1, 1.0f));
	float *scale_pointer = scale.data;
	float one = 1, zero = 0;

	OK(cublasLtCreate(&handle));
	OK(cublasLtMatmulDescCreate(&op, CUBLAS_COMPUTE_32F, CUDA_R_32F));
	OK(cublasLtMatmulDescSetAttribute(op, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
					  sizeof(transposed)));
	if (sizeof(T) == 1) {
		OK(cublasLtMatmulDescSetAttribute(op, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER,
						  &scale_pointer, sizeof(scale_pointer)));
		OK(cublasLtMatmulDescSetAttribute(op, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
						  &scale_pointer, sizeof(scale_pointer)));
	}
	OK(cublasLtMatrixLayoutCreate(&la, type, N, N, N));
	OK(cublasLtMatrixLayoutCreate(&lb, type, N, N, N));
	OK(cublasLtMatrixLayoutCreate(&lc, out_type, N, N, N));
	OK(cublasLtMatmulPreferenceCreate(&preference));
	OK(cublasLtMatmulPreferenceSetAttribute(preference,
						CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
						&work_bytes, sizeof(work_bytes)));
	OK(cublasLtMatmulAlgoGetHeuristic(handle, op, la, lb, lc, lc, preference, 1, &best,
					  &found));
	if (!found)
		throw std::runtime_error("no algorithm");
	timed(results, [&] {
		for (int i = 0; i < 20; i++)
			OK(cublasLtMatmul(handle, op, &one, a, la, b, lb, &zero, c, lc, c, lc,
					  &best.algo, work, work_bytes, 0));
	});
	results.add_device(c.data, c.count);
	cublasLtMatmulPreferenceDestroy(preference);
	cublasLtMatrixLayoutDestroy(la);
	cublasLtMatrixLayoutDestroy(lb);
	cublasLtMatrixLayoutDestroy(lc);
	cublasLtMatmulDescDestroy(op);
	cublasLtDestroy(handle);
}

int main()
{
	run_case("GemmEx fp32", 0, [](Results &r) { gemm_ex<float>(r, CUDA_R_32F); });
	run_case("GemmEx fp16", 0, [](Results &r) { gemm_ex<__half>(r, CUDA_R_16F); });
	run_case("GemmEx bf16", 0, [](Results &r) { gemm_ex<__nv_bfloat16>(r, CUDA_R_16BF); });
	run_case("SgemmBatched", 0, batched);
	run_case("Saxpy, Sdot, Snrm2, Isamax", 0, vectors);
	run_case("Lt fp32", 0, [](Results &r) { lt<float, float>(r, CUDA_R_32F, CUDA_R_32F); });
	run_case("Lt fp16", 0, [](Results &r) { lt<__half, __half>(r, CUDA_R_16F, CUDA_R_16F); });
	run_case("Lt bf16", 0,
		 [](Results &r) { lt<__nv_bfloat16, __nv_bfloat16>(r, CUDA_R_16BF, CUDA_R_16BF); });
	run_case("Lt fp8", 0, [](Results &r) {
		lt<__nv_fp8_e4m3, __nv_bfloat16>(r, CUDA_R_8F_E4M3, CUDA_R_16BF);
	});
	return 0;
}
