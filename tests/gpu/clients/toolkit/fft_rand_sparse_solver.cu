// SPDX-License-Identifier: MIT
// cuFFT, cuRAND, cuSPARSE and cuSOLVER.
// nvcc: -lcufft -lcurand -lcusparse -lcusolver
#include <cufft.h>
#include <curand.h>
#include <cusolverDn.h>
#include <cusparse.h>

#include "case.h"

static void fft(Results &results)
{
	cufftHandle plan;
	std::vector<float> host = numbers(2 * 64 * 4096);
	Device<float> data(host);
	auto *complex = reinterpret_cast<cufftComplex *>(data.data);

	OK(cufftPlan1d(&plan, 4096, CUFFT_C2C, 64));
	OK(cufftExecC2C(plan, complex, complex, CUFFT_FORWARD));
	results.add_device(data.data, data.count);
	OK(cufftExecC2C(plan, complex, complex, CUFFT_INVERSE));
	results.add_device(data.data, data.count);
	cufftDestroy(plan);
}

static void fft3d(Results &results)
{
	cufftHandle plan;
	Device<float> in(numbers(64 * 64 * 64)), out(2 * 64 * 64 * 33);

	OK(cufftPlan3d(&plan, 64, 64, 64, CUFFT_R2C));
	OK(cufftExecR2C(plan, in, reinterpret_cast<cufftComplex *>(out.data)));
	results.add_device(out.data, out.count);
	cufftDestroy(plan);
}

static void rand_of(Results &results, curandRngType type)
{
	curandGenerator_t generator;
	Device<float> out(1 << 20);

	OK(curandCreateGenerator(&generator, type));
	if (type != CURAND_RNG_QUASI_SOBOL32)
		OK(curandSetPseudoRandomGeneratorSeed(generator, 1234));
	OK(curandGenerateUniform(generator, out, out.count));
	results.add_device(out.data, out.count);
	curandDestroyGenerator(generator);
}

static void sparse(Results &results)
{
	const int n = 1000;
	std::vector<int> offsets{0}, columns;
	std::vector<float> values;

	for (int row = 0; row < n; row++) {
		for (int column = row % 7; column < n; column += 97) {
			columns.push_back(column);
			values.push_back(1.0f / (1 + column));
		}
		offsets.push_back(static_cast<int>(columns.size()));
	}
	Device<int> d_offsets(offsets), d_columns(columns);
	Device<float> d_values(values), x(numbers(n)), y(n);
	cusparseHandle_t handle;
	cusparseSpMatDescr_t matrix;
	cusparseDnVecDescr_t vx, vy;
	float one = 1, zero = 0;
	size_t bytes = 0;

	OK(cusparseCreate(&handle));
	OK(cusparseCreateCsr(&matrix, n, n, static_cast<int64_t>(values.size()), d_offsets.data,
			     d_columns.data, d_values.data, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I,
			     CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F));
	OK(cusparseCreateDnVec(&vx, n, x.data, CUDA_R_32F));
	OK(cusparseCreateDnVec(&vy, n, y.data, CUDA_R_32F));
	OK(cusparseSpMV_bufferSize(handle, CUSPARSE_OPERATION_NON_TRANSPOSE, &one, matrix, vx,
				   &zero, vy, CUDA_R_32F, CUSPARSE_SPMV_CSR_ALG2, &bytes));
	Device<char> buffer(bytes + 1);
	OK(cusparseSpMV(handle, CUSPARSE_OPERATION_NON_TRANSPOSE, &one, matrix, vx, &zero, vy,
			CUDA_R_32F, CUSPARSE_SPMV_CSR_ALG2, buffer.data));
	results.add_device(y.data, n);
	cusparseDestroyDnVec(vx);
	cusparseDestroyDnVec(vy);
	cusparseDestroySpMat(matrix);
	cusparseDestroy(handle);
}

static void solver(Results &results)
{
	const int n = 256;
	std::vector<float> host = numbers(n * n);
	cusolverDnHandle_t handle;
	int bytes = 0, good = 0;

	for (int i = 0; i < n; i++)
		host[i * n + i] += n;
	Device<float> a(host), b(numbers(n, 9));
	Device<int> pivots(n), info(1);
	OK(cusolverDnCreate(&handle));
	OK(cusolverDnSgetrf_bufferSize(handle, n, n, a, n, &bytes));
	Device<float> work(bytes + 1);
	OK(cusolverDnSgetrf(handle, n, n, a, n, work, pivots, info));
	OK(cusolverDnSgetrs(handle, CUBLAS_OP_N, n, 1, a, n, pivots, b, n, info));
	OK(cudaMemcpy(&good, info, sizeof(good), cudaMemcpyDeviceToHost));
	OK(good);
	results.add_device(b.data, n);
	cusolverDnDestroy(handle);
}

static void eigen(Results &results)
{
	const int n = 128;
	std::vector<float> host = numbers(n * n);
	cusolverDnHandle_t handle;
	int bytes = 0;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++)
			host[i * n + j] = host[j * n + i];
	Device<float> a(host), w(n);
	Device<int> info(1);
	OK(cusolverDnCreate(&handle));
	OK(cusolverDnSsyevd_bufferSize(handle, CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_UPPER, n,
				       a, n, w, &bytes));
	Device<float> work(bytes + 1);
	OK(cusolverDnSsyevd(handle, CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_UPPER, n, a, n, w,
			    work, bytes, info));
	results.add_device(w.data, n);
	cusolverDnDestroy(handle);
}

int main()
{
	run_case("cuFFT C2C, 64 of 4096, and back", 0, fft);
	run_case("cuFFT R2C, 64x64x64", 0, fft3d);
	run_case("cuRAND Philox", 0,
		 [](Results &r) { rand_of(r, CURAND_RNG_PSEUDO_PHILOX4_32_10); });
	run_case("cuRAND MTGP32", 0, [](Results &r) { rand_of(r, CURAND_RNG_PSEUDO_MTGP32); });
	run_case("cuRAND Sobol", 0, [](Results &r) { rand_of(r, CURAND_RNG_QUASI_SOBOL32); });
	run_case("cuSPARSE SpMV", 0, sparse);
	run_case("cuSOLVER getrf, getrs", 1e-5, solver);
	run_case("cuSOLVER syevd", 1e-4, eigen);
	return 0;
}
