/* SPDX-License-Identifier: MIT */
/* See finding.h. */
#include "tools/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/log.h"

const char *vgpu_link_name(enum vgpu_link link)
{
	static const char *const names[] = {"daemon",  "domain",   "gpu",      "device", "broker",
					    "session", "executor", "commands", "replies"};

	return link >= VGPU_LINK_DAEMON && link < VGPU_LINK_END ? names[link - VGPU_LINK_DAEMON]
								: "none";
}

const char *vgpu_verdict_name(enum vgpu_verdict verdict)
{
	static const char *const names[] = {"ok", "note", "warn", "broken"};

	return names[verdict];
}

/* Like vg_log_clean, but quotes and backslashes do no harm on a terminal. */
static void clean(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void vgpu_find(struct vgpu_findings *findings, enum vgpu_link link, enum vgpu_verdict verdict,
	       const char *name, const char *format, ...)
{
	struct vgpu_finding *finding;
	va_list args;

	if (findings->count == findings->room) {
		size_t room = findings->room ? 2 * findings->room : 64;

		finding = reallocarray(findings->all, room, sizeof(*finding));
		if (!finding)
			return;
		findings->all = finding;
		findings->room = room;
	}
	finding = &findings->all[findings->count++];
	*finding = (struct vgpu_finding){.link = link, .verdict = verdict};
	snprintf(finding->name, sizeof(finding->name), "%s", name);
	memcpy(finding->subject, findings->subject, sizeof(finding->subject));
	va_start(args, format);
	vsnprintf(finding->seen, sizeof(finding->seen), format, args);
	va_end(args);
	clean(finding->seen);
}

void vgpu_remedy(struct vgpu_findings *findings, const char *format, ...)
{
	struct vgpu_finding *last;
	va_list args;

	if (!findings->count)
		return;
	last = &findings->all[findings->count - 1];
	va_start(args, format);
	vsnprintf(last->remedy, sizeof(last->remedy), format, args);
	va_end(args);
	clean(last->remedy);
}

void vgpu_subject(struct vgpu_findings *findings, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(findings->subject, sizeof(findings->subject), format, args);
	va_end(args);
	clean(findings->subject);
}

const struct vgpu_finding *vgpu_first_broken(const struct vgpu_findings *findings)
{
	const struct vgpu_finding *first = NULL;

	for (size_t i = 0; i < findings->count; i++) {
		const struct vgpu_finding *f = &findings->all[i];

		if (f->verdict == VGPU_BROKEN && (!first || f->link < first->link))
			first = f;
	}
	return first;
}

void vgpu_findings_free(struct vgpu_findings *findings)
{
	free(findings->all);
	*findings = (struct vgpu_findings){0};
}
