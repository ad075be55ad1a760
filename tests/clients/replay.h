/* SPDX-License-Identifier: MIT */
/*
 * Launches that a client has prepared elsewhere (record-numba), to be done where there is no room for the client:
 * a file of little-endian numbers.
 *
 *   file   "vgplay01", u32 number of cases, cases
 *   case   text name, text PTX, text kernel, u32 grid[3], u32 block[3], u32 number of parameters, parameters
 *   text   u32 bytes, so many bytes with a NUL as the last
 *   param  u32 enum replay_param, u32 bytes, so many bytes; of those that are compared as many again, the result
 */
#ifndef REPLAY_H
#define REPLAY_H

#define REPLAY_MAGIC "vgplay01"

enum replay_param {
	REPLAY_VALUE = 0,  /* passed as it is */
	REPLAY_INPUT = 1,  /* the address of device memory with this */
	REPLAY_EXACT = 2,  /* likewise, and what is in it afterwards */
	REPLAY_DOUBLE = 3, /* likewise: doubles, to 1e-12 */
	REPLAY_SINGLE = 4, /* likewise: floats, to 2e-5 */
};

#endif
