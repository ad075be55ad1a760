/* SPDX-License-Identifier: MIT */
/*
 * HTTP for the metrics, by libmicrohttpd: a module that xen-vgpud loads only where metrics are switched on.
 *
 * It has no thread: the library's epoll descriptor is one of the daemon's sources. Clients are whoever may
 * open the socket, and are not trusted: their number, the memory that each takes and how long it may be silent
 * are bounded, and all that can be asked for is a page that is made anew.
 */
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xen-backend/metrics.h"

#define CLIENTS_MAX  8u
#define CLIENT_BYTES 8192u
#define CLIENT_S     10u

struct http {
	struct MHD_Daemon *mhd;
	be_http_page page;
	void *context;
	void (*complain)(void *context, const char *text);
};

static const char index_page[] =
	"xen-vgpud: metrics of this host's vGPUs for Prometheus are at /metrics\n";

__attribute__((format(printf, 2, 0))) static void http_log(void *context, const char *format,
							   va_list args)
{
	const struct http *http = context;
	char text[256];

	vsnprintf(text, sizeof(text), format, args);
	http->complain(http->context, text);
}

static enum MHD_Result answer_send(struct MHD_Connection *connection, unsigned int status,
				   struct MHD_Response *response, const char *type)
{
	enum MHD_Result done;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	done = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return done;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *text)
{
	/* Not written to, whatever its type says. */
	return answer_send(connection, status,
			   MHD_create_response_from_buffer(strlen(text), (void *)text,
							   MHD_RESPMEM_PERSISTENT),
			   "text/plain; charset=utf-8");
}

static enum MHD_Result answer_metrics(const struct http *http, struct MHD_Connection *connection)
{
	size_t size = 0;
	char *text = http->page(http->context, &size);
	struct MHD_Response *response;

	if (!text)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				   "out of memory, or too many vGPUs\n");
	response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	return answer_send(connection, MHD_HTTP_OK, response, BE_EXPOSITION_TYPE);
}

/*
 * Called at the head of a request, where an answer ends the connection, and again at its end. A body is not
 * waited for.
 */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *data_size, void **request)
{
	(void)version;
	(void)data;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (!*request) {
		*request = context; /* not NULL, and nothing else */
		return MHD_YES;
	}
	if (*data_size)
		return MHD_NO;
	if (!strcmp(url, "/metrics"))
		return answer_metrics(context, connection);
	if (!strcmp(url, "/"))
		return answer_text(connection, MHD_HTTP_OK, index_page);
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "there is /metrics\n");
}

static void *http_open(int listener, be_http_page page, void *context,
		       void (*complain)(void *context, const char *text))
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http) {
		close(listener);
		return NULL;
	}
	*http = (struct http){.page = page, .context = context, .complain = complain};
	http->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer, http,
				     /* First, so that it hears of what is wrong with the others. */
				     MHD_OPTION_EXTERNAL_LOGGER, http_log, http,
				     MHD_OPTION_LISTEN_SOCKET, listener,
				     MHD_OPTION_CONNECTION_LIMIT, CLIENTS_MAX,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_BYTES,
				     MHD_OPTION_CONNECTION_TIMEOUT, CLIENT_S,
				     MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	if (http->mhd)
		return http;
	free(http);
	return NULL;
}

static int http_fd(void *context)
{
	const struct http *http = context;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD);

	return info ? info->epoll_fd : -1;
}

static uint64_t http_wait(void *context)
{
	const struct http *http = context;
	MHD_UNSIGNED_LONG_LONG ms;

	return MHD_get_timeout(http->mhd, &ms) == MHD_YES ? ms : UINT64_MAX;
}

static void http_run(void *context)
{
	const struct http *http = context;

	MHD_run(http->mhd);
}

static void http_close(void *context)
{
	struct http *http = context;

	MHD_stop_daemon(http->mhd);
	free(http);
}

extern const struct be_http_module be_http_module;
__attribute__((visibility("default"))) const struct be_http_module be_http_module = {
	.version = BE_HTTP_VERSION,
	.open = http_open,
	.fd = http_fd,
	.wait = http_wait,
	.run = http_run,
	.close = http_close,
};
