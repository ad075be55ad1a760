/* SPDX-License-Identifier: MIT */
/*
 * Included before everything else when the preload library is compiled: libxenstore's functions come
 * from the copy that xl's libxl has loaded, whichever its version, and are absent in other processes.
 */
#ifndef VGPU_XL_XENSTORE_WEAK_H
#define VGPU_XL_XENSTORE_WEAK_H

#include <xenstore.h>

#pragma weak xs_open
#pragma weak xs_close
#pragma weak xs_directory
#pragma weak xs_read
#pragma weak xs_write
#pragma weak xs_mkdir
#pragma weak xs_rm
#pragma weak xs_set_permissions
#pragma weak xs_transaction_start
#pragma weak xs_transaction_end
#pragma weak xs_is_domain_introduced

#endif
