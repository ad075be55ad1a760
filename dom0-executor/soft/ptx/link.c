/* SPDX-License-Identifier: MIT */
/* Units to a module: symbols, memory of globals, layout of shared memory, what each kernel needs. See link.h. */
#include "link.h"

#include "jit.h"
#include "log.h"
#include "parse.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DATA_BYTES_MAX (16ull << 30)

struct ptx_linker {
	struct ptx_options options;
	struct ptx_unit *units, **tail;
};

struct link {
	struct ptx_module *module;
	struct ptx_log *log;
	void *names; /* tree of struct ptx_symbol by name */
	int rc;
};

static int symbol_compare(const void *a, const void *b)
{
	return strcmp(((const struct ptx_symbol *)a)->name, ((const struct ptx_symbol *)b)->name);
}

static void link_fail(struct link *l, const struct ptx_unit *unit, unsigned int line, int rc,
		      const char *what, const char *name)
{
	if (!l->rc)
		ptx_log_error(l->log, unit->name, line, rc, "%s '%s'", what, name);
	if (!l->rc)
		l->rc = rc;
}

static bool is_exported(const struct ptx_symbol *s)
{
	return s->linkage == PTX_VISIBLE || s->linkage == PTX_WEAK || s->linkage == PTX_COMMON;
}

/* The first strong definition wins; a second one is an error. */
static void symbol_export(struct link *l, struct ptx_unit *unit, struct ptx_symbol *s)
{
	struct ptx_symbol **found = tsearch(s, &l->names, symbol_compare);

	if (!found) {
		l->rc = -ENOMEM;
		return;
	}
	if (*found == s)
		return;
	if (s->linkage == PTX_VISIBLE && (*found)->linkage == PTX_VISIBLE)
		link_fail(l, unit, s->line, -EINVAL, "defined twice:", s->name);
	else if (s->linkage == PTX_VISIBLE)
		*found = s;
}

static void symbols_export(struct link *l)
{
	for (struct ptx_unit *unit = l->module->units; unit && !l->rc; unit = unit->next) {
		for (struct ptx_func *f = unit->funcs; f; f = f->next)
			if (f->has_body && is_exported(&f->symbol))
				symbol_export(l, unit, &f->symbol);
		for (struct ptx_var *v = unit->vars; v; v = v->next)
			if (is_exported(&v->symbol))
				symbol_export(l, unit, &v->symbol);
	}
}

static struct ptx_symbol *symbol_find(struct link *l, const struct ptx_symbol *like)
{
	struct ptx_symbol **found = tfind(like, &l->names, symbol_compare);

	return found && (*found)->kind == like->kind && *found != like ? *found : NULL;
}

/* Extern ones, and weak ones that lost. A function that stays open fails where it is called. */
static void symbols_resolve(struct link *l)
{
	for (struct ptx_unit *unit = l->module->units; unit && !l->rc; unit = unit->next) {
		for (struct ptx_func *f = unit->funcs; f; f = f->next) {
			if (!f->has_body || f->symbol.linkage == PTX_WEAK)
				f->target = f->target
						    ? f->target
						    : (struct ptx_func *)symbol_find(l, &f->symbol);
			if (f->target && f->address_taken)
				f->target->address_taken = true;
		}
		for (struct ptx_var *v = unit->vars; v; v = v->next) {
			if (v->is_dynamic)
				continue;
			if (v->symbol.linkage == PTX_EXTERN || v->symbol.linkage == PTX_WEAK ||
			    v->symbol.linkage == PTX_COMMON)
				v->target = (struct ptx_var *)symbol_find(l, &v->symbol);
			if (v->symbol.linkage == PTX_EXTERN && !v->target)
				link_fail(l, unit, v->symbol.line, -ENOENT, "variable",
					  v->symbol.name);
			else if (v->target && v->target->space != v->space)
				link_fail(l, unit, v->symbol.line, -EINVAL,
					  "other state space:", v->symbol.name);
		}
	}
}

static bool in_memory(const struct ptx_var *v)
{
	return !v->target && (v->space == PTX_SPACE_GLOBAL || v->space == PTX_SPACE_CONST);
}

static uint64_t align_up(uint64_t at, uint64_t align)
{
	return (at + align - 1) & ~(align - 1);
}

/* Two passes: how much, then where. */
static uint64_t globals_place(struct ptx_module *m, uint8_t *base)
{
	uint64_t at = 0;

	for (struct ptx_unit *unit = m->units; unit; unit = unit->next)
		for (struct ptx_var *v = unit->vars; v; v = v->next) {
			if (!in_memory(v))
				continue;
			at = align_up(at, v->align < 256 ? 256 : v->align);
			if (base) {
				v->address = base + at;
				m->globals[m->global_count++] = v;
			} else {
				m->global_count++;
			}
			at += v->size;
			if (at > DATA_BYTES_MAX)
				return at;
		}
	return at;
}

/* The driver's memory if it wants that, or else our own, whose last page stays closed. */
static bool data_alloc(struct ptx_module *m, uint64_t bytes)
{
	void *data;

	m->globals = calloc(m->global_count + 1, sizeof(struct ptx_var *));
	if (!m->globals || !bytes)
		return m->globals != NULL;
	if (m->options.variables_alloc) {
		m->data_bytes = bytes;
		m->data = m->options.variables_alloc(m->options.opaque, bytes);
		return m->data != NULL;
	}
	m->data_bytes = align_up(bytes, 4096) + 4096;
	data = mmap(NULL, m->data_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED)
		return false;
	m->data = data;
	return mprotect(m->data + m->data_bytes - 4096, 4096, PROT_NONE) == 0;
}

static void data_free(struct ptx_module *m)
{
	if (!m->data)
		return;
	if (m->options.variables_alloc)
		m->options.variables_free(m->options.opaque, m->data, m->data_bytes);
	else
		munmap(m->data, m->data_bytes);
}

static void globals_map(struct link *l)
{
	struct ptx_module *m = l->module;
	uint64_t bytes = globals_place(m, NULL);

	if (bytes > DATA_BYTES_MAX) {
		l->rc = -ENOMEM;
		return;
	}
	if (!data_alloc(m, bytes)) {
		l->rc = -ENOMEM;
		return;
	}
	m->global_count = 0;
	if (m->data)
		globals_place(m, m->data);
}

static void init_store(struct link *l, struct ptx_unit *unit, struct ptx_var *v,
		       struct ptx_init *init)
{
	uint64_t value = init->bits;

	if (init->symbol && init->symbol->kind == PTX_SYM_FUNC) {
		struct ptx_func *f = (struct ptx_func *)init->symbol;

		f = f->target ? f->target : f;
		f->address_taken = true;
		value += (uint64_t)(uintptr_t)f->descriptor;
	} else if (init->symbol) {
		struct ptx_var *from = (struct ptx_var *)init->symbol;

		from = from->target ? from->target : from;
		if (init->symbol->kind != PTX_SYM_VAR || !in_memory(from))
			link_fail(l, unit, init->line, -ENOTSUP,
				  "address in an initialiser:", init->symbol->name);
		value += (uint64_t)(uintptr_t)from->address;
	}
	if (init->mask) /* the byte that the mask covers */
		value = (value & init->mask) >> __builtin_ctzll(init->mask);
	if (init->offset + init->bytes <= v->size && init->bytes <= sizeof(value))
		memcpy((uint8_t *)v->address + init->offset, &value, init->bytes);
}

static void globals_init(struct link *l)
{
	for (struct ptx_unit *unit = l->module->units; unit; unit = unit->next)
		for (struct ptx_var *v = unit->vars; v; v = v->next)
			for (struct ptx_init *init = v->init; init && in_memory(v);
			     init = init->next)
				init_store(l, unit, v, init);
}

static void functions_describe(struct link *l)
{
	struct ptx_module *m = l->module;
	uint32_t count = 0;

	for (struct ptx_unit *unit = m->units; unit; unit = unit->next)
		for (struct ptx_func *f = unit->funcs; f; f = f->next)
			count++;
	m->descs = calloc(count + 1, sizeof(*m->descs));
	if (!m->descs) {
		l->rc = -ENOMEM;
		return;
	}
	count = 0;
	for (struct ptx_unit *unit = m->units; unit; unit = unit->next)
		for (struct ptx_func *f = unit->funcs; f; f = f->next) {
			m->descs[count] =
				(struct ptx_func_desc){PTX_FUNC_MAGIC, NULL, f->symbol.name};
			f->descriptor = &m->descs[count++];
		}
}

/* Gives the variables of a chain their offsets behind `at`. */
static uint64_t shared_place(struct ptx_var *v, uint64_t at)
{
	for (; v; v = v->next)
		if (v->space == PTX_SPACE_SHARED && !v->target && !v->is_dynamic &&
		    at <= PTX_SHARED_BYTES_MAX) {
			at = align_up(at, v->align);
			v->offset = (uint32_t)at;
			at += v->size;
		}
	return at;
}

static void shared_layout(struct link *l)
{
	struct ptx_module *m = l->module;
	uint64_t at = 0;

	for (struct ptx_unit *unit = m->units; unit; unit = unit->next) {
		at = shared_place(unit->vars, at);
		for (struct ptx_func *f = unit->funcs; f; f = f->next)
			if (!f->is_kernel)
				at = shared_place(f->vars, at);
	}
	m->shared_bytes = at > UINT32_MAX ? UINT32_MAX : (uint32_t)at;
}

/* ---- walking the call graph ---- */

struct walk {
	struct ptx_module *module;
	struct ptx_func *root, *last;
	bool shared, indirect;
};

static void walk_add(struct walk *w, struct ptx_func *f)
{
	f = f->target ? f->target : f;
	if (!f->has_body || f->visit == w->module->walk)
		return;
	f->visit = w->module->walk;
	f->walk = NULL;
	if (w->last)
		w->last->walk = f;
	w->last = f;
}

static void walk_operand(struct walk *w, const struct ptx_operand *o)
{
	if (o->kind == OPND_SYM && o->symbol->kind == PTX_SYM_VAR) {
		const struct ptx_var *v = (const struct ptx_var *)o->symbol;

		if (v->space == PTX_SPACE_SHARED && !v->is_dynamic && v->func != w->root)
			w->shared = true;
	} else if (o->kind == OPND_ADDR || o->kind == OPND_VEC || o->kind == OPND_PAIR) {
		for (uint32_t i = 0; i < o->count; i++)
			walk_operand(w, &o->sub[i]);
	}
}

static void walk_body(struct walk *w, const struct ptx_func *f)
{
	for (uint32_t i = 0; i < f->insn_count; i++) {
		const struct ptx_insn *insn = &f->insns[i];

		for (unsigned int k = 0; k < insn->operand_count; k++)
			walk_operand(w, &insn->operands[k]);
		if (!insn->call)
			continue;
		if (insn->call->callee.kind == OPND_SYM)
			walk_add(w, (struct ptx_func *)insn->call->callee.symbol);
		else
			w->indirect = true;
	}
}

/* Whatever has its address taken may be called. */
static void walk_taken(struct walk *w)
{
	for (struct ptx_unit *unit = w->module->units; unit; unit = unit->next)
		for (struct ptx_func *f = unit->funcs; f; f = f->next)
			if (f->address_taken && !f->is_kernel)
				walk_add(w, f);
}

struct ptx_func *ptx_link_walk(struct ptx_module *module, struct ptx_func *root, bool *shared)
{
	struct walk w = {.module = module, .root = root};
	bool taken = false;

	module->walk++;
	walk_add(&w, root);
	for (struct ptx_func *f = root; f; f = f->walk) {
		walk_body(&w, f);
		if (w.indirect && !taken) {
			walk_taken(&w);
			taken = true;
		}
	}
	if (shared)
		*shared = w.shared;
	return root;
}

/* ---- kernels ---- */

static uint32_t register_estimate(const struct ptx_func *f)
{
	uint32_t count = 16 + f->reg_count / 8; /* live at once: far fewer than are named */

	if (f->maxnreg && count > f->maxnreg)
		count = f->maxnreg;
	return count > 255 ? 255 : count;
}

static uint64_t dims_product(const uint32_t dims[3])
{
	uint64_t product = dims[0];

	for (int i = 1; i < 3; i++)
		product = dims[i] && product > UINT32_MAX / dims[i] ? UINT32_MAX
								    : product * dims[i];
	return product;
}

static void kernel_fill(struct link *l, struct ptx_kernel *k, struct ptx_func *f)
{
	struct ptx_kernel_info *info = &k->info;
	uint64_t local = 0, shared, threads;
	bool uses = false;

	k->module = l->module;
	k->func = f;
	for (struct ptx_func *each = ptx_link_walk(l->module, f, &uses); each; each = each->walk)
		local += each->local_bytes;
	shared = shared_place(f->vars, uses ? l->module->shared_bytes : 0);
	if (shared > PTX_SHARED_BYTES_MAX)
		link_fail(l, f->unit, f->symbol.line, -ENOTSUP, "too much shared memory in",
			  f->symbol.name);
	*info = (struct ptx_kernel_info){
		.name = f->symbol.name,
		.param_count = f->param_count,
		.param_bytes = f->param_bytes,
		.shared_bytes = (uint32_t)shared,
		.local_bytes = local > PTX_LOCAL_BYTES_MAX ? PTX_LOCAL_BYTES_MAX : (uint32_t)local,
		.registers = register_estimate(f),
		.minnctapersm = f->minnctapersm,
		.target_sm = f->unit->target_sm,
		.isa_version = f->unit->isa_version,
	};
	memcpy(info->maxntid, f->maxntid, sizeof(info->maxntid));
	memcpy(info->reqntid, f->reqntid, sizeof(info->reqntid));
	threads = f->reqntid[0]   ? dims_product(f->reqntid)
		  : f->maxntid[0] ? dims_product(f->maxntid)
				  : PTX_BLOCK_THREADS_MAX;
	info->max_threads = threads > PTX_BLOCK_THREADS_MAX ? PTX_BLOCK_THREADS_MAX
							    : (uint32_t)threads;
	k->params = calloc(f->param_count + 1, sizeof(*k->params));
	if (!k->params) {
		l->rc = -ENOMEM;
		return;
	}
	info->params = k->params;
	for (uint32_t i = 0; i < f->param_count; i++)
		k->params[i] = (struct ptx_param_info){
			f->params[i]->offset, (uint32_t)f->params[i]->size, f->params[i]->align};
}

static void kernels_make(struct link *l)
{
	struct ptx_module *m = l->module;
	uint32_t count = 0;

	for (struct ptx_unit *unit = m->units; unit; unit = unit->next)
		for (struct ptx_func *f = unit->funcs; f; f = f->next)
			count += f->is_kernel && f->has_body && !f->target;
	m->kernels = calloc(count + 1, sizeof(*m->kernels));
	if (!m->kernels) {
		l->rc = -ENOMEM;
		return;
	}
	for (struct ptx_unit *unit = m->units; unit; unit = unit->next)
		for (struct ptx_func *f = unit->funcs; f && !l->rc; f = f->next)
			if (f->is_kernel && f->has_body && !f->target)
				kernel_fill(l, &m->kernels[m->kernel_count++], f);
}

static void tree_leave(void *symbol)
{
	(void)symbol; /* the units own them */
}

static int functions_check(struct ptx_module *m, struct ptx_log *log)
{
	const struct ptx_jit *jit = ptx_jit(log);

	return jit ? jit->check(m, log) : -ENOSYS;
}

static int module_link(struct ptx_module *m, struct ptx_log *log)
{
	struct link l = {.module = m, .log = log};
	void (*const steps[])(struct link *) = {symbols_export,     symbols_resolve, globals_map,
						functions_describe, globals_init,    shared_layout,
						kernels_make};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !l.rc; i++)
		steps[i](&l);
	tdestroy(l.names, tree_leave);
	if (!l.rc && !m->options.lazy_check)
		l.rc = functions_check(m, log);
	for (uint32_t i = 0; i < m->kernel_count && m->options.eager && !l.rc; i++)
		l.rc = ptx_kernel_prepare(&m->kernels[i], log);
	return l.rc;
}

void ptx_module_unload(struct ptx_module *module)
{
	if (!module)
		return;
	for (uint32_t i = 0; i < module->kernel_count; i++) {
		if (module->kernels[i].engine)
			ptx_jit(NULL)->release(&module->kernels[i]);
		free(module->kernels[i].params);
	}
	free(module->kernels);
	free(module->globals);
	free(module->descs);
	data_free(module);
	for (struct ptx_unit *unit = module->units, *next; unit; unit = next) {
		next = unit->next;
		ptx_unit_free(unit);
	}
	pthread_mutex_destroy(&module->lock);
	free(module);
}

int ptx_linker_create(const struct ptx_options *options, struct ptx_linker **out)
{
	struct ptx_linker *linker = calloc(1, sizeof(*linker));

	*out = linker;
	if (!linker)
		return -ENOMEM;
	linker->options = options ? *options : (struct ptx_options){.opt_level = 1};
	linker->tail = &linker->units;
	return 0;
}

int ptx_linker_add(struct ptx_linker *linker, const char *text, size_t len, const char *name,
		   struct ptx_log *log)
{
	struct ptx_unit *unit;
	int rc = ptx_unit_parse(text, len, log, &unit);

	if (rc)
		return rc;
	unit->name = name ? strdup(name) : NULL;
	*linker->tail = unit;
	linker->tail = &unit->next;
	return 0;
}

int ptx_linker_finish(struct ptx_linker *linker, struct ptx_log *log, struct ptx_module **out)
{
	struct ptx_module *m = calloc(1, sizeof(*m));
	int rc;

	*out = NULL;
	if (!m)
		return -ENOMEM;
	pthread_mutex_init(&m->lock, NULL);
	m->options = linker->options;
	m->units = linker->units; /* ownership passes */
	linker->units = NULL;
	linker->tail = &linker->units;
	rc = module_link(m, log);
	if (rc)
		ptx_module_unload(m);
	else
		*out = m;
	return rc;
}

void ptx_linker_destroy(struct ptx_linker *linker)
{
	if (!linker)
		return;
	for (struct ptx_unit *unit = linker->units, *next; unit; unit = next) {
		next = unit->next;
		ptx_unit_free(unit);
	}
	free(linker);
}

int ptx_module_load(const char *text, size_t len, const struct ptx_options *options,
		    struct ptx_log *log, struct ptx_module **out)
{
	struct ptx_linker *linker;
	int rc;

	*out = NULL;
	rc = ptx_linker_create(options, &linker);
	if (rc)
		return rc;
	rc = ptx_linker_add(linker, text, len, NULL, log);
	if (!rc)
		rc = ptx_linker_finish(linker, log, out);
	ptx_linker_destroy(linker);
	return rc;
}
