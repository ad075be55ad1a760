/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a session's life share: session.c starts executors and carries requests, seats.c knows
 * its vGPUs, resume.c takes over those of an earlier xen-vgpud, ending.c ends them.
 */
#ifndef BE_SESSION_H
#define BE_SESSION_H

#include "xen-backend/daemon.h"

struct vg_packet;

/* Not yet in the device's list. NULL: out of memory. */
struct be_session *be_session_new(struct be_device *device, uint32_t id);
void be_session_add(struct be_session *session);
/* What the guest says about itself, for logs and lists. */
void be_session_introduce(struct be_session *session, uint32_t pid, uint32_t uid, const char *comm);
/* Fills an answer in with why not. Returns the status. */
int be_refuse(struct vg_control *answer, int32_t status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* An answer to the guest's request of that tag; text may be NULL. */
void be_session_answer(struct be_session *session, uint32_t tag, int32_t status, const char *text);
/* The request that the executor owes an answer to; with `used` false a free place for one. */
struct be_request *be_session_find(struct be_session *session, bool used, uint32_t tag);
/*
 * Seats (seats.c). take: one more, which `enter` puts into the device's list, `leave` out again. clear: of a
 * device that goes.
 */
void be_seat_take(struct be_session *session, struct be_device *device);
void be_seats_enter(struct be_session *session);
void be_seats_leave(struct be_session *session);
void be_seats_clear(struct be_device *device);
/* All of its devices' settings are known. */
bool be_seats_ready(const struct be_session *session);
/* The frontend's list as such, and then its vGPUs beside the home. 0, or `answer` holds status and text. */
int be_seats_check(const struct be_device *home, const struct vg_control_open *open,
		   struct vg_control *answer);
int be_seats_choose(struct be_session *session, const struct vg_control_open *open,
		    struct vg_control *answer);
/* What an adopted executor says that it has. 0, or -EINVAL. */
int be_seats_adopt(struct be_session *session, const struct vg_control_adopt *adopt);
/* Their numbers; how many. */
unsigned int be_seats_list(const struct be_session *session, uint8_t devids[VG_SESSION_DEVICES]);
#define BE_SEATS_TEXT (VG_SESSION_DEVICES * 4 + 1)
const char *be_seats_text(const struct be_session *session, char text[BE_SEATS_TEXT]);

/* Of a session that waits for its devices to be resumed: looks whether they are there. */
void be_session_resume_wait(struct be_session *session);
/* The executor's answer to ADOPT has come. */
void be_session_adopted(struct be_session *session, struct vg_packet *packet);

#endif
