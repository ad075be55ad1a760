/* SPDX-License-Identifier: MIT */
/*
 * Log lines, the same on both sides: one line, a fixed head, then key=value:
 *
 *   [vgpu] dom=3 dev=0 pid=130074 level=call op=cuMemAlloc_v2 seq=17 len=0
 *
 * dom, dev and pid name the guest's domain, the device and the guest's process; "-" where there is
 * none or it is not known. Lines go to standard error in one write(2) each; where that is systemd's journal they
 * carry its priority prefix, or, from services (vg_log_journal), go to it as entries with fields
 * (journal.h). Safe in any thread and after fork.
 *
 * A macro that is off costs one relaxed load and a branch; its arguments are not evaluated.
 */
#ifndef VG_LOG_H
#define VG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vg_log_level {
	VG_LOG_ERROR, /* something is lost, somebody must act */
	VG_LOG_WARN,  /* refused or out of order, the rest goes on */
	VG_LOG_INFO,  /* life cycle: attached, connected, session opened */
	VG_LOG_CALL,  /* each CUDA call and each control message */
	VG_LOG_DATA,  /* copies, shares, states of rings */
};

#define VG_LOG_NOBODY (-1)

/* Who a line is about, and the level up to which lines about it are written. */
struct vg_log_who {
	int64_t dom; /* VG_LOG_NOBODY: none */
	int64_t dev;
	int64_t pid;
	int level; /* enum vg_log_level; read and written with relaxed atomics */
};

#define VG_LOG_WHO_NONE                            \
	((struct vg_log_who){.dom = VG_LOG_NOBODY, \
			     .dev = VG_LOG_NOBODY, \
			     .pid = VG_LOG_NOBODY, \
			     .level = VG_LOG_INFO})

static inline bool vg_log_on(const struct vg_log_who *who, enum vg_log_level level)
{
	return (int)level <= __atomic_load_n(&who->level, __ATOMIC_RELAXED);
}

/* At run time, from any thread. */
static inline void vg_log_set_level(struct vg_log_who *who, enum vg_log_level level)
{
	__atomic_store_n(&who->level, (int)level, __ATOMIC_RELAXED);
}

/* "error" .. "data" to a level; -EINVAL for anything else. */
int vg_log_level_parse(const char *text, enum vg_log_level *level);
const char *vg_log_level_name(enum vg_log_level level);
/* The journal's, as sd-daemon(3) has them: '3' for errors to '7' for debugging. */
char vg_log_priority(enum vg_log_level level);

/* Where lines go, standard error unless told. Before there are threads. */
void vg_log_set_fd(int fd);

/*
 * For services: where standard error is the journal, lines go there with fields. Before there are threads, and
 * before privileges are given up. Never in a program of somebody else's, whose descriptors are not ours to keep one among.
 * path: of its socket, NULL: systemd's.
 */
void vg_log_journal(const char *path);

void vg_log_write(const struct vg_log_who *who, enum vg_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define vg_log(who, level, ...)                                 \
	do {                                                    \
		if (__builtin_expect(vg_log_on(who, level), 0)) \
			vg_log_write(who, level, __VA_ARGS__);  \
	} while (0)

#define vg_error(who, ...) vg_log(who, VG_LOG_ERROR, __VA_ARGS__)
#define vg_warn(who, ...)  vg_log(who, VG_LOG_WARN, __VA_ARGS__)
#define vg_info(who, ...)  vg_log(who, VG_LOG_INFO, __VA_ARGS__)
#define vg_call(who, ...)  vg_log(who, VG_LOG_CALL, __VA_ARGS__)
#define vg_data(who, ...)  vg_log(who, VG_LOG_DATA, __VA_ARGS__)

/*
 * Makes another side's text fit for a line: everything but printable ASCII, and the quote and the
 * backslash, become '?'. In place; the text must be NUL-terminated. The writer itself lets no
 * control character through, but only this keeps foreign text from looking like keys of ours
 * inside its quotes.
 */
void vg_log_clean(char *text);

/*
 * For lines that another side can provoke at will: true for the first `burst` in each `window_ms`.
 * The first line of a new window is preceded by one that says how many were left out. One thread
 * at a time.
 */
struct vg_log_limit {
	unsigned int burst;
	unsigned int window_ms;
	uint64_t window_start; /* ms; private from here on */
	unsigned int used;
	unsigned int dropped;
};

bool vg_log_allow(struct vg_log_limit *limit, const struct vg_log_who *who);

#endif
