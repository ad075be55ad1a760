/* SPDX-License-Identifier: MIT */
/*
 * The jail: what is left to somebody who takes over an executor by a bad module image or command.
 *
 * It may use the devices of the driver (files, ioctl, mmap), threads, and the descriptors it has. It
 * may not become anybody else, start a program or a process, touch other processes, change mounts,
 * namespaces or the kernel, or speak to a network. The filter names what is forbidden, since the driver
 * is closed and uses what it likes of the rest; a call that it names answers EPERM. Driver 580 does not
 * initialise without a listening socket of its own (AF_UNIX), so bind and listen stay.
 *
 * Runs in the main thread while it is the only one, so that each later thread inherits it all.
 */
#include "dom0-executor/jail.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#include <sys/ioctl.h>
#endif

#define FILES_MAX 4096

/* --- the environment ---------------------------------------------------------------------------- */

static bool environment_keeps(const char *entry)
{
	return !strncmp(entry, "CUDA_VISIBLE_DEVICES=", 21) ||
	       !strncmp(entry, "CUDA_DEVICE_ORDER=", 18) ||
	       !strncmp(entry, "CUDA_MODULE_LOADING=", 20);
}

int ex_jail_environment(void)
{
	char name[128];
	size_t i = 0;

	while (environ && environ[i]) {
		size_t n = strcspn(environ[i], "=");

		if (strncmp(environ[i], "CUDA_", 5) || environment_keeps(environ[i]) ||
		    n >= sizeof(name)) {
			i++;
			continue;
		}
		memcpy(name, environ[i], n);
		name[n] = '\0';
		if (unsetenv(name))
			return -errno;
	}
	/* A cache shared by the executors of different guests could be poisoned by one of them. */
	if (setenv("CUDA_CACHE_DISABLE", "1", 1))
		return -errno;
	return 0;
}

/* --- the user ----------------------------------------------------------------------------------- */

static void capabilities_bound(void)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL: beyond what the kernel knows */
}

static int user_become(const char *name, const struct vg_log_who *who)
{
	const struct passwd *user;

	if (geteuid() != 0)
		return 0;
	errno = 0;
	user = getpwnam(name);
	if (!user) {
		vg_error(
			who,
			"event=no-user user=\"%s\" do=\"create it (useradd --system --no-create-home "
			"--shell /usr/sbin/nologin %s) or name another with --user=nobody\"",
			name, name);
		return -ENOENT;
	}
	if (user->pw_uid == 0) {
		vg_error(who, "event=no-user user=\"%s\" do=\"name one that is not root\"", name);
		return -EPERM;
	}
	capabilities_bound();
	if (initgroups(name, user->pw_gid) || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
		return -errno;
	/* Belief is not enough here. */
	return setuid(0) == 0 || geteuid() == 0 ? -EPERM : 0;
}

static int limits_set(void)
{
	const struct rlimit none = {0, 0};
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &none))
		return -errno;
	if (getrlimit(RLIMIT_NOFILE, &files))
		return -errno;
	if (files.rlim_max > FILES_MAX)
		files.rlim_max = FILES_MAX;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) ? -errno : 0;
}

/* --- system calls ------------------------------------------------------------------------------- */

#ifdef HAVE_SECCOMP

/* Always EPERM. Names that this kernel or architecture does not have are passed over. */
static const char *const forbidden[] = {
	"execve",
	"execveat",
	"fork",
	"vfork",
	"setns",
	"unshare",
	"chroot",
	"pivot_root",
	"process_vm_readv",
	"process_vm_writev",
	"process_madvise",
	"pidfd_open",
	"pidfd_getfd",
	"pidfd_send_signal",
	"kcmp",
	"mount",
	"umount",
	"umount2",
	"mount_setattr",
	"move_mount",
	"open_tree",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"open_by_handle_at",
	"name_to_handle_at",
	"quotactl",
	"quotactl_fd",
	"swapon",
	"swapoff",
	"kexec_load",
	"kexec_file_load",
	"init_module",
	"finit_module",
	"delete_module",
	"create_module",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"keyctl",
	"add_key",
	"request_key",
	"reboot",
	"acct",
	"settimeofday",
	"clock_settime",
	"clock_adjtime",
	"adjtimex",
	"stime",
	"sethostname",
	"setdomainname",
	"iopl",
	"ioperm",
	"modify_ldt",
	"syslog",
	"vhangup",
	"nfsservctl",
	"lookup_dcookie",
	"uselib",
	"tkill",
	"rt_sigqueueinfo",
	"rt_tgsigqueueinfo",
	"mknod",
	"mknodat",
	"setuid",
	"setgid",
	"setreuid",
	"setregid",
	"setresuid",
	"setresgid",
	"setgroups",
	"setfsuid",
	"setfsgid",
	"capset",
	"fanotify_init",
	"personality",
#ifndef VG_ASAN /* its search for leaks traces itself at the end */
	"ptrace",
#endif
};

static int rule(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned int count,
		const struct scmp_arg_cmp *args)
{
	int number = seccomp_syscall_resolve_name(name);
	int rc;

	if (number == __NR_SCMP_ERROR)
		return 0;
	rc = seccomp_rule_add_array(filter, action, number, count, args);
	return rc == -EDOM ? 0 : rc; /* not on this architecture */
}

static int rule_1(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp arg)
{
	return rule(filter, SCMP_ACT_ERRNO(EPERM), name, 1, &arg);
}

/* Calls that are fine with some arguments only. */
static int rules_partial(scmp_filter_ctx filter)
{
	scmp_datum_t self = (scmp_datum_t)getpid();
	int rc = rule_1(filter, "socket", SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));

	if (!rc)
		rc = rule_1(filter, "socketpair", SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
	if (!rc)
		rc = rule_1(filter, "kill", SCMP_A0(SCMP_CMP_NE, self, 0));
	if (!rc)
		rc = rule_1(filter, "tgkill", SCMP_A0(SCMP_CMP_NE, self, 0));
	if (!rc)
		rc = rule_1(filter, "ioctl", SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
#ifndef VG_ASAN
	/* Threads, not processes. clone3's flags cannot be seen: libc then falls back to clone. */
	if (!rc)
		rc = rule_1(filter, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	if (!rc)
		rc = rule(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
#endif
	return rc;
}

static int filter_load(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc = 0;

	if (!filter)
		return -ENOMEM;
	for (size_t i = 0; !rc && i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		rc = rule(filter, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0, NULL);
	if (!rc)
		rc = rules_partial(filter);
	if (!rc)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

static int filter_enter(const struct vg_log_who *who)
{
	int rc = filter_load();

	if (rc)
		vg_error(who, "event=no-seccomp error=\"%s\"", strerror(-rc));
	return rc;
}

#else

static int filter_enter(const struct vg_log_who *who)
{
	vg_warn(who, "event=no-seccomp why=\"built without libseccomp\"");
	return 0;
}

#endif

int ex_jail_enter(const char *user, const struct vg_log_who *who)
{
	int rc = limits_set();

	if (!rc)
		rc = user_become(user, who);
	if (rc)
		return rc;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
#ifndef VG_ASAN
	/* No core with a guest's data in it, no tracing by others of the same user. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
#endif
	return filter_enter(who);
}
