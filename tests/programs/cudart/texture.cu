/* SPDX-License-Identifier: MIT */
/*
 * Textures and surfaces by the runtime: a picture of bytes read as normalized floats with a linear filter, four components,
 * layers, and a surface written by one kernel and read as a texture by the next.
 */
#include <vector>

#include "report.cuh"

static const int W = 32, H = 16;

__global__ void smooth(cudaTextureObject_t picture, float *out, int w, int h)
{
	int x = threadIdx.x, y = threadIdx.y;

	out[y * w + x] = tex2D<float>(picture, (x + 1.0f) / w, (y + 0.5f) / h);
}

__global__ void colours(cudaTextureObject_t picture, uchar4 *out, int w)
{
	int x = threadIdx.x, y = threadIdx.y;

	out[y * w + x] = tex2D<uchar4>(picture, x + 0.5f, y + 0.5f);
}

__global__ void layers(cudaTextureObject_t pictures, int *out, int w, int layer)
{
	int x = threadIdx.x;

	out[x] = tex1DLayered<int>(pictures, x + 0.5f, layer);
}

__global__ void paint(cudaSurfaceObject_t surface)
{
	int x = threadIdx.x, y = threadIdx.y;

	surf2Dwrite(make_float2(x, -y), surface, x * (int)sizeof(float2), y);
}

__global__ void look(cudaTextureObject_t picture, float2 *out, int w)
{
	int x = threadIdx.x, y = threadIdx.y;

	out[y * w + x] = tex2D<float2>(picture, x + 0.5f, y + 0.5f);
}

static cudaTextureObject_t texture_of(cudaArray_t array, cudaTextureReadMode mode,
				      cudaTextureFilterMode filter, bool normalized)
{
	cudaResourceDesc resource = {};
	cudaTextureDesc desc = {};
	cudaTextureObject_t texture;

	resource.resType = cudaResourceTypeArray;
	resource.res.array.array = array;
	desc.addressMode[0] = desc.addressMode[1] = cudaAddressModeClamp;
	desc.filterMode = filter;
	desc.readMode = mode;
	desc.normalizedCoords = normalized;
	RT(cudaCreateTextureObject(&texture, &resource, &desc, nullptr));
	return texture;
}

template <typename T> static std::vector<T> fetched(const T *device, size_t count)
{
	std::vector<T> host(count);

	RT(cudaDeviceSynchronize());
	RT(cudaMemcpy(host.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost));
	return host;
}

static void check_smooth(void *out)
{
	std::vector<unsigned char> picture(W * H);
	cudaChannelFormatDesc format = cudaCreateChannelDesc<unsigned char>();
	cudaTextureObject_t texture;
	cudaArray_t array;
	int wrong = 0;

	for (int i = 0; i < W * H; i++)
		picture[i] = (unsigned char)(i * 7);
	RT(cudaMallocArray(&array, &format, W, H));
	RT(cudaMemcpy2DToArray(array, 0, 0, picture.data(), W, W, H, cudaMemcpyHostToDevice));
	texture = texture_of(array, cudaReadModeNormalizedFloat, cudaFilterModeLinear, true);
	smooth<<<1, dim3(W, H)>>>(texture, (float *)out, W, H);
	std::vector<float> got = fetched((float *)out, W * H);
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			int next = x + 1 < W ? x + 1 : W - 1;
			float wanted = (picture[y * W + x] + picture[y * W + next]) / 2.0f / 255;

			/* A GPU's filter has few bits. */
			wrong += fabsf(got[y * W + x] - wanted) > 1.0f / 256;
		}
	report(!wrong, "smooth", "%d of %d wrong", wrong, W * H);
	RT(cudaDestroyTextureObject(texture));
	RT(cudaFreeArray(array));
}

static void check_colours(void *out)
{
	std::vector<uchar4> picture(W * H);
	cudaChannelFormatDesc format = cudaCreateChannelDesc<uchar4>();
	cudaTextureObject_t texture;
	cudaArray_t array;
	int wrong = 0;

	for (int i = 0; i < W * H; i++)
		picture[i] = make_uchar4(i, i + 1, i * 3, 255 - i);
	RT(cudaMallocArray(&array, &format, W, H));
	RT(cudaMemcpy2DToArray(array, 0, 0, picture.data(), W * 4, W * 4, H,
			       cudaMemcpyHostToDevice));
	texture = texture_of(array, cudaReadModeElementType, cudaFilterModePoint, false);
	colours<<<1, dim3(W, H)>>>(texture, (uchar4 *)out, W);
	std::vector<uchar4> got = fetched((uchar4 *)out, W * H);
	for (int i = 0; i < W * H; i++)
		wrong += got[i].x != picture[i].x || got[i].y != picture[i].y ||
			 got[i].z != picture[i].z || got[i].w != picture[i].w;
	report(!wrong, "colours", "%d of %d wrong", wrong, W * H);
	RT(cudaDestroyTextureObject(texture));
	RT(cudaFreeArray(array));
}

static void check_layers(void *out)
{
	std::vector<int> lines(W * 3);
	cudaChannelFormatDesc format = cudaCreateChannelDesc<int>();
	cudaMemcpy3DParms copy = {};
	cudaTextureObject_t texture;
	cudaArray_t array;
	int wrong = 0;

	for (int i = 0; i < W * 3; i++)
		lines[i] = i * 1001 - 5;
	RT(cudaMalloc3DArray(&array, &format, make_cudaExtent(W, 0, 3), cudaArrayLayered));
	copy.srcPtr = make_cudaPitchedPtr(lines.data(), W * sizeof(int), W, 1);
	copy.dstArray = array;
	copy.extent = make_cudaExtent(W, 1, 3);
	copy.kind = cudaMemcpyHostToDevice;
	RT(cudaMemcpy3D(&copy));
	texture = texture_of(array, cudaReadModeElementType, cudaFilterModePoint, false);
	for (int layer = 0; layer < 3; layer++) {
		layers<<<1, W>>>(texture, (int *)out, W, layer);
		std::vector<int> got = fetched((int *)out, W);
		for (int x = 0; x < W; x++)
			wrong += got[x] != lines[layer * W + x];
	}
	report(!wrong, "layers", "%d of %d wrong", wrong, W * 3);
	RT(cudaDestroyTextureObject(texture));
	RT(cudaFreeArray(array));
}

static void check_painted(void *out)
{
	cudaChannelFormatDesc format = cudaCreateChannelDesc<float2>();
	cudaResourceDesc resource = {};
	cudaTextureObject_t texture;
	cudaSurfaceObject_t surface;
	cudaArray_t array;
	int wrong = 0;

	RT(cudaMallocArray(&array, &format, W, H, cudaArraySurfaceLoadStore));
	resource.resType = cudaResourceTypeArray;
	resource.res.array.array = array;
	RT(cudaCreateSurfaceObject(&surface, &resource));
	paint<<<1, dim3(W, H)>>>(surface);
	texture = texture_of(array, cudaReadModeElementType, cudaFilterModePoint, false);
	look<<<1, dim3(W, H)>>>(texture, (float2 *)out, W);
	std::vector<float2> got = fetched((float2 *)out, W * H);
	for (int i = 0; i < W * H; i++)
		wrong += got[i].x != i % W || got[i].y != -(i / W);
	report(!wrong, "painted", "%d of %d wrong", wrong, W * H);
	RT(cudaDestroyTextureObject(texture));
	RT(cudaDestroySurfaceObject(surface));
	RT(cudaFreeArray(array));
}

int main()
{
	void *out;

	print_device();
	RT(cudaMalloc(&out, W * H * sizeof(float2)));
	check_smooth(out);
	check_colours(out);
	check_layers(out);
	check_painted(out);
	RT(cudaFree(out));
	return failures != 0;
}
