/* SPDX-License-Identifier: MIT */
/*
 * In place of top_screen.c where ncurses was not there when vgpu was built.
 */
#include "tools/top.h"

int top_screen(struct top *top)
{
	(void)top;
	vgpu_fail("built without ncurses, so there is no screen: tables follow");
	return -1;
}
