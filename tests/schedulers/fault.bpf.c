/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's half of the fixture scheduler: one global queue, first come first served, and the faults that only a
 * BPF program can have. fault.c chooses them, before the load (const) or while it runs. See README.md.
 *
 * GPL-2.0 because the kernel lends its scheduler functions to programs of that licence only.
 */
#include <scx/common.bpf.h>

char _license[] SEC("license") = "GPL";

#define NS_PER_MS 1000000ULL

const volatile s32 init_error; /* ops.init fails with this errno */
const volatile u64 init_ms;    /* ops.init takes this long */
const volatile u64 exit_ms;    /* ops.exit takes this long */

bool error_now;  /* the next thing that is queued is an error */
s32 stalled_pid; /* this task is never queued; 0: none */

UEI_DEFINE(uei);

s32 BPF_STRUCT_OPS(fault_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle;

	/* Only where to, never straight onto that CPU's queue: every task passes through enqueue. */
	return scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
}

void BPF_STRUCT_OPS(fault_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (error_now)
		scx_bpf_error("the fixture was asked to fail");
	if (stalled_pid && p->pid == stalled_pid)
		return;
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

/* What the verifier refuses: a write to a field that no scheduler may change. Part of the load only when asked for. */
void BPF_STRUCT_OPS(fault_tick, struct task_struct *p)
{
	p->pid = 0;
}

static long until(u32 round, u64 *deadline)
{
	return bpf_ktime_get_ns() >= *deadline;
}

/*
 * Busy, not asleep: no function that a program may call sleeps for a given time. One loop can have 2^23 rounds, a few
 * hundred milliseconds, and so there are two.
 */
static long until_again(u32 round, u64 *deadline)
{
	bpf_loop(1 << 23, until, deadline, 0);
	return bpf_ktime_get_ns() >= *deadline;
}

static void spend(u64 ms)
{
	u64 deadline = bpf_ktime_get_ns() + ms * NS_PER_MS;

	if (ms)
		bpf_loop(1 << 23, until_again, &deadline, 0);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(fault_init)
{
	spend(init_ms);
	return -init_error;
}

void BPF_STRUCT_OPS(fault_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
	spend(exit_ms);
}

SCX_OPS_DEFINE(fault_ops,
	       .select_cpu = (void *)fault_select_cpu,
	       .enqueue = (void *)fault_enqueue,
	       .tick = (void *)fault_tick,
	       .init = (void *)fault_init,
	       .exit = (void *)fault_exit,
	       .name = "fault");
