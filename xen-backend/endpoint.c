/* SPDX-License-Identifier: MIT */
/*
 * Where the metrics can be asked for: opened at the start and by a reload, one of the loop's sources. Whatever is
 * wrong with it, vGPUs go on without metrics.
 *
 * Whoever may open the socket may ask as often as he likes: the text is made at most twice a second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "xen-backend/daemon.h"
#include "xen-backend/listen.h"
#include "xen-backend/metrics.h"

#define FRESH_MS 500u

struct be_endpoint {
	const struct be_http_module *module;
	void *http; /* owned; the module's */
	struct be_listen place;
	char where[BE_CONFIG_PATH_MAX]; /* as the settings have it */
	char group[sizeof(((struct be_config *)0)->metrics_group)];
	struct be_exposition text; /* owned */
	bool sessions;             /* `text` tells of them */
	uint64_t made;             /* ms; 0: there is no text */
	struct vg_log_limit limit; /* of lines that clients provoke */
};

static char *page(void *context, size_t *size)
{
	struct be_daemon *daemon = context;
	struct be_endpoint *end = daemon->endpoint;
	uint64_t now = vg_clock_ms();
	char *copy;

	if (!end->made || now - end->made >= FRESH_MS ||
	    end->sessions != daemon->config.metrics_sessions) {
		end->text.used = 0;
		end->text.failed = false;
		end->sessions = daemon->config.metrics_sessions;
		be_metrics_write(daemon, &end->text);
		end->made = now;
	}
	if (end->text.failed)
		return NULL;
	copy = malloc(end->text.used);
	if (copy)
		memcpy(copy, end->text.text, end->text.used);
	*size = end->text.used;
	return copy;
}

static void complain(void *context, const char *text)
{
	struct be_daemon *daemon = context;
	char line[256];

	if (!daemon->endpoint || !vg_log_allow(&daemon->endpoint->limit, &daemon->who))
		return;
	snprintf(line, sizeof(line), "%s", text);
	vg_log_clean(line);
	vg_warn(&daemon->who, "event=metrics-client reason=\"%s\"", line);
}

static const char *listen_hint(int rc)
{
	switch (rc) {
	case -EAFNOSUPPORT:
		return ": xen-vgpud.service has no network; use unix:, or see docs/metrics.md";
	case -EEXIST: return ": there is a file that is no socket";
	case -ESRCH: return ": there is no such metrics-group";
	default: return "";
	}
}

/* The new one, which is not the daemon's yet. NULL, and why. */
static struct be_endpoint *endpoint_new(struct be_daemon *daemon, char *why)
{
	const struct be_config *config = &daemon->config;
	struct be_endpoint *end = calloc(1, sizeof(*end));
	int fd;

	snprintf(why, BE_CONFIG_WHY, "out of memory");
	if (!end)
		return NULL;
	end->limit = (struct vg_log_limit){.burst = 20, .window_ms = 5000};
	memcpy(end->where, config->metrics, sizeof(end->where));
	memcpy(end->group, config->metrics_group, sizeof(end->group));
	end->module = be_listen_parse(config->metrics, &end->place) ? NULL : be_http_find(why);
	if (!end->module)
		goto fail;
	fd = be_listen_open(&end->place, config->metrics_group);
	if (fd < 0) {
		snprintf(why, BE_CONFIG_WHY, "cannot listen on %.200s: %s%s", config->metrics,
			 strerror(-fd), listen_hint(fd));
		goto fail;
	}
	snprintf(why, BE_CONFIG_WHY, "libmicrohttpd does not start");
	end->http = end->module->open(fd, page, daemon, complain);
	if (end->http)
		return end;
	be_listen_remove(&end->place);
fail:
	free(end);
	return NULL;
}

void be_endpoint_close(struct be_daemon *daemon)
{
	struct be_endpoint *end = daemon->endpoint;

	if (!end)
		return;
	end->module->close(end->http);
	be_listen_remove(&end->place);
	be_exposition_free(&end->text);
	free(end);
	daemon->endpoint = NULL;
}

static bool as_configured(const struct be_daemon *daemon)
{
	const struct be_endpoint *end = daemon->endpoint;

	if (!end)
		return !strcmp(daemon->config.metrics, "off");
	return !strcmp(end->where, daemon->config.metrics) &&
	       !strcmp(end->group, daemon->config.metrics_group);
}

void be_endpoint_update(struct be_daemon *daemon)
{
	char why[BE_CONFIG_WHY];

	if (as_configured(daemon))
		return;
	/* The old one first: it may be the same place, with another group. */
	be_endpoint_close(daemon);
	if (!strcmp(daemon->config.metrics, "off")) {
		vg_info(&daemon->who, "event=metrics-off");
		return;
	}
	daemon->endpoint = endpoint_new(daemon, why);
	if (daemon->endpoint)
		vg_info(&daemon->who, "event=metrics-on where=\"%s\"", daemon->config.metrics);
	else
		vg_error(&daemon->who,
			 "event=no-metrics reason=\"%s\" do=\"systemctl reload xen-vgpud\"", why);
}

int be_endpoint_fd(const struct be_daemon *daemon)
{
	const struct be_endpoint *end = daemon->endpoint;

	return end ? end->module->fd(end->http) : -1;
}

uint64_t be_endpoint_wait(const struct be_daemon *daemon)
{
	const struct be_endpoint *end = daemon->endpoint;

	return end ? end->module->wait(end->http) : UINT64_MAX;
}

void be_endpoint_run(struct be_daemon *daemon)
{
	if (daemon->endpoint)
		daemon->endpoint->module->run(daemon->endpoint->http);
}
