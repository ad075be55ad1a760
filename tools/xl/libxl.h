/* SPDX-License-Identifier: MIT */
/*
 * What of libxl's and libxlutil's interface is used here, as it is in Xen 4.14 and every later
 * version: functions only, their structures opaque (seen the same in 4.14, 4.17 and 4.20). No header of Xen's is included, because the
 * library is built once for all versions; a test holds these against the installed libxl.h.
 *
 * Sources: tools/include/libxl.h, libxl_utils.h and libxlutil.h of Xen.
 */
#ifndef VGPU_XL_LIBXL_H
#define VGPU_XL_LIBXL_H

#include <stdint.h>

#ifndef LIBXL_H /* the real one's: the test's declarations must agree */
typedef struct libxl__ctx libxl_ctx;
typedef struct libxl_domain_config libxl_domain_config;
typedef struct libxl_domain_restore_params libxl_domain_restore_params;
typedef struct libxl_domain_remus_info libxl_domain_remus_info;
typedef struct libxl_asyncop_how libxl_asyncop_how;
typedef struct libxl_asyncprogress_how libxl_asyncprogress_how;
#endif
typedef struct XLU_Config XLU_Config;
typedef struct XLU_ConfigList XLU_ConfigList;

/* NOLINTBEGIN(readability-redundant-declaration): the test includes the real ones before */
/* Those that the library puts in front of libxl's own. */
int xlu_cfg_readdata(XLU_Config *cfg, const char *data, int length);
int libxl_domain_create_new(libxl_ctx *ctx, libxl_domain_config *d_config, uint32_t *domid,
			    const libxl_asyncop_how *ao_how,
			    const libxl_asyncprogress_how *aop_console_how);
int libxl_domain_create_restore(libxl_ctx *ctx, libxl_domain_config *d_config, uint32_t *domid,
				int restore_fd, int send_back_fd,
				const libxl_domain_restore_params *params,
				const libxl_asyncop_how *ao_how,
				const libxl_asyncprogress_how *aop_console_how);
int libxl_domain_soft_reset(libxl_ctx *ctx, libxl_domain_config *d_config, uint32_t domid,
			    const libxl_asyncop_how *ao_how,
			    const libxl_asyncprogress_how *aop_console_how);
int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid,
					libxl_domain_config *d_config,
					const libxl_asyncop_how *ao_how);
int libxl_domain_qualifier_to_domid(libxl_ctx *ctx, const char *name, uint32_t *domid);
int libxl_domain_suspend(libxl_ctx *ctx, uint32_t domid, int fd, int flags,
			 const libxl_asyncop_how *ao_how);
int libxl_domain_remus_start(libxl_ctx *ctx, libxl_domain_remus_info *info, uint32_t domid,
			     int send_fd, int recv_fd, const libxl_asyncop_how *ao_how);

/* Those that it calls: found with dlsym. */
int libxl_domain_destroy(libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *ao_how);
int xlu_cfg_get_list(const XLU_Config *cfg, const char *n, XLU_ConfigList **list_r, int *entries_r,
		     int dont_warn);
const char *xlu_cfg_get_listitem(const XLU_ConfigList *list, int entry);
/* NOLINTEND(readability-redundant-declaration) */

#endif
