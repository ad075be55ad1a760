/* SPDX-License-Identifier: MIT */
/*
 * One session: its executor, its lanes' commands and answers. What the executor says of itself is compared with what it said
 * a moment before and with /proc: who is stuck cannot say so.
 */
#include "tools/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/calls.h"
#include "protocol/errors.h"
#include "protocol/op_names.h"

#include "tools/answer.h"

/* A call that waits for the GPU may take long; from here on somebody should know. */
#define LONG_WAIT_MS 10000u
/* Any other. */
#define LONG_CALL_MS 2000u
#define TOP_CALLS    4u

/* --- the executor ----------------------------------------------------------------------------------- */

static bool executor_runs(struct vgpu_findings *findings, struct json_object *session,
			  const struct vgpu_process *executor)
{
	long long pid = (long long)vgpu_int(session, "executor");

	if (!executor->there || executor->state == 'Z') {
		vgpu_find(findings, VGPU_LINK_EXECUTOR, VGPU_BROKEN, "executor",
			  "process %lld has ended, xen-vgpud has not noticed", pid);
		vgpu_remedy(findings, "look again in a second; then at xen-vgpud's log: "
				      "journalctl -u xen-vgpud");
		return false;
	}
	if (executor->state == 'T' || executor->state == 't') {
		vgpu_find(findings, VGPU_LINK_EXECUTOR, VGPU_BROKEN, "executor",
			  "process %lld is stopped (by a signal or a debugger)", pid);
		vgpu_remedy(findings, "kill -CONT %lld lets it go on", pid);
		return false;
	}
	return true;
}

static void executor_privileges(struct vgpu_findings *findings, const struct vgpu_process *executor)
{
	bool dropped = executor->uid && executor->no_new_privileges && executor->seccomp &&
		       !executor->capabilities;

	vgpu_find(findings, VGPU_LINK_EXECUTOR, dropped ? VGPU_OK : VGPU_WARN, "privileges",
		  "uid %u, %s, %s, %s", executor->uid,
		  executor->capabilities ? "has capabilities" : "no capabilities",
		  executor->no_new_privileges ? "no new privileges" : "may gain privileges",
		  executor->seccomp ? "seccomp" : "no seccomp");
	if (!dropped)
		vgpu_remedy(findings,
			    "an executor should have dropped them before the guest's first call: "
			    "look for event=jail in the log");
}

static bool executor_answers(struct vgpu_findings *findings, struct json_object *session,
			     const struct vgpu_process *executor)
{
	long long pid = (long long)vgpu_int(session, "executor");

	if (vgpu_answer_pending(session)) {
		vgpu_find(findings, VGPU_LINK_EXECUTOR, VGPU_BROKEN, "executor",
			  "process %lld (state %c) was asked %s and has not answered", pid,
			  executor->state, vgpu_ago(session, "look_asked_ms"));
		vgpu_remedy(findings,
			    "state D: it hangs in the driver, see dmesg; else see where: "
			    "gdb -p %lld -batch -ex 'thread apply all bt'",
			    pid);
		return false;
	}
	vgpu_find(findings, VGPU_LINK_EXECUTOR, VGPU_OK, "executor",
		  "process %lld, state %s, answers; doorbell answered %s", pid,
		  vgpu_text(session, "state"), vgpu_ago(session, "woken_ms"));
	return true;
}

/* --- lanes ---------------------------------------------------------------------------------------- */

static bool waits_for_gpu(unsigned int op)
{
	return op == VG_OP_vgCtxSynchronize || op == VG_OP_cuStreamSynchronize ||
	       op == VG_OP_cuEventSynchronize || op == VG_OP_vgCopyOut || op == VG_OP_vgCopyIn ||
	       op == VG_OP_vgCopy;
}

/* A thread of the library's that waits for functions to be called: for ever, and rightly. */
static bool waits_for_function(unsigned int op)
{
	return op == VG_OP_vgHostFuncWait;
}

static struct json_object *lane_find(struct json_object *session, uint64_t id)
{
	size_t count;
	struct json_object *lanes = session ? vgpu_array(session, "lane", &count) : NULL;

	for (size_t i = 0; lanes && i < count; i++) {
		struct json_object *lane = json_object_array_get_idx(lanes, i);

		if (vgpu_uint(lane, "lane") == id)
			return lane;
	}
	return NULL;
}

struct lane_state {
	unsigned long long id, taken, done;
	unsigned int op;
	bool busy, still; /* with the same command as before */
	uint64_t for_ms;  /* at least */
	uint64_t unread, bytes, replies_unread, replies_bytes;
	bool guest_alive, full;
	bool takes_replies; /* since the look before */
};

static struct lane_state lane_state(struct json_object *before, struct json_object *lane,
				    uint64_t apart_ms)
{
	struct lane_state s = {
		.id = vgpu_uint(lane, "lane"),
		.taken = vgpu_uint(lane, "taken"),
		.done = vgpu_uint(lane, "done"),
		.op = (unsigned int)vgpu_uint(lane, "op"),
		.unread = vgpu_uint(lane, "commands_unread"),
		.bytes = vgpu_uint(lane, "commands_bytes"),
		.replies_unread = vgpu_uint(lane, "replies_unread"),
		.replies_bytes = vgpu_uint(lane, "replies_bytes"),
		.guest_alive = vgpu_flag(lane, "guest_alive"),
		.takes_replies = true,
	};

	s.busy = s.taken != s.done;
	s.full = s.bytes && s.unread >= s.bytes / 4 * 3;
	if (before) {
		s.still = vgpu_uint(before, "taken") == s.taken;
		/* Of as many bytes as then, after another command, they are others. */
		s.takes_replies = !s.still || !s.replies_unread ||
				  vgpu_uint(before, "replies_unread") != s.replies_unread;
	}
	s.for_ms = s.busy && s.still ? apart_ms : 0;
	if (s.for_ms && vgpu_uint(lane, "begun_ms") > s.for_ms)
		s.for_ms = vgpu_uint(lane, "begun_ms");
	return s;
}

static void lane_busy(struct vgpu_findings *findings, const struct lane_state *lane)
{
	const char *name = vg_op_name(lane->op);
	bool gpu = waits_for_gpu(lane->op);
	enum vgpu_verdict verdict = VGPU_NOTE;

	if (lane->for_ms >= LONG_WAIT_MS && !gpu)
		verdict = VGPU_BROKEN;
	else if (lane->for_ms >= (gpu ? LONG_WAIT_MS : LONG_CALL_MS))
		verdict = VGPU_WARN;
	vgpu_find(findings, VGPU_LINK_COMMANDS, verdict, "lane",
		  "lane %llu has been at %s (number %llu) for %" PRIu64 ".%" PRIu64
		  " s or more%s%s",
		  lane->id, name, lane->taken, lane->for_ms / 1000, lane->for_ms % 1000 / 100,
		  gpu ? ", waiting for the GPU" : "",
		  lane->full ? "; its ring is full behind it" : "");
	if (verdict == VGPU_NOTE)
		return;
	if (gpu)
		vgpu_remedy(
			findings,
			"a kernel or copy takes that long, or the GPU hangs: look at its load "
			"(nvidia-smi) and for Xid lines in dmesg; ending the program in the guest "
			"frees it");
	else
		vgpu_remedy(
			findings,
			"the driver does not return from that call: dmesg; vgpu log call DOMAIN "
			"shows the calls before it; ending the program in the guest frees it");
}

static void lane_waits(struct vgpu_findings *findings, const struct lane_state *lane)
{
	vgpu_find(findings, VGPU_LINK_COMMANDS, VGPU_BROKEN, "lane",
		  "lane %llu: %" PRIu64 " bytes of commands lie in the ring and none is being "
		  "executed; the last was %s (number %llu)",
		  lane->id, lane->unread, vg_op_name(lane->op), lane->taken);
	vgpu_remedy(findings,
		    "a doorbell was lost or the guest's indices are frozen half-way through a "
		    "command: is the guest running? Ending the program frees the lane");
}

static void lane_replies(struct vgpu_findings *findings, const struct lane_state *lane, bool paused)
{
	vgpu_find(findings, VGPU_LINK_REPLIES, VGPU_BROKEN, "replies",
		  "lane %llu: %" PRIu64 " bytes of answers have not been taken by the guest "
		  "since the look before%s",
		  lane->id, lane->replies_unread, paused ? ": the domain is paused" : "");
	vgpu_remedy(findings, "%s",
		    paused ? "xl unpause DOMAIN"
			   : "the program's thread does not run: stopped, or its guest has no CPU "
			     "time; look in the guest");
}

/* Commands that wait while the lane has nothing to do: in both looks. */
static bool lane_stuck(const struct lane_state *lane, struct json_object *before)
{
	return !lane->busy && lane->unread && before &&
	       vgpu_uint(before, "commands_unread") == lane->unread &&
	       vgpu_uint(before, "taken") == lane->taken;
}

static void lanes_look(struct vgpu_findings *findings, struct json_object *before,
		       struct json_object *after, uint64_t apart_ms, bool paused)
{
	size_t count, busy = 0, waiting = 0, full = 0;
	struct json_object *lanes = vgpu_array(after, "lane", &count);
	bool told = false;

	for (size_t i = 0; i < count; i++) {
		struct json_object *lane = json_object_array_get_idx(lanes, i);
		struct json_object *was = lane_find(before, vgpu_uint(lane, "lane"));
		struct lane_state s = lane_state(was, lane, apart_ms);

		full += s.full;
		waiting += s.busy && waits_for_function(s.op);
		busy += s.busy && !waits_for_function(s.op);
		if (s.for_ms && !waits_for_function(s.op))
			lane_busy(findings, &s);
		else if (lane_stuck(&s, was))
			lane_waits(findings, &s);
		else if (!s.takes_replies)
			lane_replies(findings, &s, paused);
		else
			continue;
		told = true;
	}
	if (!told)
		vgpu_find(
			findings, VGPU_LINK_COMMANDS, VGPU_OK, "lanes",
			"threads with a lane: %zu, %zu at a call just now, %zu waiting for functions to "
			"call; rings nearly full: %zu",
			count, busy, waiting, full);
}

/* --- numbers ---------------------------------------------------------------------------------------- */

static void commands_tell(struct vgpu_findings *findings, struct json_object *before,
			  struct json_object *after, uint64_t apart_ms)
{
	unsigned long long all = vgpu_uint(after, "calls"), was = 0;

	if (before)
		was = vgpu_uint(before, "calls");
	vgpu_find(
		findings, VGPU_LINK_COMMANDS, VGPU_OK, "commands",
		"%llu processed in all, %llu a second; last %s, executed %s; %llu launches, %s to "
		"the GPU, %s from it",
		all, before && apart_ms && all > was ? (all - was) * 1000 / apart_ms : 0ull,
		all ? vg_op_name((unsigned int)vgpu_uint(after, "last_op")) : "none",
		vgpu_ago(after, "moved_ms"), (unsigned long long)vgpu_uint(after, "launches"),
		vgpu_bytes(vgpu_uint(after, "bytes_htod")),
		vgpu_bytes(vgpu_uint(after, "bytes_dtoh")));
}

static void calls_tell(struct vgpu_findings *findings, struct json_object *session)
{
	size_t count, used = 0;
	struct vgpu_call *calls = vgpu_answer_calls(session, &count);
	char text[VGPU_SEEN] = "";

	for (size_t i = 0; calls && i < count && i < TOP_CALLS && used < sizeof(text); i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %" PRIu64,
					 i ? ", " : "", vg_op_name(calls[i].op), calls[i].count);
		if (calls[i].mean_ns && used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 " (%.1f us each)",
						 (double)calls[i].mean_ns / 1000);
	}
	if (calls && count)
		vgpu_find(findings, VGPU_LINK_COMMANDS, VGPU_OK, "calls", "%s; %zu kinds", text,
			  count);
	free(calls);
}

static void memory_tell(struct vgpu_findings *findings, struct json_object *session)
{
	vgpu_find(findings, VGPU_LINK_COMMANDS, VGPU_OK, "memory",
		  "%s of the GPU now, %s at most; %s pinned; %llu objects",
		  vgpu_bytes(vgpu_uint(session, "memory")),
		  vgpu_bytes(vgpu_uint(session, "memory_peak")),
		  vgpu_bytes(vgpu_uint(session, "region_bytes")),
		  (unsigned long long)vgpu_uint(session, "handles"));
}

/* Errors that the device itself is broken by. */
static bool error_is_fatal(int error)
{
	return error == CUDA_ERROR_DEVICE_UNAVAILABLE || error == CUDA_ERROR_ECC_UNCORRECTABLE ||
	       error == CUDA_ERROR_NO_DEVICE || error == CUDA_ERROR_SYSTEM_NOT_READY ||
	       error == CUDA_ERROR_NVLINK_UNCORRECTABLE;
}

static void lost_remedy(struct vgpu_findings *findings)
{
	vgpu_remedy(findings, "the GPU is lost to the driver: dmesg (Xid), nvidia-smi; programs "
			      "have to be started again once it is back");
}

static const char *error_text(int error)
{
	const char *name = vg_error_name((CUresult)error);

	return name ? name : "of an unknown number";
}

static void errors_tell(struct vgpu_findings *findings, struct json_object *session)
{
	unsigned long long errors = vgpu_uint(session, "errors");
	int last = (int)vgpu_int(session, "last_error");

	if (!errors) {
		vgpu_find(findings, VGPU_LINK_COMMANDS, VGPU_OK, "errors", "none");
		return;
	}
	vgpu_find(findings, error_is_fatal(last) ? VGPU_LINK_GPU : VGPU_LINK_COMMANDS,
		  error_is_fatal(last) ? VGPU_BROKEN : VGPU_NOTE, "errors",
		  "%llu, the last %s of %s, %s", errors, error_text(last),
		  vg_op_name((unsigned int)vgpu_uint(session, "last_error_op")),
		  vgpu_ago(session, "failed_ms"));
	if (error_is_fatal(last))
		lost_remedy(findings);
}

/* Which of them a program may also have asked for, by CUDA_VISIBLE_DEVICES. */
static bool error_is_ambiguous(int error)
{
	return error == CUDA_ERROR_NO_DEVICE;
}

void vgpu_verify_ended(struct vgpu_findings *findings, struct json_object *ended, int64_t now)
{
	int last = (int)vgpu_int(ended, "last_error");

	if (!error_is_fatal(last))
		return;
	vgpu_find(findings, VGPU_LINK_GPU, error_is_ambiguous(last) ? VGPU_WARN : VGPU_BROKEN,
		  "last program",
		  "%.15s, process %lld, ended %lld s ago; the last error that it got was %s of %s",
		  vgpu_text(ended, "program"), (long long)vgpu_int(ended, "pid"),
		  (long long)(now - vgpu_int(ended, "ended")), error_text(last),
		  vg_op_name((unsigned int)vgpu_uint(ended, "last_error_op")));
	lost_remedy(findings);
}

static void refused_tell(struct vgpu_findings *findings, struct json_object *session)
{
	size_t count, used = 0;
	struct json_object *names = vgpu_array(session, "refused", &count);
	char text[VGPU_SEEN] = "";

	for (size_t i = 0; i < count && used < sizeof(text); i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%.55s", i ? ", " : "",
			json_object_get_string(json_object_array_get_idx(names, i)));
	if (!count)
		return;
	vgpu_find(findings, VGPU_LINK_COMMANDS, VGPU_WARN, "missing calls", "%s", text);
	vgpu_remedy(findings, "the program calls what the vGPU does not have (docs/coverage.md); "
			      "it got CUDA_ERROR_NOT_SUPPORTED");
}

void vgpu_verify_session(struct vgpu_findings *findings, struct json_object *before,
			 struct json_object *after, uint64_t apart_ms, bool paused,
			 const struct vgpu_process *executor)
{
	vgpu_subject(findings, "%.15s, process %lld", vgpu_text(after, "program"),
		     (long long)vgpu_int(after, "pid"));
	if (!executor_runs(findings, after, executor))
		return;
	executor_privileges(findings, executor);
	if (!executor_answers(findings, after, executor))
		return;
	lanes_look(findings, before, after, apart_ms, paused);
	commands_tell(findings, before, after, apart_ms);
	calls_tell(findings, after);
	memory_tell(findings, after);
	errors_tell(findings, after);
	refused_tell(findings, after);
}
