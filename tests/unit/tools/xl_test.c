/* SPDX-License-Identifier: MIT */
/*
 * The key `vgpu` through the calls that xl makes, in the order in which it makes them, against a
 * libxl, a xenstore and an xen-vgpud of the tests' own. The preload library's functions are this
 * program's; RTLD_NEXT finds those of libfakexl.so.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/backend/fake_xs.h"
#include "tests/unit/tools/fake_libxl.h"
#include "tools/xl/libxl.h"
#include "tools/xl/xl.h"

#define CONFIG(...)                            \
	(&(XLU_Config){.items = {__VA_ARGS__}, \
		       .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)})
#define NO_KEY (&(XLU_Config){.list_rc = ESRCH})

static uint64_t now_ms;
static char socket_path[64];
static int said = -1; /* where standard error goes */

uint64_t vgpu_now_ms(void)
{
	return now_ms;
}

void vgpu_sleep_ms(unsigned int ms)
{
	now_ms += ms;
}

static int daemon_listen(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(socket_path, sizeof(socket_path), "/tmp/xl_test.%d.sock", (int)getpid());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
		abort();
	return fd;
}

/* What was said on standard error since the last question. */
static const char *messages(void)
{
	static char text[4096];
	ssize_t length = pread(said, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	if (ftruncate(said, 0) || lseek(said, 0, SEEK_SET))
		abort();
	return text;
}

static void command(const char *word)
{
	char words[64];
	int length = snprintf(words, sizeof(words), "xl%c-v%c%s%c", 0, 0, word, 0);

	xl_start(words, (size_t)length);
}

static int setup(void **state)
{
	(void)state;
	fake_libxl_reset();
	setenv("VGPU_SOCKET", socket_path, 1);
	command("create");
	assert_int_equal(xlu_cfg_readdata(NO_KEY, "", 0), 0); /* xl.conf */
	messages();
	return 0;
}

static int create(uint32_t *domid)
{
	*domid = XL_INVALID_DOMID;
	return libxl_domain_create_new(NULL, NULL, domid, NULL, NULL);
}

/* Reads a configuration and makes a domain of it, which must succeed. */
static uint32_t make(XLU_Config *config)
{
	uint32_t domid;

	assert_int_equal(xlu_cfg_readdata(config, "", 0), 0);
	assert_int_equal(create(&domid), 0);
	return domid;
}

/* As xl's monitor: what the domain has is read, it is destroyed, and one is made in its place. */
static uint32_t reboot(uint32_t domid)
{
	uint32_t next;

	libxl_retrieve_domain_configuration(NULL, domid, NULL, NULL);
	fake_libxl_domain_gone(domid);
	assert_int_equal(create(&next), 0);
	return next;
}

static void assert_device(uint32_t domid, uint32_t devid, const char *gpu, const char *state)
{
	assert_non_null(fake_libxl_device(domid, devid, "gpu"));
	assert_string_equal(fake_libxl_device(domid, devid, "gpu"), gpu);
	assert_string_equal(fake_libxl_device(domid, devid, "state"), state);
}

static void assert_no_device(uint32_t domid, uint32_t devid)
{
	assert_null(fake_libxl_device(domid, devid, "state"));
}

static void test_create(void **state)
{
	uint32_t domid = make(CONFIG("gpu=soft, mem=8G", "", "gpu=2,devid=0"));

	(void)state;
	assert_device(domid, 1, "soft", "2");
	assert_string_equal(fake_libxl_device(domid, 1, "mem"), "8589934592");
	assert_device(domid, 2, "0", "2");
	assert_device(domid, 0, "2", "2");
	assert_no_device(domid, 3);
	assert_string_equal(messages(), "");
}

/* Without the key nothing is said, asked or left. */
static void test_no_key(void **state)
{
	uint32_t domid = make(NO_KEY);
	int nodes;

	(void)state;
	assert_int_equal(fake_xs_opens(), 0);
	assert_no_device(domid, 0);
	setenv("VGPU_SOCKET", "/nowhere", 1);
	domid = make(&(XLU_Config){.count = 0}); /* vgpu = [ ] */
	assert_int_equal(fake_xs_opens(), 0);
	assert_int_equal(domid, 2);
	assert_string_equal(messages(), "");
	nodes = fake_xs_nodes();
	domid = reboot(domid);
	assert_no_device(domid, 0);
	assert_int_equal(fake_xs_nodes(), nodes);
	assert_string_equal(messages(), "");
}

static void refused(XLU_Config *config, const char *says)
{
	const char *text;

	assert_int_equal(xlu_cfg_readdata(config, "", 0), EINVAL);
	text = messages();
	if (!strstr(text, says))
		print_error("%s\nis not in: %s\n", says, text);
	assert_non_null(strstr(text, says));
	assert_non_null(strstr(text, "xl: vgpu: "));
	assert_int_equal(fake_libxl.created, 0);
	assert_int_equal(fake_xs_opens(), 0);
}

static void test_mistakes(void **state)
{
	(void)state;
	refused(CONFIG("gpu=0", "mem=lots"),
		"'mem=lots': mem=lots is not valid: mem is bytes from");
	refused(CONFIG("colour=red"), "'colour=red': unknown setting `colour`; known are devid");
	refused(CONFIG("gpu=soft,driver=default"), "exclude each other");
	refused(CONFIG("devid=1", "devid=1"), "devid=1 is given to two devices");
	refused(CONFIG("backend=a/b"), "backend=a/b is not valid: backend is the name or");
	refused(CONFIG("gpu=0", NULL), "entry 2 is no string");
	refused(&(XLU_Config){.list_rc = EINVAL}, "must be a list");
	/* What is wrong with the file itself is libxlutil's to say. */
	assert_int_equal(xlu_cfg_readdata(&(XLU_Config){.read_rc = ENOMEM}, "", 0), ENOMEM);
	assert_string_equal(messages(), "");
}

static void test_no_daemon(void **state)
{
	uint32_t domid;

	(void)state;
	setenv("VGPU_SOCKET", "/nowhere", 1);
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft"), "", 0), 0);
	assert_int_equal(create(&domid), XL_ERROR_FAIL);
	assert_int_equal(fake_libxl.created, 0);
	assert_int_equal(domid, XL_INVALID_DOMID);
	assert_non_null(strstr(messages(), "xen-vgpud does not answer on /nowhere"));
}

static void test_no_driver_domain(void **state)
{
	uint32_t domid;

	(void)state;
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft", "backend=gpudom"), "", 0), 0);
	assert_int_equal(create(&domid), XL_ERROR_FAIL);
	assert_int_equal(fake_libxl.created, 0);
	assert_non_null(strstr(messages(), "backend=gpudom: there is no such domain"));
}

/* The domain goes when xen-vgpud refuses a device, or does not look at it. */
static void test_refused_device(void **state)
{
	uint32_t domid;

	(void)state;
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft", "gpu=9"), "", 0), 0);
	assert_int_equal(create(&domid), XL_ERROR_FAIL);
	assert_int_equal(domid, XL_INVALID_DOMID);
	assert_int_equal(fake_libxl.destroyed, 1);
	assert_no_device(1, 0);
	assert_no_device(1, 1);
	assert_non_null(strstr(messages(), "refuses vGPU 1 of domain 1: there is no GPU 9"));
	fake_xs_on_commit(NULL);
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft"), "", 0), 0);
	assert_int_equal(create(&domid), XL_ERROR_FAIL);
	assert_int_equal(fake_libxl.destroyed, 2);
	assert_no_device(2, 0);
	assert_non_null(strstr(messages(), "did not pick vGPU 0 of domain 2 up"));
}

static void test_store_fails(void **state)
{
	uint32_t domid;

	(void)state;
	fake_xs_conflicts(1000);
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft"), "", 0), 0);
	assert_int_equal(create(&domid), XL_ERROR_FAIL);
	assert_int_equal(fake_libxl.destroyed, 1);
	assert_non_null(strstr(messages(), "cannot write the vGPUs of domain 1"));
}

/* libxl's own failures pass through. */
static void test_create_fails(void **state)
{
	uint32_t domid;

	(void)state;
	fake_libxl.create_rc = -5;
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft"), "", 0), 0);
	assert_int_equal(create(&domid), -5);
	assert_int_equal(fake_libxl.destroyed, 0);
	assert_no_device(1, 0);
}

static void test_reboot(void **state)
{
	uint32_t domid = make(CONFIG("gpu=soft,mem=1G", "gpu=1"));

	(void)state;
	domid = reboot(domid);
	assert_device(domid, 0, "soft", "2");
	assert_string_equal(fake_libxl_device(domid, 0, "mem"), "1073741824");
	assert_device(domid, 1, "1", "2");
	domid = reboot(domid);
	assert_int_equal(domid, 3);
	assert_device(domid, 0, "soft", "2");
	assert_string_equal(messages(), "");
}

/* As libxl's own devices: what came or went meanwhile is so after the reboot too. */
static void test_reboot_after_changes(void **state)
{
	struct vgpu_device device = {.place.devid = 3};
	uint32_t domid = make(CONFIG("gpu=soft", "gpu=1"));
	struct xs_handle *xs = xs_open(0);
	char why[VG_SCHEMA_WHY];

	(void)state;
	assert_int_equal(vgpu_tree_remove(xs, domid, 0), 0);
	assert_int_equal(vg_settings_parse("gpu=2", &device.settings, &device.place, why), 0);
	assert_int_equal(vgpu_tree_add(xs, domid, &device, 1), 0);
	assert_int_equal(vgpu_tree_close(xs, domid, 1), 0); /* on its way out */
	xs_close(xs);
	domid = reboot(domid);
	assert_no_device(domid, 0);
	assert_no_device(domid, 1);
	assert_device(domid, 3, "2", "2");
}

/* The record is gone, and libxl's too: what it was made with is what it has again. */
static void test_reboot_without_record(void **state)
{
	uint32_t domid = make(CONFIG("gpu=soft")), next;

	(void)state;
	fake_libxl.retrieve_rc = -3;
	fake_xs_set("/libxl/1/device/vgpu/0/mem", "nonsense");
	libxl_retrieve_domain_configuration(NULL, domid, NULL, NULL);
	assert_int_equal(create(&next), 0);
	assert_device(next, 0, "soft", "2");
	assert_null(fake_libxl_device(next, 0, "mem"));
}

/* xl config-update: the monitor reads that text when the guest reboots, and not libxl's. */
static void test_reboot_with_new_config(void **state)
{
	uint32_t domid = make(CONFIG("gpu=soft")), next;

	(void)state;
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=1,devid=2"), "", 0), 0);
	fake_libxl_domain_gone(domid);
	assert_int_equal(create(&next), 0);
	assert_no_device(next, 0);
	assert_device(next, 2, "1", "2");
	assert_int_equal(xlu_cfg_readdata(NO_KEY, "", 0), 0);
	assert_int_equal(create(&next), 0);
	assert_no_device(next, 2);
}

/* A guest is not lost because xen-vgpud happens to be stopped when it reboots. */
static void test_reboot_without_daemon(void **state)
{
	uint32_t domid = make(CONFIG("gpu=soft"));

	(void)state;
	setenv("VGPU_SOCKET", "/nowhere", 1);
	fake_xs_on_commit(NULL);
	domid = reboot(domid);
	assert_device(domid, 0, "soft", "1");
	assert_non_null(strstr(messages(), "goes on without it until it does"));
}

/* Several domains of one process, each with its own; a stranger's changes nothing. */
static void test_several_domains(void **state)
{
	uint32_t one = make(CONFIG("gpu=1")), two = make(CONFIG("gpu=2", "gpu=soft")), next;

	(void)state;
	assert_no_device(one, 1);
	one = reboot(one);
	assert_device(one, 0, "1", "2");
	assert_no_device(one, 1);
	two = reboot(two);
	assert_device(two, 0, "2", "2");
	assert_device(two, 1, "soft", "2");
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=3"), "", 0), 0);
	libxl_retrieve_domain_configuration(NULL, 17, NULL, NULL);
	assert_int_equal(create(&next), 0);
	assert_device(next, 0, "3", "2");
}

/* Its driver domain has gone meanwhile: it goes on without its vGPU. */
static void test_reboot_without_backend(void **state)
{
	uint32_t domid, backend = 9;

	(void)state;
	fake_xs_domain(backend, true);
	fake_xs_set("/local/domain/9/name", "gpudom");
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft,backend=gpudom"), "", 0), 0);
	fake_libxl.backend = backend;
	assert_int_equal(create(&domid), 0);
	assert_device(domid, 0, "soft", "2");
	fake_xs_domain(backend, false);
	domid = reboot(domid);
	assert_non_null(strstr(messages(), "backend=9: there is no such domain"));
	assert_no_device(domid, 0);
}

static void test_restore(void **state)
{
	uint32_t domid = XL_INVALID_DOMID;

	(void)state;
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft"), "", 0), 0);
	assert_int_equal(libxl_domain_create_restore(NULL, NULL, &domid, 5, -1, NULL, NULL, NULL),
			 0);
	assert_int_equal(fake_libxl.restored, 1);
	assert_device(domid, 0, "soft", "2");
	domid = reboot(domid);
	assert_device(domid, 0, "soft", "2");
}

static void test_soft_reset(void **state)
{
	uint32_t domid = make(CONFIG("gpu=soft,mem=1G,devid=1"));

	(void)state;
	assert_int_equal(libxl_domain_soft_reset(NULL, NULL, domid, NULL, NULL), 0);
	assert_int_equal(fake_libxl.resets, 1);
	assert_false(fake_libxl.devices_at_reset);
	assert_device(domid, 1, "soft", "2");
	assert_string_equal(fake_libxl_device(domid, 1, "mem"), "1073741824");
	fake_libxl.create_rc = -3;
	assert_int_equal(libxl_domain_soft_reset(NULL, NULL, domid, NULL, NULL), -3);
	fake_libxl.create_rc = 0;
	domid = make(NO_KEY);
	assert_int_equal(libxl_domain_soft_reset(NULL, NULL, domid, NULL, NULL), 0);
	assert_no_device(domid, 0);
	assert_string_equal(messages(), "");
}

/* The status with which a command that looks its domain up ends; 77: it goes on. */
static int find_status(const char *word, const char *name)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		uint32_t domid;

		command(word);
		_exit(libxl_domain_qualifier_to_domid(NULL, name, &domid) ? 78 : 77);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void test_save(void **state)
{
	uint32_t with = make(CONFIG("gpu=soft", "gpu=1,devid=4")), without = make(NO_KEY);

	(void)state;
	assert_int_equal(with, 1);
	assert_int_equal(find_status("save", "1"), EXIT_FAILURE);
	assert_non_null(strstr(messages(), "domain 1 has vGPUs (0, 4), and what its programs"));
	assert_int_equal(find_status("sav", "1"), EXIT_FAILURE);
	assert_int_equal(find_status("migrate", "1"), EXIT_FAILURE);
	assert_int_equal(find_status("remus", "1"), EXIT_FAILURE);
	messages();
	assert_int_equal(find_status("pause", "1"), 77);
	assert_int_equal(find_status("saves", "1"), 77);
	assert_int_equal(find_status("save", "2"), 77);
	assert_int_equal(find_status("save", "nobody"), 78);
	assert_string_equal(messages(), "");
	assert_int_equal(libxl_domain_suspend(NULL, with, 3, 0, NULL), XL_ERROR_INVAL);
	assert_int_equal(libxl_domain_remus_start(NULL, NULL, with, 3, 4, NULL), XL_ERROR_INVAL);
	assert_int_equal(fake_libxl.suspended + fake_libxl.remus, 0);
	assert_int_equal(libxl_domain_suspend(NULL, without, 3, 0, NULL), 0);
	assert_int_equal(libxl_domain_remus_start(NULL, NULL, without, 3, 4, NULL), 0);
	assert_int_equal(fake_libxl.suspended + fake_libxl.remus, 2);
}

/* `xl migrate -C FILE`: the key in it does not reach the other side, which is said. */
static void test_save_with_config(void **state)
{
	(void)state;
	command("migrate");
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft"), "", 0), 0);
	assert_non_null(strstr(messages(), "takes no vGPUs along"));
	assert_int_equal(xlu_cfg_readdata(NO_KEY, "", 0), 0);
	assert_string_equal(messages(), "");
}

/* Nothing that xl does not do: a domain made in the background has no number yet. */
static void test_background(void **state)
{
	const libxl_asyncop_how *how = (const libxl_asyncop_how *)&now_ms;
	uint32_t domid = XL_INVALID_DOMID;

	(void)state;
	assert_int_equal(libxl_domain_create_new(NULL, NULL, &domid, how, NULL), 0);
	assert_int_equal(xlu_cfg_readdata(CONFIG("gpu=soft"), "", 0), 0);
	assert_int_equal(libxl_domain_create_new(NULL, NULL, &domid, how, NULL), XL_ERROR_FAIL);
	assert_int_equal(fake_libxl.created, 1);
}

#define T(name) cmocka_unit_test_setup(name, setup)

/* In a process of its own: what the library remembers is the process's. */
static int run_alone(const struct CMUnitTest *test)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		dup2(said, STDERR_FILENO);
		exit(_cmocka_run_group_tests(test->name, test, 1, NULL, NULL) != 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	if (status)
		fprintf(stderr, "%s", messages()); /* cmocka's words are among them */
	return status != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_create),
		T(test_no_key),
		T(test_mistakes),
		T(test_no_daemon),
		T(test_no_driver_domain),
		T(test_refused_device),
		T(test_store_fails),
		T(test_create_fails),
		T(test_reboot),
		T(test_reboot_after_changes),
		T(test_reboot_without_record),
		T(test_reboot_with_new_config),
		T(test_reboot_without_daemon),
		T(test_several_domains),
		T(test_reboot_without_backend),
		T(test_restore),
		T(test_soft_reset),
		T(test_save),
		T(test_save_with_config),
		T(test_background),
	};
	char name[] = "/tmp/xl_test.XXXXXX";
	int fd = daemon_listen(), failed = 0;

	said = mkstemp(name);
	unlink(name);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		failed |= run_alone(&tests[i]);
	close(fd);
	unlink(socket_path);
	return failed;
}
