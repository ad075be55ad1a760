/* SPDX-License-Identifier: MIT */
/*
 * The types of NVML, NVIDIA's management library, as of CUDA 13.0, for x86-64 Linux: what the calls of
 * nvml.api need. The declarations are our own; protocol/check_types.py compares every size,
 * offset and constant with NVIDIA's nvml.h, where there is one.
 */
#ifndef VG_NVML_TYPES_H
#define VG_NVML_TYPES_H

typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct nvmlEventSet_st *nvmlEventSet_t;

typedef enum {
	NVML_SUCCESS = 0,
	NVML_ERROR_UNINITIALIZED = 1,
	NVML_ERROR_INVALID_ARGUMENT = 2,
	NVML_ERROR_NOT_SUPPORTED = 3,
	NVML_ERROR_NO_PERMISSION = 4,
	NVML_ERROR_ALREADY_INITIALIZED = 5,
	NVML_ERROR_NOT_FOUND = 6,
	NVML_ERROR_INSUFFICIENT_SIZE = 7,
	NVML_ERROR_INSUFFICIENT_POWER = 8,
	NVML_ERROR_DRIVER_NOT_LOADED = 9,
	NVML_ERROR_TIMEOUT = 10,
	NVML_ERROR_IRQ_ISSUE = 11,
	NVML_ERROR_LIBRARY_NOT_FOUND = 12,
	NVML_ERROR_FUNCTION_NOT_FOUND = 13,
	NVML_ERROR_CORRUPTED_INFOROM = 14,
	NVML_ERROR_GPU_IS_LOST = 15,
	NVML_ERROR_RESET_REQUIRED = 16,
	NVML_ERROR_OPERATING_SYSTEM = 17,
	NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18,
	NVML_ERROR_IN_USE = 19,
	NVML_ERROR_MEMORY = 20,
	NVML_ERROR_NO_DATA = 21,
	NVML_ERROR_VGPU_ECC_NOT_SUPPORTED = 22,
	NVML_ERROR_INSUFFICIENT_RESOURCES = 23,
	NVML_ERROR_FREQ_NOT_SUPPORTED = 24,
	NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
	NVML_ERROR_DEPRECATED = 26,
	NVML_ERROR_NOT_READY = 27,
	NVML_ERROR_GPU_NOT_FOUND = 28,
	NVML_ERROR_INVALID_STATE = 29,
	NVML_ERROR_RESET_TYPE_NOT_SUPPORTED = 30,
	NVML_ERROR_UNKNOWN = 999
} nvmlReturn_t;

/* Enumerations travel as numbers; the names of values follow where we use them. */
typedef unsigned int nvmlAffinityScope_t;
typedef unsigned int nvmlBrandType_t;
typedef unsigned int nvmlBusType_t;
typedef unsigned int nvmlClockId_t;
typedef unsigned int nvmlClockType_t;
typedef unsigned int nvmlComputeMode_t;
typedef unsigned int nvmlCoolerControl_t;
typedef unsigned int nvmlCoolerTarget_t;
typedef unsigned int nvmlDeviceArchitecture_t;
typedef unsigned int nvmlEccCounterType_t;
typedef unsigned int nvmlEnableState_t;
typedef unsigned int nvmlEncoderType_t;
typedef unsigned int nvmlFanControlPolicy_t;
typedef unsigned int nvmlGpuOperationMode_t;
typedef unsigned int nvmlGpuP2PCapsIndex_t;
typedef unsigned int nvmlGpuP2PStatus_t;
typedef unsigned int nvmlGpuTopologyLevel_t;
typedef unsigned int nvmlGpuVirtualizationMode_t;
typedef unsigned int nvmlHostVgpuMode_t;
typedef unsigned int nvmlInforomObject_t;
typedef unsigned int nvmlIntNvLinkDeviceType_t;
typedef unsigned int nvmlLedColor_t;
typedef unsigned int nvmlMemoryErrorType_t;
typedef unsigned int nvmlMemoryLocation_t;
typedef unsigned int nvmlNvLinkCapability_t;
typedef unsigned int nvmlNvLinkErrorCounter_t;
typedef unsigned int nvmlPageRetirementCause_t;
typedef unsigned int nvmlPcieUtilCounter_t;
typedef unsigned int nvmlPerfPolicyType_t;
typedef unsigned int nvmlPowerSource_t;
typedef unsigned int nvmlPstates_t;
typedef unsigned int nvmlRestrictedAPI_t;
typedef unsigned int nvmlSamplingType_t;
typedef unsigned int nvmlTemperatureSensors_t;
typedef unsigned int nvmlTemperatureThresholds_t;
typedef unsigned int nvmlThermalController_t;
typedef unsigned int nvmlThermalTarget_t;
typedef unsigned int nvmlValueType_t;
typedef unsigned char nvmlGpuFabricState_t;

enum {
	NVML_FEATURE_DISABLED = 0,
	NVML_FEATURE_ENABLED = 1,
	NVML_TEMPERATURE_GPU = 0,
	NVML_TEMPERATURE_THRESHOLD_SHUTDOWN = 0,
	NVML_TEMPERATURE_THRESHOLD_SLOWDOWN = 1,
	NVML_TEMPERATURE_THRESHOLD_MEM_MAX = 2,
	NVML_TEMPERATURE_THRESHOLD_GPU_MAX = 3,
	NVML_CLOCK_GRAPHICS = 0,
	NVML_CLOCK_SM = 1,
	NVML_CLOCK_MEM = 2,
	NVML_CLOCK_VIDEO = 3,
	NVML_BRAND_UNKNOWN = 0,
	NVML_BUS_TYPE_PCI = 1,
	NVML_DEVICE_ARCH_HOPPER = 9,
	NVML_COMPUTEMODE_DEFAULT = 0,
	NVML_PSTATE_0 = 0,
	NVML_PSTATE_UNKNOWN = 32,
	NVML_MEMORY_ERROR_TYPE_CORRECTED = 0,
	NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1,
	NVML_VOLATILE_ECC = 0,
	NVML_AGGREGATE_ECC = 1,
	NVML_PCIE_UTIL_TX_BYTES = 0,
	NVML_PCIE_UTIL_RX_BYTES = 1,
	NVML_VALUE_TYPE_UNSIGNED_INT = 1,
	NVML_TOPOLOGY_INTERNAL = 0,
	NVML_TOPOLOGY_SYSTEM = 50,
	NVML_P2P_STATUS_OK = 0,
	NVML_GPU_UTILIZATION_SAMPLES = 1,
	NVML_UUID_TYPE_ASCII = 1,
	NVML_UUID_TYPE_BINARY = 2,
	NVML_AFFINITY_SCOPE_SOCKET = 1,
	NVML_INIT_FLAG_NO_GPUS = 1,
	NVML_INIT_FLAG_NO_ATTACH = 2,
};

/* Sizes of texts and tables. */
#define NVML_DEVICE_NAME_V2_BUFFER_SIZE        96
#define NVML_DEVICE_UUID_BUFFER_SIZE           80
#define MAX_CLK_DOMAINS                        32
#define NVML_255_MASK_NUM_ELEMS                8
#define NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE     32
#define NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE  16
#define NVML_DEVICE_UUID_ASCII_LEN             41
#define NVML_DEVICE_UUID_BINARY_LEN            16
#define NVML_GPU_FABRIC_UUID_LEN               16
#define NVML_MAX_GPU_UTILIZATIONS              8
#define NVML_MAX_THERMAL_SENSORS_PER_GPU       3
#define NVML_NVLINK_FIRMWARE_VERSION_LENGTH    100
#define NVML_NVLINK_TOTAL_SUPPORTED_BW_MODES   23
#define NVML_PERF_MODES_BUFFER_SIZE            2048
#define NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE 80
#define NVML_WORKLOAD_POWER_MAX_PROFILES       255

/* In the first word of structures that have versions: their size, and the version on top. */
#define NVML_STRUCT_VERSION(type, number) \
	((unsigned int)sizeof(type) | (unsigned int)(number) << 24)

/* An amount that nobody knows. */
#define NVML_VALUE_NOT_AVAILABLE (-1)

#include "protocol/nvml/usage.h"
#include "protocol/nvml/state.h"

#endif
