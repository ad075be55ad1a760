#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The calls of the differential test, from the spec of the driver API and the table of values.

    generate.py CUDA.API EXPORTS VALUES OUTPUT.c

For each exported function that the spec implements: one case with good values, one for each bad value
of each argument, one with zeros, and those of the stages (without a context, in a capture ...).
"""

import fnmatch
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', '..', 'protocol'))

import apispec  # noqa: E402
import emit_common as c  # noqa: E402

# (stage, whether its zeros are tried as well)
STAGES = [('NO_CONTEXT', True), ('THREAD', False), ('THREAD_BOUND', False), ('OTHER_CONTEXT', False),
          ('DEAD_CONTEXT', True), ('CAPTURE_GLOBAL', False), ('CAPTURE_THREAD', False),
          ('CAPTURE_RELAXED', False), ('CAPTURED', False), ('RESET', False)]
VARIANT_STAGES = ['NO_CONTEXT', 'CAPTURED']
STRUCTURES = re.compile(r'CUDA_\w+|CU(uuid|devprop|mem(Location|AccessDesc|AllocationProp|PoolProps|cpyAttributes|'
                        r'DecompressParams)|graphEdgeData|streamAttrValue|kernelNodeAttrValue|tensorMap|'
                        r'launchAttribute|graphNodeParams|streamBatchMemOpParams|arrayMapInfo|execAffinityParam|'
                        r'devResource|ipc\w+|launchConfig|ctxCreateParams|graphExecUpdateResultInfo)')
ENDS = re.compile(r'Destroy|Unload|Free|Release|Unregister|Detach|Unmap|Close|Reset')


class Value:
    """What an argument is: its good form and its bad ones."""

    def __init__(self, where, good, bad):
        self.where, self.good, self.bad = where, good, bad


class Values:
    """The table of values."""

    def __init__(self, path):
        self.arguments, self.types, self.printed, self.stateful, self.skipped = [], {}, set(), [], {}
        self.reset = []
        self.used = set()
        with open(path, encoding='utf-8') as lines:
            for number, line in enumerate(lines, 1):
                line = line.strip()
                if line and not line.startswith('#'):
                    self._line(f'{path}:{number}', line)

    def _line(self, where, line):
        word, _, rest = line.partition(' ')
        if word == 'printed':
            self.printed.add(rest)
        elif word == 'stateful':
            self.stateful.append(rest)
        elif word == 'reset':
            self.reset.append(rest)
        elif word == 'skip' and ' : ' in rest:
            name, reason = rest.split(' : ', 1)
            self.skipped[name] = reason
        elif ' | ' in line:
            self._value(where, [part.strip() for part in line.split(' | ')])
        else:
            sys.exit(f'{where}: cannot read "{line}"')

    def _value(self, where, parts):
        bad = []
        for part in parts[2:]:
            match = re.fullmatch(r'(~?\w+) = (.+)', part)
            if not match:
                sys.exit(f'{where}: expected NAME = VALUE, found "{part}"')
            bad.append((match[1], match[2]))
        value = Value(where, parts[1], bad)
        if '.' in parts[0] and ' ' not in parts[0]:
            self.arguments.append((parts[0], value))
        elif parts[0] in self.types:
            sys.exit(f'{where}: {parts[0]} stands there already')
        else:
            self.types[parts[0]] = value

    def find(self, function, name, ctype, direction):
        fits = [(len(key.replace('*', '')), value) for key, value in self.arguments
                if fnmatch.fnmatchcase(f'{function}.{name}', key)]
        value = max(fits, key=lambda fit: fit[0])[1] if fits else None
        if not value and not direction.startswith('out') and direction != 'inout':
            value = self.types.get(f'{ctype} {name}') or self.types.get(ctype)
        if value:
            self.used.add(value.where)
            return value
        if ctype.endswith('*') and not ctype.startswith('const ') or ctype.count('*') == 2:
            many = direction == 'out many'
            return Value('', 'out 8' if many else 'out', [('null', 'NULL')])
        return None

    def unused(self):
        return [value.where for _, value in self.arguments if value.where not in self.used]


def arguments(call):
    """(name, C type, direction) in C's order."""
    if call.raw:
        return [(name, re.sub(r'\* +\*', '**', ctype), 'raw') for name, ctype in call.raw]
    found = []
    for arg in call.args:
        text = c.parameter(arg)
        direction = arg.direction + (' many' if arg.direction == 'out' and arg.variable else '')
        found.append((arg.name, text[:len(text) - len(arg.name)].strip(), direction))
    return found


def expand(text, ctype):
    """%KIND, !KIND, +KIND."""
    cast = '' if '*' in ctype else f'({ctype})'

    def one(match):
        sign, kinds = match[1], match[2].split(',')
        last = {'%': 'df_get', '!': 'df_gone', '+': 'df_new'}[sign] + f'(w, DF_{kinds[-1]})'
        first = ''.join(f'df_get(w, DF_{kind}), ' for kind in kinds[:-1])
        return f'{cast}({first}{last})' if first else f'{cast}{last}'

    return re.sub(r'(?<![\w)\]] )([%!+])(?=[a-z])(?!=)([a-z0-9]+(?:,[a-z0-9]+)*)', one, text)


class Function:
    """One call's C code and its cases."""

    def __init__(self, call, values, spec):
        self.call, self.values, self.spec = call, values, spec
        self.args = arguments(call)
        self.bad = []  # (argument, name, maybe a crash)
        self.choices = {}
        self.missing = []
        for name, ctype, direction in self.args:
            value = values.find(call.name, name, ctype, direction)
            if not value:
                self.missing.append(f'{call.name}.{name} ({ctype})')
                continue
            self.choices[name] = value
            for bad, _ in value.bad:
                self.bad.append((name, bad.lstrip('~'), bad.startswith('~')))

    def place(self, name, ctype):
        """The declaration of an output, and how its address is written."""
        good = self.choices[name].good
        base = ctype[:-1].strip() if ctype.endswith('*') else ctype
        match = re.fullmatch(r'out (\d+)', good)
        if match:
            return f'\t{c.declare(base, name)}[{match[1]}];', name
        begin = good[6:] if good.startswith('inout ') else None
        return f'\t{c.declare(base, name)}' + (f' = {begin};' if begin else ';'), f'&{name}'

    def is_place(self, name):
        good = self.choices[name].good
        return good in ('out', 'hidden') or re.match(r'(in)?out ', good)

    def printing(self, name, ctype):
        good = self.choices[name].good
        if good != 'out' and not good.startswith('inout '):
            return []
        base = ctype[:-1].strip()
        if base in ('const char *', 'char *'):
            return [f'\tdf_out_text(w, "{name}", a.{name} ? {name} : NULL);']
        if base.endswith('*') or base in self.spec.handles or base == 'CUdeviceptr':
            return [f'\tdf_out_set(w, "{name}", a.{name}, {name} != 0);']
        if base == 'float':
            return [f'\tdf_out_float(w, "{name}", a.{name}, {name});']
        if STRUCTURES.fullmatch(base):
            if base not in self.values.printed:
                return []
            return [f'\tdf_out_bytes(w, "{name}", a.{name}, sizeof({name}));']
        return [f'\tdf_out_number(w, "{name}", a.{name}, (long long){name});']

    def choose(self, name, ctype, number):
        """Statements that give the argument its value."""
        value = self.choices[name]
        good = self.place(name, ctype)[1] if self.is_place(name) else expand(value.good, ctype)
        out = ['\tswitch (bad) {'] if value.bad else []
        for _, text in value.bad:
            number += 1
            out += [f'\tcase {number}:', f'\t\ta.{name} = {expand(text, ctype)};', '\t\tbreak;']
        if value.bad:
            out += ['\tcase DF_ZERO:', '\t\tbreak;', '\tdefault:', f'\t\ta.{name} = {good};', '\t}']
        else:
            out += ['\tif (bad != DF_ZERO)', f'\t\ta.{name} = {good};']
        return out, number

    def code(self):
        name = self.call.name
        fields = [f'\t{c.declare(self.member(ctype), arg)};' for arg, ctype, _ in self.args]
        params = c.parameters(self.call)
        given = ', '.join(f'a->{arg}' for arg, _, _ in self.args)
        out = [f'struct args_{name} {{', '\tvoid (*df_entry)(void);', *fields, '};', '',
               f'static CUresult call_{name}(const void *args)', '{',
               f'\tconst struct args_{name} *a = args;', '',
               f'\treturn ((CUresult (*)({params}))a->df_entry)({given});', '}', '',
               f'static void run_{name}(struct df_world *w, unsigned int bad)', '{',
               f'\tstruct args_{name} a;']
        places = [(arg, ctype) for arg, ctype, _ in self.args if self.is_place(arg)]
        out += [self.place(arg, ctype)[0] for arg, ctype in places]
        out += ['', '\tmemset(&a, 0, sizeof(a));', '\ta.df_entry = w->function;', '\t(void)bad;']
        for arg, _ in places:
            if not self.choices[arg].good.startswith('inout '):
                out.append(f'\tmemset(&{arg}, 0, sizeof({arg}));')
        number = 0
        for arg, ctype, _ in self.args:
            lines, number = self.choose(arg, ctype, number)
            out += lines
        out.append(f'\tdf_call(w, call_{name}, &a);')
        printed = [line for arg, ctype in places for line in self.printing(arg, ctype)]
        if printed:
            out += ['\tif (w->result)', '\t\treturn;', *printed]
        return '\n'.join(out + ['}', ''])

    @staticmethod
    def member(ctype):
        return ctype

    def cases(self, variant):
        """(bad value's number, stage, name, maybe a crash)"""
        found = [('0', 'PLAIN', 'good', False)]
        resets = any(fnmatch.fnmatchcase(self.call.name, pattern) for pattern in self.values.reset)
        if self.args:
            found.append(('DF_ZERO', 'PLAIN', 'zero', False))
        found.append(('DF_ZERO', 'BEFORE_INIT', 'before-init', False))
        if not variant:
            for number, (arg, bad, risky) in enumerate(self.bad, 1):
                found.append((str(number), 'PLAIN', f'{arg}={bad}', risky))
        streams = any(ctype == 'CUstream' for _, ctype, _ in self.args)
        for stage, zeros in STAGES:
            if stage == 'CAPTURED' and not streams or stage == 'RESET' and not resets or \
                    variant and stage not in VARIANT_STAGES:
                continue
            name = stage.lower().replace('_', '-')
            found.append(('0', stage, name, False))
            if zeros and self.args and not variant:
                found.append(('DF_ZERO', stage, f'{name}-zero', False))
        return found


HEAD = '''/* Generated by tests/programs/differ/generate.py: the calls of the differential test. Do not edit. */
#include "tests/programs/differ/cases.h"

#include <string.h>

#include "tests/programs/differ.ptx.h"
#include "tests/programs/differ/shapes.h"

static const char broken_ptx[] = ".version 7.0\\n.target sm_52\\n.address_size 64\\n"
\t".visible .entry k() { bra nosuch; }\\n";
/* An image has no length: as much as may be read of one is there. */
static const char no_image[sizeof(differ_ptx)] = "no image", blank_image[64];
'''


def flags(call, symbol, values):
    found = []
    if ENDS.search(call.name) or any('destroy' in arg.attrs for arg in call.args):
        found.append('DF_ENDS')
    if any(fnmatch.fnmatchcase(symbol, pattern) for pattern in values.stateful):
        found.append('DF_STATEFUL')
    return ' | '.join(found) or '0'


def source(spec, variants, values):
    code, functions, cases, missing = [HEAD], [], [], []
    for call in sorted(spec.calls, key=lambda each: each.name):
        if call.internal or call.name in values.skipped:
            continue
        function = Function(call, values, spec)
        missing += function.missing
        if function.missing:
            continue
        code.append(function.code())
        for symbol, variant in variants.of(call):
            at = len(functions)
            functions.append(f'\t{{"{symbol}", run_{call.name}, {flags(call, symbol, values)}}},')
            for bad, stage, name, risky in function.cases(variant):
                cases.append((at, bad, stage, name, 'true' if risky else 'false'))
    if missing:
        sys.exit('no value in the table for ' + ', '.join(missing))
    if values.unused():
        sys.exit('values that nothing uses: ' + ', '.join(values.unused()))
    # What runs before cuInit comes first: its process must not have called it.
    order = {'BEFORE_INIT': 0, 'RESET': 2}
    cases.sort(key=lambda case: order.get(case[2], 1))
    code += ['const struct df_function df_functions[] = {', *functions, '};',
             'const unsigned int df_function_count = sizeof(df_functions) / sizeof(df_functions[0]);', '',
             'const struct df_case df_cases[] = {',
             *[f'\t{{{at}, {bad}, DF_{stage}, {risky}, "{name}"}},' for at, bad, stage, name, risky in cases],
             '};', 'const unsigned int df_case_count = sizeof(df_cases) / sizeof(df_cases[0]);', '']
    return '\n'.join(code)


def main(argv):
    if len(argv) != 5:
        sys.exit(__doc__)
    spec = apispec.Spec()
    spec.read(argv[1])
    with open(argv[2], encoding='utf-8') as lines:
        exports = [line.split('#')[0].strip() for line in lines]
    text = source(spec, c.Variants([name for name in exports if name]), Values(argv[3]))
    with open(argv[4], 'w', encoding='utf-8') as output:
        output.write(text)


if __name__ == '__main__':
    main(sys.argv)
