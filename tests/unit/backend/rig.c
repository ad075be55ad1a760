/* SPDX-License-Identifier: MIT */
/* See rig.h. */
#include "tests/unit/backend/rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/backend/fake_link.h"
#include "tests/unit/backend/fake_xs.h"

struct be_daemon daemon_;
struct vg_control_ring *page;

/* --- the daemon's life ------------------------------------------------------------------------- */

void rig_init(const char *home)
{
	unsetenv("VGPU_FAKE");
	fake_xs_reset();
	fake_xs_home(home);
	fake_link_reset();
	memset(&daemon_, 0, sizeof(daemon_));
	daemon_.who = VG_LOG_WHO_NONE;
	vg_log_set_level(&daemon_.who, getenv("VERBOSE") ? VG_LOG_DATA : VG_LOG_ERROR);
	be_config_init(&daemon_.config);
	daemon_.config.request_timeout = daemon_.config.open_timeout = 1;
	daemon_.config.exit_timeout = 1;
	daemon_.config.adopt_timeout = 2;
	snprintf(daemon_.config.session_dir, sizeof(daemon_.config.session_dir),
		 "/tmp/vgpud-test-%d", (int)getpid());
	snprintf(daemon_.config.socket, sizeof(daemon_.config.socket), "/tmp/vgpud-test-%d.sock",
		 (int)getpid());
	daemon_.history = calloc(BE_HISTORY_MAX, sizeof(*daemon_.history));
	daemon_.history_fd = -1;
	daemon_.xs = xs_open(0);
	fake_xs_set("/local/domain/0/domid", "0");
}

int rig_open(void)
{
	char why[BE_CONFIG_WHY];
	sigset_t hup;

	/* The test is its own executor. */
	if (readlink("/proc/self/exe", daemon_.config.executor, BE_CONFIG_PATH_MAX - 1) <= 0)
		return -1;
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, NULL);
	daemon_.signals = signalfd(-1, &hup, SFD_NONBLOCK | SFD_CLOEXEC);
	if (!daemon_.history || !be_devices_open(&daemon_))
		return -1;
	fake_xs_set("/local/domain/0/backend", "");
	fake_xs_set("/local/domain/0/error", "");
	fake_xs_set("/wake", "");
	fake_xs_domain(3, true);
	return be_tools_open(&daemon_, why) || be_adopt_open(&daemon_, why) ? -1 : 0;
}

static void devices_free(void)
{
	while (daemon_.devices) {
		struct be_device *next = daemon_.devices->next;

		be_device_free(daemon_.devices);
		daemon_.devices = next;
	}
	daemon_.device_count = 0;
}

void rig_close(void)
{
	daemon_.stopping = daemon_.end_sessions = true;
	turn_until(be_all_released(&daemon_));
	assert_int_equal(fake_link_mapped(), 0);
	assert_int_equal(fake_link_bound(), 0);
	assert_int_equal(daemon_.executor_count, 0);
	assert_int_equal(rmdir(daemon_.config.session_dir), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	devices_free();
	be_tools_close(&daemon_);
	close(daemon_.signals);
	xs_close(daemon_.xs);
	free(daemon_.history);
}

void rig_die(void)
{
	devices_free();
	daemon_.executor_count = 0;
	daemon_.history_next = daemon_.history_count = 0;
	daemon_.history_number = 0;
	memset(daemon_.history, 0, BE_HISTORY_MAX * sizeof(*daemon_.history));
	daemon_.stopping = daemon_.end_sessions = false;
}

void rig_start(void)
{
	DIR *dir = opendir(daemon_.config.session_dir);
	static const struct timespec old[2];
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			utimensat(dirfd(dir), entry->d_name, old, AT_SYMLINK_NOFOLLOW);
	closedir(dir);
	daemon_.rescan = true;
	be_adopt_scan(&daemon_);
}

void turns(int count)
{
	for (int i = 0; i < count; i++) {
		fake_xs_set("/wake", ""); /* nobody watches it, but no turn waits */
		daemon_.rescan = true;
		be_turn(&daemon_);
	}
}

/* --- the toolstack's part ------------------------------------------------------------------------ */

const char *node(const char *tree, uint32_t domid, uint32_t devid, const char *key)
{
	static char path[4][128];
	static unsigned int next;
	char *text = path[next++ % 4];

	if (!strcmp(tree, "backend"))
		snprintf(text, 128, "/local/domain/0/backend/vgpu/%u/%u%s", domid, devid, key);
	else
		snprintf(text, 128, "/local/domain/%u/device/vgpu/%u%s", domid, devid, key);
	return text;
}

void set(const char *tree, uint32_t domid, uint32_t devid, const char *key, const char *value)
{
	fake_xs_set(node(tree, domid, devid, key), value);
}

void attach(uint32_t domid, uint32_t devid, const char *gpu)
{
	char id[8];

	snprintf(id, sizeof(id), "%u", domid);
	set("frontend", domid, devid, "/backend", node("backend", domid, devid, ""));
	set("frontend", domid, devid, "/backend-id", "0");
	set("frontend", domid, devid, "/state", "1");
	set("backend", domid, devid, "/frontend", node("frontend", domid, devid, ""));
	set("backend", domid, devid, "/frontend-id", id);
	set("backend", domid, devid, "/online", "1");
	set("backend", domid, devid, "/gpu", gpu);
	set("backend", domid, devid, "/max-sessions", "2");
	set("backend", domid, devid, "/max-lanes", "8");
	set("backend", domid, devid, "/max-lane-pages", "100");
	set("backend", domid, devid, "/max-region-pages", "1000");
	set("backend", domid, devid, "/state", "1");
}

bool rig_state_is(uint32_t devid, const char *state)
{
	const char *now = fake_xs_get(node("backend", 3, devid, "/state"));

	return now && !strcmp(now, state);
}

void rig_frontend_connects(void)
{
	turn_until(rig_state_is(0, "2"));
	page = fake_link_page(5);
	set("frontend", 3, 0, "/ring-ref", "5");
	set("frontend", 3, 0, "/event-channel", "9");
	set("frontend", 3, 0, "/protocol", RIG_PROTOCOL);
	set("frontend", 3, 0, "/state", "3");
	turn_until(rig_state_is(0, "4"));
	set("frontend", 3, 0, "/state", "4");
	turns(2);
}

/* --- the guest's part ---------------------------------------------------------------------------- */

void request(uint32_t type, uint32_t tag, uint32_t session, const struct vg_control *body)
{
	struct vg_control *slot = &page->req[page->req_prod % VG_CTLRING_SLOTS];

	*slot = body ? *body : (struct vg_control){0};
	slot->type = type;
	slot->tag = tag;
	slot->session = session;
	page->req_prod++;
	fake_link_ring();
}

struct vg_control response(void)
{
	struct vg_control msg;

	turn_until(page->rsp_prod != page->rsp_cons);
	msg = page->rsp[page->rsp_cons % VG_CTLRING_SLOTS];
	page->rsp_cons++;
	fake_link_ring();
	return msg;
}

void assert_answer(uint32_t tag, int32_t status)
{
	struct vg_control msg = response();

	assert_int_equal(msg.type, VG_CTL_ANSWER);
	assert_int_equal(msg.tag, tag);
	if (msg.status != status)
		print_error("status %d: %s\n", msg.status, msg.text);
	assert_int_equal(msg.status, status);
}

void assert_gone(uint32_t session, const char *says)
{
	struct vg_control msg = response();

	assert_int_equal(msg.type, VG_CTL_GONE);
	assert_int_equal(msg.session, session);
	assert_true(msg.status < 0);
	if (!strstr(msg.text, says))
		print_error("GONE says \"%s\"\n", msg.text);
	assert_non_null(strstr(msg.text, says));
}
