/* SPDX-License-Identifier: MIT */
/*
 * The state machine. Pure. Two tables over (our state, the frontend's state): one while the ring is
 * mapped, one while it is not. What overrules both comes first.
 */
#include "xen-backend/state.h"

#define STAY    BE_STAY
#define PUBLISH BE_PUBLISH
#define CONNECT BE_CONNECT
#define RECONN  BE_RECONNECT
#define CLOSING BE_GO_CLOSING
#define CLOSED  BE_GO_CLOSED

/*
 * Nothing is mapped. A state of ours beyond 2 is then stale: an earlier xen-vgpud left it. It goes
 * to 6, where a frontend that means to come back goes to 1. A frontend at 4 or 5 has not seen that
 * yet; one at 3 was too early, or has failed to connect: it too must come by 1.
 *
 * A kexec'd or rebooting guest drives 5, 6, 1 and waits for our 5, 6, 2.
 */
/* clang-format off */
static const unsigned char unmapped[BE_XS_COUNT][BE_XS_COUNT] = {
	/* frontend:            0       1        2        3        4       5        6       */
	[BE_XS_UNKNOWN]      = {CLOSED, PUBLISH, PUBLISH, PUBLISH, CLOSED, CLOSED,  CLOSED},
	[BE_XS_INITIALISING] = {CLOSED, PUBLISH, PUBLISH, PUBLISH, CLOSED, CLOSED,  CLOSED},
	[BE_XS_INIT_WAIT]    = {CLOSED, STAY,    STAY,    CONNECT, CLOSED, CLOSING, CLOSED},
	[BE_XS_INITIALISED]  = {CLOSED, CLOSED,  CLOSED,  CLOSED,  CLOSED, CLOSED,  CLOSED},
	[BE_XS_CONNECTED]    = {CLOSED, CLOSED,  CLOSED,  CLOSED,  CLOSED, CLOSING, CLOSED},
	[BE_XS_CLOSING]      = {CLOSED, CLOSED,  CLOSED,  CLOSED,  CLOSED, STAY,    CLOSED},
	[BE_XS_CLOSED]       = {STAY,   PUBLISH, PUBLISH, STAY,    STAY,   STAY,    STAY},
};
/* clang-format on */

/*
 * The ring is mapped. The frontend at 3 is where it stood when we connected, unless it has been at
 * 4 since: then this is a new connection, with new grants. Somebody else's hand at our state node
 * ends the connection.
 */
/* clang-format off */
static const unsigned char mapped[BE_XS_COUNT][BE_XS_COUNT] = {
	/* frontend:            0       1       2       3       4       5        6       */
	[BE_XS_UNKNOWN]      = {CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED,  CLOSED},
	[BE_XS_INITIALISING] = {CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED,  CLOSED},
	[BE_XS_INIT_WAIT]    = {CLOSED, CLOSED, CLOSED, RECONN, CLOSED, CLOSING, CLOSED},
	[BE_XS_INITIALISED]  = {CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED,  CLOSED},
	[BE_XS_CONNECTED]    = {CLOSED, CLOSED, CLOSED, STAY,   STAY,   CLOSING, CLOSED},
	[BE_XS_CLOSING]      = {CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSING, CLOSED},
	[BE_XS_CLOSED]       = {CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED,  CLOSED},
};
/* clang-format on */

static bool is_open(enum be_xenbus state)
{
	return state != BE_XS_CLOSED;
}

static enum be_action unmapped_next(const struct be_view *view)
{
	enum be_action action = unmapped[view->backend][view->frontend];

	/* A predecessor went to 2: what it had read is to be read, what it wrote may be another's. */
	if (view->backend == BE_XS_INIT_WAIT && !view->published &&
	    (action == BE_STAY || action == BE_CONNECT))
		return BE_PUBLISH;
	return action;
}

enum be_action be_state_next(const struct be_view *view)
{
	if (!view->domain)
		return BE_REMOVE;
	if (!view->online || view->stopping || !view->usable)
		return view->connected || is_open(view->backend) ? BE_GO_CLOSED : BE_STAY;
	if (view->connected && view->broken)
		return BE_GO_CLOSED;
	if (!view->connected)
		return unmapped_next(view);
	if (view->backend == BE_XS_CONNECTED && view->frontend == BE_XS_INITIALISED &&
	    view->settled)
		return BE_RECONNECT;
	return mapped[view->backend][view->frontend];
}

const char *be_action_name(enum be_action action)
{
	static const char *const names[] = {
		[BE_STAY] = "stay",          [BE_PUBLISH] = "publish",
		[BE_CONNECT] = "connect",    [BE_RECONNECT] = "reconnect",
		[BE_GO_CLOSING] = "closing", [BE_GO_CLOSED] = "closed",
		[BE_REMOVE] = "remove",
	};

	return names[action];
}

const char *be_xenbus_name(enum be_xenbus state)
{
	static const char *const names[] = {
		"unknown",   "initialising", "init-wait", "initialised",
		"connected", "closing",      "closed",
	};

	return names[state];
}
