/* SPDX-License-Identifier: MIT */
/* What the generated calls need (generate.py), and what they are to the program. */
#ifndef TESTS_DIFFER_CASES_H
#define TESTS_DIFFER_CASES_H

#include "tests/programs/differ/world.h"

#define DF_ENDS     1u /* it ends an object's life: what the case made may be gone */
#define DF_STATEFUL 2u /* once it has succeeded, the process is not what it was */

struct df_function {
	const char *symbol;
	void (*run)(struct df_world *w, unsigned int bad);
	unsigned int flags;
};

struct df_case {
	unsigned short function, bad;
	enum df_stage stage;
	bool risky; /* NVIDIA's driver may crash: tried with --garbage only */
	const char *name;
};

extern const struct df_function df_functions[];
extern const unsigned int df_function_count;
extern const struct df_case df_cases[];
extern const unsigned int df_case_count;

/* Makes the call in the case's stage (stage.c): w->result. */
void df_call(struct df_world *w, CUresult (*call)(const void *), const void *args);

/* The outputs of a call that succeeded; given: the call was told where. */
void df_out_number(struct df_world *w, const char *name, const void *given, long long value);
void df_out_float(struct df_world *w, const char *name, const void *given, float value);
void df_out_set(struct df_world *w, const char *name, const void *given, bool set);
void df_out_text(struct df_world *w, const char *name, const char *text);
void df_out_bytes(struct df_world *w, const char *name, const void *bytes, size_t size);

#endif
