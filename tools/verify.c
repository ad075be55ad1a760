/* SPDX-License-Identifier: MIT */
/*
 * vgpu verify: asks xen-vgpud twice, some time apart, has executors and the guest's broker asked meanwhile, and prints
 * what was seen of each link. Everything has a time limit: who does not answer is what is looked for.
 */
#include "tools/verify.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/answer.h"
#include "xenstore-schema/schema.h"

#define SETTLE_MS   150u   /* for executors that are well to write down how they stand */
#define APART_MS    800u   /* between the two looks */
#define PATIENCE_MS 2500u  /* for those that have not answered then */
#define KERNEL_MS   40000u /* for a kernel in the guest */
#define STEP_MS     100u
#define TIMES_S     10 /* executors time their calls for so long */
#define WATCH_MS    2000u

/* --- asking ----------------------------------------------------------------------------------------- */

static struct json_object *request_new(const struct vgpu_verify *verify)
{
	struct json_object *request = json_object_new_object();

	json_object_object_add(request, "domid", json_object_new_int64(verify->domid));
	return request;
}

static bool look_ask(struct vgpu_verify *verify, const char *probe)
{
	struct json_object *request = request_new(verify), *answer;

	json_object_object_add(request, "times_s", json_object_new_int(TIMES_S));
	if (probe)
		json_object_object_add(request, "probe", json_object_new_string(probe));
	answer = vgpu_request(verify->vgpu, "look", request);
	json_object_put(answer);
	return answer != NULL;
}

static struct json_object *list_ask(struct vgpu_verify *verify)
{
	return vgpu_request(verify->vgpu, "list", request_new(verify));
}

/* An answer is still to come. */
static bool pending(struct json_object *list)
{
	size_t count, sessions;
	struct json_object *devices = vgpu_array(list, "devices", &count), *probe;

	for (size_t i = 0; i < count; i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		struct json_object *all = vgpu_array(device, "sessions", &sessions);

		if (json_object_object_get_ex(device, "probe", &probe) &&
		    !vgpu_has(probe, "answered_ms"))
			return true;
		for (size_t s = 0; s < sessions; s++)
			if (vgpu_answer_pending(json_object_array_get_idx(all, s)))
				return true;
	}
	return false;
}

/* False: xen-vgpud has stopped answering. */
static bool answers_await(struct vgpu_verify *verify)
{
	uint64_t patience = verify->probe ? KERNEL_MS : PATIENCE_MS;
	uint64_t until = vgpu_now_ms() + patience;

	for (;;) {
		json_object_put(verify->after);
		verify->after = list_ask(verify);
		if (!verify->after)
			return false;
		if (!pending(verify->after) || vgpu_now_ms() >= until)
			return true;
		vgpu_sleep_ms(STEP_MS);
	}
}

static bool answers_gather(struct vgpu_verify *verify)
{
	uint64_t begun;

	if (!look_ask(verify, verify->probe ? "kernel" : "alive"))
		return false;
	vgpu_sleep_ms(SETTLE_MS);
	begun = vgpu_now_ms();
	verify->before = list_ask(verify);
	vgpu_sleep_ms(APART_MS);
	if (!verify->before || !look_ask(verify, NULL))
		return false;
	vgpu_sleep_ms(SETTLE_MS);
	verify->apart_ms = vgpu_now_ms() - begun;
	return answers_await(verify);
}

/* --- the chain --------------------------------------------------------------------------------------- */

static int devids_of(struct vgpu_verify *verify, uint32_t *devids, size_t size)
{
	const struct vg_schema_device id = {verify->domid, 0, verify->self};
	char dir[VG_SCHEMA_PATH];
	int count = vgpu_tree_list(verify->vgpu->xs, verify->domid, devids, size);

	if (count > 0)
		return count;
	vg_schema_path(dir, VG_TREE_BACKEND, VG_LEVEL_DOMAIN, &id);
	return vg_store_list_numbers(verify->vgpu->xs, XBT_NULL, dir, VGPU_DEVID_MAX, devids, size);
}

static void devices_look(struct vgpu_verify *verify)
{
	uint32_t devids[VGPU_DEVID_MAX + 1];
	int count = devids_of(verify, devids, VGPU_DEVID_MAX + 1), seen = 0;

	for (int i = 0; i < count; i++) {
		if (verify->devid >= 0 && verify->devid != devids[i])
			continue;
		seen++;
		vgpu_verify_device(verify, devids[i],
				   vgpu_answer_device(verify->after, verify->domid, devids[i]));
	}
	if (seen)
		return;
	vgpu_subject(&verify->findings, "%s", verify->domain);
	vgpu_find(&verify->findings, VGPU_LINK_DEVICE, VGPU_BROKEN, "device",
		  verify->devid < 0 ? "it has no vGPU" : "it has no vGPU of that number");
	vgpu_remedy(&verify->findings,
		    "vgpu attach %s gpu=...; vgpu list shows those that there are", verify->domain);
}

static void chain_look(struct vgpu_verify *verify)
{
	vgpu_findings_free(&verify->findings);
	json_object_put(verify->before);
	json_object_put(verify->after);
	verify->before = verify->after = NULL;
	verify->paused = false;
	if (!vgpu_verify_daemon(verify)) {
		vgpu_verify_domain(verify);
		return;
	}
	vgpu_verify_domain(verify);
	if (!answers_gather(verify)) {
		vgpu_find(&verify->findings, VGPU_LINK_DAEMON, VGPU_BROKEN, "xen-vgpud",
			  "stopped answering while it was asked");
		vgpu_remedy(&verify->findings, "its log: journalctl -u xen-vgpud");
		return;
	}
	devices_look(verify);
}

/* --- telling ------------------------------------------------------------------------------------------ */

static void finding_print(const struct vgpu_finding *f)
{
	printf("  %-6s %-18s %s\n", vgpu_verdict_name(f->verdict), f->name, f->seen);
	if (*f->remedy)
		printf("  %-6s %-18s -> %s\n", "", "", f->remedy);
}

static void verdict_print(const struct vgpu_finding *broken)
{
	if (!broken)
		puts("healthy: every link that could be looked at works");
	else
		printf("broken: %s: %s (%s)\n", vgpu_link_name(broken->link), broken->seen,
		       broken->subject);
}

static void print_text(const struct vgpu_verify *verify)
{
	const char *subject = NULL;

	for (size_t i = 0; i < verify->findings.count; i++) {
		const struct vgpu_finding *f = &verify->findings.all[i];

		if (!subject || strcmp(subject, f->subject) != 0)
			printf("%s\n", f->subject);
		subject = f->subject;
		finding_print(f);
	}
	verdict_print(vgpu_first_broken(&verify->findings));
}

static struct json_object *finding_json(const struct vgpu_finding *f)
{
	struct json_object *object = json_object_new_object();

	vgpu_put_text(object, "link", vgpu_link_name(f->link));
	vgpu_put_text(object, "verdict", vgpu_verdict_name(f->verdict));
	vgpu_put_text(object, "subject", f->subject);
	vgpu_put_text(object, "name", f->name);
	vgpu_put_text(object, "seen", f->seen);
	vgpu_put_text(object, "remedy", f->remedy);
	return object;
}

static void print_json(const struct vgpu_verify *verify)
{
	const struct vgpu_finding *broken = vgpu_first_broken(&verify->findings);
	struct json_object *all = json_object_new_object(), *array = json_object_new_array();

	json_object_object_add(all, "vgpu", json_object_new_int(1));
	vgpu_put_text(all, "domain", verify->domain);
	json_object_object_add(all, "time", json_object_new_int64(time(NULL)));
	vgpu_put_flag(all, "healthy", !broken);
	vgpu_put_text(all, "broken", broken ? vgpu_link_name(broken->link) : "");
	for (size_t i = 0; i < verify->findings.count; i++)
		json_object_array_add(array, finding_json(&verify->findings.all[i]));
	json_object_object_add(all, "findings", array);
	/* One line each with --watch, for programs that read lines. */
	puts(json_object_to_json_string_ext(all, verify->watch ? 0 : JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
	fflush(stdout);
}

static int verify_once(struct vgpu_verify *verify)
{
	const struct vgpu_finding *broken;

	chain_look(verify);
	if (verify->json)
		print_json(verify);
	else
		print_text(verify);
	broken = vgpu_first_broken(&verify->findings);
	return broken ? (int)broken->link : VGPU_DONE;
}

static int verify_run(struct vgpu_verify *verify)
{
	int rc = verify_once(verify);

	while (verify->watch) {
		vgpu_sleep_ms(WATCH_MS);
		if (!verify->json)
			putchar('\n');
		rc = verify_once(verify);
	}
	return rc;
}

/* --- the command -------------------------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr, "usage: vgpu verify [--watch] [--probe] [--json] DOMAIN [DEVID]\n");
	return VGPU_USAGE;
}

static bool options_take(struct vgpu_verify *verify, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"watch", no_argument, NULL, 'w'},
						{"probe", no_argument, NULL, 'p'},
						{0}};
	int c;

	while ((c = getopt_long(argc, argv, "jwp", options, NULL)) >= 0) {
		switch (c) {
		case 'j': verify->json = true; break;
		case 'w': verify->watch = true; break;
		case 'p': verify->probe = true; break;
		default: return false;
		}
	}
	return argc - optind == 1 || argc - optind == 2;
}

int vgpu_verify_command(struct vgpu *vgpu, int argc, char **argv)
{
	struct vgpu_verify verify = {.vgpu = vgpu, .devid = -1};
	uint64_t devid;
	int rc;

	if (!options_take(&verify, argc, argv))
		return usage();
	if (argc - optind == 2) {
		if (!vg_parse_uint(argv[optind + 1], &devid) || devid > VGPU_DEVID_MAX)
			return usage();
		verify.devid = (int64_t)devid;
	}
	if (!vgpu_xenstore(vgpu) || !vgpu_domain_find(vgpu, argv[optind], &verify.domid))
		return VGPU_FAILED;
	verify.self = vgpu_tree_self(vgpu->xs);
	vgpu_domain_name(vgpu, verify.domid, verify.domain, sizeof(verify.domain));
	rc = verify_run(&verify);
	vgpu_findings_free(&verify.findings);
	json_object_put(verify.before);
	json_object_put(verify.after);
	return rc;
}
