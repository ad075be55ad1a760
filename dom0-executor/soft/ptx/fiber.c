/* SPDX-License-Identifier: MIT */
/* See fiber.h. One OS thread uses a set of stacks at a time. */
#include "fiber.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef PTX_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define PAGE 4096u

__asm__(".text\n"
	".globl ptx_fiber_switch\n"
	".hidden ptx_fiber_switch\n"
	".type ptx_fiber_switch, @function\n"
	"ptx_fiber_switch:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	".globl ptx_fiber_resume\n"
	".hidden ptx_fiber_resume\n"
	".type ptx_fiber_resume, @function\n"
	"ptx_fiber_resume:\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size ptx_fiber_switch, .-ptx_fiber_switch\n"
	/* A new fiber: r12 is the entry, r13 its argument. */
	".type ptx_fiber_start, @function\n"
	"ptx_fiber_start:\n"
	"	movq %r13, %rdi\n"
	"	callq *%r12\n"
	"	ud2\n"
	".globl ptx_fiber_jump\n"
	".hidden ptx_fiber_jump\n"
	".type ptx_fiber_jump, @function\n"
	"ptx_fiber_jump:\n"
	"	movq %rdi, %rsp\n"
	"	jmp ptx_fiber_resume\n"
	".size ptx_fiber_jump, .-ptx_fiber_jump\n");

void ptx_fiber_start(void);
void ptx_fiber_jump(void *sp) __attribute__((noreturn));

void *ptx_fiber_prepare(struct ptx_fiber *fiber, void (*entry)(struct ptx_fiber *))
{
	/* Fibers start at different lines of the cache, not all at the same place of their page. */
	size_t colour = ((size_t)(uintptr_t)fiber / sizeof(*fiber) % 16) * 192;
	uint64_t *top = (uint64_t *)(fiber->high - 64 - colour);

#ifdef PTX_ASAN
	__asan_unpoison_memory_region(fiber->low, (size_t)(fiber->high - fiber->low));
#endif
	/* ptx_fiber_start is entered as by a jump, its call needs the stack aligned to 16 there. */
	*--top = 0;
	*--top = 0;
	*--top = (uint64_t)(uintptr_t)ptx_fiber_start;
	*--top = 0;                          /* rbp */
	*--top = 0;                          /* rbx */
	*--top = (uint64_t)(uintptr_t)entry; /* r12 */
	*--top = (uint64_t)(uintptr_t)fiber; /* r13 */
	*--top = 0;                          /* r14 */
	*--top = 0;                          /* r15 */
	return top;
}

void ptx_fiber_restart(struct ptx_fiber *fiber, void (*entry)(struct ptx_fiber *))
{
	/* The new frame is far above the current one or equal to it; nothing of this frame is read later. */
	ptx_fiber_jump(ptx_fiber_prepare(fiber, entry));
}

int ptx_stacks_init(struct ptx_stacks *stacks, uint32_t count, size_t bytes)
{
	size_t stride = ((bytes + PAGE - 1) & ~(size_t)(PAGE - 1)) + PAGE;
	void *base;

	memset(stacks, 0, sizeof(*stacks));
	stacks->fibers = calloc(count, sizeof(*stacks->fibers));
	if (!stacks->fibers)
		return -ENOMEM;
	base = mmap(NULL, stride * count, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (base == MAP_FAILED) {
		ptx_stacks_free(stacks);
		return -ENOMEM;
	}
	stacks->base = base;
	stacks->stride = stride;
	stacks->count = count;
	return 0;
}

void ptx_stacks_free(struct ptx_stacks *stacks)
{
	if (stacks->base)
		munmap(stacks->base, stacks->stride * stacks->count);
	free(stacks->fibers);
	memset(stacks, 0, sizeof(*stacks));
}

struct ptx_fiber *ptx_stacks_next(struct ptx_stacks *stacks)
{
	struct ptx_fiber *fiber;
	uint8_t *piece;

	if (stacks->used == stacks->count)
		return NULL;
	fiber = &stacks->fibers[stacks->used];
	piece = stacks->base + stacks->stride * stacks->used;
	if (mprotect(piece, PAGE, PROT_NONE))
		return NULL;
	stacks->used++;
	fiber->low = piece + PAGE;
	fiber->high = piece + stacks->stride;
	return fiber;
}
