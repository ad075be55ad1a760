/* SPDX-License-Identifier: MIT */
/* See fake_executor.c. $VGPU_FAKE: deaf, refuse, crash, unasked, gone, stubborn, scribble, or nothing;
 * of those that are adopted: mute, liar, old, no-counters, loose-counters, no-account,
 * twice, many, another, swapped. */
#ifndef FAKE_EXECUTOR_H
#define FAKE_EXECUTOR_H

int fake_executor_main(int argc, char **argv);

#endif
