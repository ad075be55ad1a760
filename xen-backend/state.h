/* SPDX-License-Identifier: MIT */
/*
 * The xenbus state machine of one device as a pure function: what there is to do, given what
 * xenstore says and what we hold. See docs/backend.md for the diagram.
 */
#ifndef BE_STATE_H
#define BE_STATE_H

#include <stdbool.h>

/* XenbusState, as in xen/io/xenbus.h; 0 stands for a node that is missing or makes no sense. */
enum be_xenbus {
	BE_XS_UNKNOWN = 0,
	BE_XS_INITIALISING = 1,
	BE_XS_INIT_WAIT = 2,
	BE_XS_INITIALISED = 3,
	BE_XS_CONNECTED = 4,
	BE_XS_CLOSING = 5,
	BE_XS_CLOSED = 6,
	BE_XS_COUNT = 7,
};

/* What the state machine looks at. */
struct be_view {
	enum be_xenbus backend;  /* our node; anybody in dom0 may have changed it */
	enum be_xenbus frontend; /* the guest's node; anything may stand there, at any time */
	bool online;             /* toolstack: the device is to exist */
	bool domain;             /* the domain exists */
	bool stopping;           /* this daemon is leaving */
	bool connected;          /* the control ring is mapped by this process */
	bool settled;            /* connected, and the frontend has been at 4 since */
	bool broken;             /* connected, but the other end died or broke the protocol */
	bool usable;             /* the settings are valid */
	bool published; /* this process has read the settings and written what belongs to 2 */
};

enum be_action {
	BE_STAY,       /* nothing to do */
	BE_PUBLISH,    /* write what the frontend must know, go to 2 */
	BE_CONNECT,    /* map and bind what the frontend has written, go to 4 */
	BE_RECONNECT,  /* let go of everything, then look again */
	BE_GO_CLOSING, /* let go of everything, go to 5 */
	BE_GO_CLOSED,  /* let go of everything, go to 6 (through 5 if we were further) */
	BE_REMOVE,     /* let go of everything, remove the device's nodes */
	BE_ACTION_COUNT,
};

enum be_action be_state_next(const struct be_view *view);

const char *be_action_name(enum be_action action);
const char *be_xenbus_name(enum be_xenbus state);

#endif
