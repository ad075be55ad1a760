/* SPDX-License-Identifier: MIT */
/*
 * A client's session and its request on its way, as client.c handles them, for resume.c; and what that
 * does when the host's service goes and comes back.
 */
#ifndef FE_REQUEST_H
#define FE_REQUEST_H

#include "xen-frontend/frontd/client.h"

#define DEVICE_TIMEOUT_MS  15000 /* OPEN, but the device is still on its way */
#define REQUEST_TIMEOUT_MS 25000

/* Sends `msg` for the client's request, which the answer will find by its tag. */
int fe_request_forward(struct fe_client *client, struct vg_control *msg, uint64_t timeout);
/* Asks what was parked: the time that it has taken so far counts. */
void fe_request_restart(struct fe_client *client, uint64_t deadline);
/* Nothing is on its way any more. */
void fe_request_done(struct fe_client *client);
/* Looks for a device for an OPEN, and sends it; it waits when one is on its way. */
void fe_open_try(struct fe_client *client);
/* The client ends the session, or we do: the backend is told. */
void fe_session_close(struct fe_client *client, const char *why);
/* The session has ended over there too. */
void fe_session_closed(struct fe_client *client);
/* It is the device's no more. */
void fe_session_forget(struct fe_client *client);

/* Of struct fe_device_events. */
void fe_resume_away(struct fe_device *device, const char *why);
void fe_resume_back(struct fe_device *device);
void fe_resume_ready(struct fe_device *device);

#endif
