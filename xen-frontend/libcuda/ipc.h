/* SPDX-License-Identifier: MIT */
/* Memory of other processes. */
#ifndef FE_IPC_H
#define FE_IPC_H

/* In a child after fork. */
void fe_ipc_reset(void);

#endif
