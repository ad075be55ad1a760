/* SPDX-License-Identifier: MIT */
/*
 * The words of PTX that this engine knows: types, modifiers, opcodes, special registers. One table each;
 * a word that is not here is refused by the parser with its name and line. What an opcode may combine is
 * decided by its generator (gen.h), which must take every modifier or refuse the instruction.
 */
#ifndef SOFT_PTX_NAMES_H
#define SOFT_PTX_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* T(id, name, bytes): types come first among the modifiers. */
#define PTX_TYPES(T) \
	T(B8, "b8", 1) T(B16, "b16", 2) T(B32, "b32", 4) T(B64, "b64", 8) T(B128, "b128", 16) \
	T(U8, "u8", 1) T(U16, "u16", 2) T(U32, "u32", 4) T(U64, "u64", 8) \
	T(S8, "s8", 1) T(S16, "s16", 2) T(S32, "s32", 4) T(S64, "s64", 8) \
	T(F16, "f16", 2) T(BF16, "bf16", 2) T(F32, "f32", 4) T(F64, "f64", 8) T(TF32, "tf32", 4) \
	T(F16X2, "f16x2", 4) T(BF16X2, "bf16x2", 4) T(U16X2, "u16x2", 4) T(S16X2, "s16x2", 4) \
	T(F32X2, "f32x2", 8) T(E4M3X2, "e4m3x2", 2) T(E5M2X2, "e5m2x2", 2) T(PRED, "pred", 1)

#define PTX_MODS(M) \
	M(GLOBAL, "global") M(SHARED, "shared") M(LOCAL, "local") M(PARAM, "param") M(CONST, "const") \
	M(SHARED_CTA, "shared::cta") M(SHARED_CLUSTER, "shared::cluster") \
	M(PARAM_ENTRY, "param::entry") M(PARAM_FUNC, "param::func") \
	M(V2, "v2") M(V4, "v4") M(V8, "v8") \
	M(RN, "rn") M(RZ, "rz") M(RM, "rm") M(RP, "rp") M(RNA, "rna") \
	M(RNI, "rni") M(RZI, "rzi") M(RMI, "rmi") M(RPI, "rpi") \
	M(FTZ, "ftz") M(SAT, "sat") M(SATFINITE, "satfinite") M(RELU, "relu") M(APPROX, "approx") \
	M(FULL, "full") M(LO, "lo") M(HI, "hi") M(WIDE, "wide") M(CC, "cc") \
	M(EQ, "eq") M(NE, "ne") M(LT, "lt") M(LE, "le") M(GT, "gt") M(GE, "ge") M(LS, "ls") M(HS, "hs") \
	M(EQU, "equ") M(NEU, "neu") M(LTU, "ltu") M(LEU, "leu") M(GTU, "gtu") M(GEU, "geu") \
	M(NUM, "num") M(NAN, "nan") M(NAN_RESULT, "NaN") M(AND, "and") M(OR, "or") M(XOR, "xor") M(POPC, "popc") \
	M(ADD, "add") M(INC, "inc") M(DEC, "dec") M(MIN, "min") M(MAX, "max") M(EXCH, "exch") \
	M(CAS, "cas") M(NOFTZ, "noftz") M(XORSIGN, "xorsign") M(ABS, "abs") \
	M(FINITE, "finite") M(INFINITE, "infinite") M(NUMBER, "number") M(NOTANUMBER, "notanumber") \
	M(NORMAL, "normal") M(SUBNORMAL, "subnormal") \
	M(VOLATILE, "volatile") M(WEAK, "weak") M(RELAXED, "relaxed") M(ACQUIRE, "acquire") \
	M(RELEASE, "release") M(ACQ_REL, "acq_rel") M(SC, "sc") M(MMIO, "mmio") \
	M(CTA, "cta") M(CLUSTER, "cluster") M(GPU, "gpu") M(SYS, "sys") M(GL, "gl") \
	M(CA, "ca") M(CG, "cg") M(CS, "cs") M(LU, "lu") M(CV, "cv") M(WB, "wb") M(WT, "wt") M(NC, "nc") \
	M(L1, "L1") M(L2, "L2") \
	M(L1_EVICT_NORMAL, "L1::evict_normal") M(L1_EVICT_UNCHANGED, "L1::evict_unchanged") \
	M(L1_EVICT_FIRST, "L1::evict_first") M(L1_EVICT_LAST, "L1::evict_last") \
	M(L1_NO_ALLOCATE, "L1::no_allocate") M(L2_64B, "L2::64B") M(L2_128B, "L2::128B") \
	M(L2_256B, "L2::256B") M(L2_CACHE_HINT, "L2::cache_hint") \
	M(L2_EVICT_LAST, "L2::evict_last") M(L2_EVICT_NORMAL, "L2::evict_normal") \
	M(L2_EVICT_FIRST, "L2::evict_first") M(UP, "up") M(DOWN, "down") M(BFLY, "bfly") M(IDX, "idx") \
	M(SYNC, "sync") M(ALIGNED, "aligned") M(ARRIVE, "arrive") M(RED, "red") M(WARP, "warp") \
	M(WAIT, "wait") M(ALL, "all") M(ANY, "any") M(UNI, "uni") M(BALLOT, "ballot") M(TO, "to") \
	M(WRAP, "wrap") M(CLAMP, "clamp") M(L, "l") M(R, "r") M(F4E, "f4e") M(B4E, "b4e") M(RC8, "rc8") \
	M(ECL, "ecl") M(ECR, "ecr") M(RC16, "rc16") M(SHIFTAMT, "shiftamt") M(ASYNC, "async") \
	M(COMMIT_GROUP, "commit_group") M(WAIT_GROUP, "wait_group") M(WAIT_ALL, "wait_all") \
	M(PROXY, "proxy") M(ALIAS, "alias") M(ASYNC_GLOBAL, "async.global") M(MASK, "mask") \
	M(M8N8, "m8n8") M(X1, "x1") M(X2, "x2") M(X4, "x4") M(TRANS, "trans") \
	M(M16N8K8, "m16n8k8") M(M16N8K16, "m16n8k16") M(ROW, "row") M(COL, "col") \
	M(INIT, "init") M(INVAL, "inval") M(TEST_WAIT, "test_wait") M(TRY_WAIT, "try_wait") \
	M(ARRIVE_DROP, "arrive_drop") M(NOCOMPLETE, "noComplete") M(PARITY, "parity") \
	M(EXPECT_TX, "expect_tx") M(PENDING_COUNT, "pending_count") M(BULK, "bulk") \
	M(TENSORMAP, "tensormap") M(BOOL_AND, "AND") M(BOOL_OR, "OR") M(BOOL_XOR, "XOR") \
	M(LAUNCH_DEPENDENTS, "launch_dependents") M(LEFT, "left") M(RIGHT, "right")

enum ptx_mod {
	PTX_T_NONE,
#define T(id, name, bytes) PTX_##id,
	PTX_TYPES(T)
#undef T
	PTX_T_COUNT,
#define M(id, name) MOD_##id,
	PTX_MODS(M)
#undef M
	PTX_MOD_COUNT
};

/* O(id, name, generator) */
#define PTX_OPS(O) \
	O(ADD, "add", add) O(SUB, "sub", add) O(ADDC, "addc", addc) O(SUBC, "subc", addc) \
	O(MUL, "mul", mul) O(MAD, "mad", mad) O(MADC, "madc", mad) O(FMA, "fma", fma) \
	O(MUL24, "mul24", mul24) O(MAD24, "mad24", mul24) O(SAD, "sad", sad) O(DIV, "div", div) \
	O(REM, "rem", div) O(ABS, "abs", neg) O(NEG, "neg", neg) O(MIN, "min", minmax) \
	O(MAX, "max", minmax) O(AND, "and", logic) O(OR, "or", logic) O(XOR, "xor", logic) \
	O(NOT, "not", not) O(CNOT, "cnot", not) O(LOP3, "lop3", lop3) O(SHL, "shl", shift) \
	O(SHR, "shr", shift) O(SHF, "shf", shf) O(POPC, "popc", count) O(CLZ, "clz", count) \
	O(BREV, "brev", count) O(BFIND, "bfind", bfind) O(BFE, "bfe", bfe) O(BFI, "bfi", bfi) \
	O(FNS, "fns", fns) O(BMSK, "bmsk", bmsk) O(SZEXT, "szext", szext) O(DP4A, "dp4a", dp4a) \
	O(DP2A, "dp2a", dp4a) O(PRMT, "prmt", prmt) O(SET, "set", set) O(SETP, "setp", set) \
	O(SELP, "selp", selp) O(SLCT, "slct", slct) O(MOV, "mov", mov) O(CVT, "cvt", cvt) \
	O(RCP, "rcp", unary) O(SQRT, "sqrt", unary) O(RSQRT, "rsqrt", unary) O(SIN, "sin", unary) \
	O(COS, "cos", unary) O(EX2, "ex2", unary) O(LG2, "lg2", unary) O(TANH, "tanh", unary) \
	O(COPYSIGN, "copysign", copysign) O(TESTP, "testp", testp) O(LD, "ld", ld) O(LDU, "ldu", ld) \
	O(ST, "st", st) O(PREFETCH, "prefetch", prefetch) O(PREFETCHU, "prefetchu", prefetch) \
	O(ATOM, "atom", atom) O(RED, "red", atom) O(MEMBAR, "membar", fence) O(FENCE, "fence", fence) \
	O(CVTA, "cvta", cvta) O(ISSPACEP, "isspacep", isspacep) O(MAPA, "mapa", mapa) \
	O(BRA, "bra", bra) O(BRX, "brx", brx) O(CALL, "call", call) O(RET, "ret", ret) \
	O(EXIT, "exit", exit) O(TRAP, "trap", trap) O(BRKPT, "brkpt", trap) \
	O(NANOSLEEP, "nanosleep", nanosleep) O(PMEVENT, "pmevent", pmevent) \
	O(BAR, "bar", bar) O(BARRIER, "barrier", bar) O(SHFL, "shfl", shfl) O(VOTE, "vote", vote) \
	O(MATCH, "match", match) O(ACTIVEMASK, "activemask", activemask) O(REDUX, "redux", redux) \
	O(ELECT, "elect", elect) O(CP, "cp", cp) O(ALLOCA, "alloca", alloca) \
	O(STACKSAVE, "stacksave", stack) O(STACKRESTORE, "stackrestore", stack) \
	O(GRIDDEPCONTROL, "griddepcontrol", griddep) O(DISCARD, "discard", prefetch) \
	O(CREATEPOLICY, "createpolicy", createpolicy) O(LDMATRIX, "ldmatrix", ldmatrix) \
	O(MMA, "mma", mma) O(MBARRIER, "mbarrier", mbarrier) O(SETMAXNREG, "setmaxnreg", pmevent)

enum ptx_op {
#define O(id, name, generator) OP_##id,
	PTX_OPS(O)
#undef O
	PTX_OP_COUNT
};

/* S(id, name, bits, components) */
#define PTX_SREGS(S) \
	S(TID, "%tid", 32, 3) S(NTID, "%ntid", 32, 3) S(CTAID, "%ctaid", 32, 3) \
	S(NCTAID, "%nctaid", 32, 3) S(LANEID, "%laneid", 32, 0) S(WARPID, "%warpid", 32, 0) \
	S(NWARPID, "%nwarpid", 32, 0) S(SMID, "%smid", 32, 0) S(NSMID, "%nsmid", 32, 0) \
	S(GRIDID, "%gridid", 64, 0) S(LANEMASK_EQ, "%lanemask_eq", 32, 0) \
	S(LANEMASK_LE, "%lanemask_le", 32, 0) S(LANEMASK_LT, "%lanemask_lt", 32, 0) \
	S(LANEMASK_GE, "%lanemask_ge", 32, 0) S(LANEMASK_GT, "%lanemask_gt", 32, 0) \
	S(CLOCK, "%clock", 32, 0) S(CLOCK_HI, "%clock_hi", 32, 0) S(CLOCK64, "%clock64", 64, 0) \
	S(GLOBALTIMER, "%globaltimer", 64, 0) S(GLOBALTIMER_LO, "%globaltimer_lo", 32, 0) \
	S(GLOBALTIMER_HI, "%globaltimer_hi", 32, 0) S(TOTAL_SMEM, "%total_smem_size", 32, 0) \
	S(DYNAMIC_SMEM, "%dynamic_smem_size", 32, 0) S(AGGR_SMEM, "%aggr_smem_size", 32, 0) \
	S(CLUSTERID, "%clusterid", 32, 3) S(NCLUSTERID, "%nclusterid", 32, 3) \
	S(CLUSTER_CTAID, "%cluster_ctaid", 32, 3) S(CLUSTER_NCTAID, "%cluster_nctaid", 32, 3) \
	S(CLUSTER_CTARANK, "%cluster_ctarank", 32, 0) S(CLUSTER_NCTARANK, "%cluster_nctarank", 32, 0) \
	S(IS_EXPLICIT_CLUSTER, "%is_explicit_cluster", 1, 0) S(ENVREG, "%envreg", 32, 0) \
	S(RESERVED_SMEM_CAP, "%reserved_smem_offset_cap", 32, 0) \
	S(RESERVED_SMEM_BEGIN, "%reserved_smem_offset_begin", 32, 0) \
	S(RESERVED_SMEM_END, "%reserved_smem_offset_end", 32, 0) \
	S(RESERVED_SMEM_0, "%reserved_smem_offset_0", 32, 0) \
	S(RESERVED_SMEM_1, "%reserved_smem_offset_1", 32, 0)

enum ptx_sreg {
#define S(id, name, bits, components) SREG_##id,
	PTX_SREGS(S)
#undef S
	PTX_SREG_COUNT
};

/* Return the table's index or -1. */
int ptx_mod_find(const char *name);
int ptx_op_find(const char *name);
/* %envreg7 gives SREG_ENVREG and *number 7; %pm registers are not known. */
int ptx_sreg_find(const char *name, unsigned int *number);

const char *ptx_mod_name(unsigned int mod);
const char *ptx_op_name(unsigned int op);
unsigned int ptx_sreg_bits(unsigned int sreg);
unsigned int ptx_sreg_components(unsigned int sreg);

static inline bool ptx_is_type(unsigned int mod)
{
	return mod > PTX_T_NONE && mod < PTX_T_COUNT;
}

unsigned int ptx_type_bytes(unsigned int type);
/* Bits of a value: 1 for pred. */
unsigned int ptx_type_bits(unsigned int type);
bool ptx_type_is_signed(unsigned int type);
bool ptx_type_is_float(unsigned int type); /* f16 bf16 f32 f64, no packed ones */
bool ptx_type_is_int(unsigned int type);   /* u and s of 8 to 64 bits */

#endif
