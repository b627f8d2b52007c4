/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture scheduler: behaves, unless its options say how not to. One line of output for each step. See README.md.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <scx/common.h>

#include "fault.bpf.skel.h"

#define TICK_MS 10
#define MAX_PRELOADED 64
#define FOREVER_MS (24L * 60 * 60 * 1000)

/* Some number, in the generations from first to last only. Generations count from 1, failed ones too. */
struct when {
	bool set;
	long value, first, last;
};

static struct {
	struct when die_before_attach; /* first: the exit code */
	struct when fail_init, error_after;
	long attach_after_ms, slow_init_ms, slow_exit_ms, timeout_ms, exit_after_ms;
	long reattach; /* how often; -1: without end */
	long preload;  /* generations after the first */
	long flood;    /* bytes a second */
	int exit_code, exit_signal;
	bool stall, ignore_signals, linger, fork_holder, in_session, daemonise, garbage, close_stdio, bad_program, partial;
	const char *name, *pin;
} faults = { .exit_after_ms = -1 };

static volatile sig_atomic_t stop, hurry;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		hurry = 1;
	else
		stop = 1;
}

static void usage(FILE *to)
{
	fputs("Usage: fault [OPTION]…    a sched_ext scheduler that behaves, but for what is asked of it\n"
	      "  --die-before-attach MS[:CODE]   end after MS instead of loading anything\n"
	      "  --attach-after MS               wait so long before each attach\n"
	      "  --fail-init ERRNO[:GENS]        ops.init returns -ERRNO\n"
	      "  --slow-init MS                  ops.init takes so long\n"
	      "  --slow-exit MS                  ops.exit takes so long\n"
	      "  --bad-program                   load a program that the verifier refuses\n"
	      "  --partial                       SCX_OPS_SWITCH_PARTIAL\n"
	      "  --name NAME                     instead of \"fault\"\n"
	      "  --timeout-ms N                  the watchdog's bound, ops.timeout_ms\n"
	      "  --error-after MS[:GENS]         scx_bpf_error() so long after the attach\n"
	      "  --stall                         never run one task, a child of this program\n"
	      "  --linger                        do not end after an ejection\n"
	      "  --reattach N                    attach again, N times, after an ejection\n"
	      "  --reattach-loop                 attach again after every ejection\n"
	      "  --preload N                     load N generations ahead, so that attaching again takes no time\n"
	      "  --exit-after MS                 end so long after the first attach, without a detach\n"
	      "  --exit-code N                   whenever it ends by itself or as asked\n"
	      "  --exit-signal N                 end by this signal instead\n"
	      "  --ignore-signals                SIGINT and SIGTERM\n"
	      "  --fork-holder[=session]         instead of that end, go on in a child [of a session of its own]; the parent ends\n"
	      "  --pin PATH                      pin the link there, in a bpf file system, so that it outlives this program\n"
	      "  --daemonise                     before the attach, go on in a child of a session of its own; the parent ends\n"
	      "  --flood BYTES                   print so much a second while it waits\n"
	      "  --garbage                       print bytes that are not UTF-8\n"
	      "  --close-stdio                   close stdin, stdout, stderr\n"
	      "GENS is N or FIRST-LAST: only in these generations, counted from 1, failed attaches too.\n"
	      "SIGUSR1: what --error-after or --exit-after wait for happens now.\n",
	      to);
}

static void reject(const char *what, const char *text)
{
	fprintf(stderr, "fault: %s: %s\n", what, text);
	usage(stderr);
	exit(2);
}

static long number(const char *option, const char *text, char **end)
{
	long value;

	errno = 0;
	value = strtol(text, end, 10);
	if (errno || *end == text || value < 0)
		reject(option, text);
	return value;
}

static long whole(const char *option, const char *text)
{
	char *end;
	long value = number(option, text, &end);

	if (*end)
		reject(option, text);
	return value;
}

/* VALUE, VALUE:FIRST or VALUE:FIRST-LAST */
static struct when when(const char *option, const char *text)
{
	char *end;
	struct when it = { .set = true, .first = 1, .last = FOREVER_MS };

	it.value = number(option, text, &end);
	if (*end == ':') {
		it.first = it.last = number(option, end + 1, &end);
		if (*end == '-')
			it.last = number(option, end + 1, &end);
	}
	if (*end)
		reject(option, text);
	return it;
}

static bool applies(const struct when *it, long generation)
{
	return it->set && it->first <= generation && generation <= it->last;
}

static void parse(int argc, char **argv)
{
	enum {
		DIE = 1, ATTACH_AFTER, FAIL_INIT, SLOW_INIT, SLOW_EXIT, BAD_PROGRAM, PARTIAL, NAME, TIMEOUT, ERROR_AFTER, STALL,
		LINGER, REATTACH, REATTACH_LOOP, PRELOAD, EXIT_AFTER, EXIT_CODE, EXIT_SIGNAL, IGNORE, HOLDER, PIN, DAEMONISE, FLOOD,
		GARBAGE, CLOSE, HELP,
	};
	static const struct option options[] = {
		{ "die-before-attach", required_argument, NULL, DIE },
		{ "attach-after", required_argument, NULL, ATTACH_AFTER },
		{ "fail-init", required_argument, NULL, FAIL_INIT },
		{ "slow-init", required_argument, NULL, SLOW_INIT },
		{ "slow-exit", required_argument, NULL, SLOW_EXIT },
		{ "bad-program", no_argument, NULL, BAD_PROGRAM },
		{ "partial", no_argument, NULL, PARTIAL },
		{ "name", required_argument, NULL, NAME },
		{ "timeout-ms", required_argument, NULL, TIMEOUT },
		{ "error-after", required_argument, NULL, ERROR_AFTER },
		{ "stall", no_argument, NULL, STALL },
		{ "linger", no_argument, NULL, LINGER },
		{ "reattach", required_argument, NULL, REATTACH },
		{ "reattach-loop", no_argument, NULL, REATTACH_LOOP },
		{ "preload", required_argument, NULL, PRELOAD },
		{ "exit-after", required_argument, NULL, EXIT_AFTER },
		{ "exit-code", required_argument, NULL, EXIT_CODE },
		{ "exit-signal", required_argument, NULL, EXIT_SIGNAL },
		{ "ignore-signals", no_argument, NULL, IGNORE },
		{ "fork-holder", optional_argument, NULL, HOLDER },
		{ "pin", required_argument, NULL, PIN },
		{ "daemonise", no_argument, NULL, DAEMONISE },
		{ "flood", required_argument, NULL, FLOOD },
		{ "garbage", no_argument, NULL, GARBAGE },
		{ "close-stdio", no_argument, NULL, CLOSE },
		{ "help", no_argument, NULL, HELP },
		{},
	};
	int option, index;

	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		const char *name = option == '?' ? "" : options[index].name;

		switch (option) {
		case DIE:
			faults.die_before_attach = when(name, optarg);
			break;
		case ATTACH_AFTER:
			faults.attach_after_ms = whole(name, optarg);
			break;
		case FAIL_INIT:
			faults.fail_init = when(name, optarg);
			break;
		case SLOW_INIT:
			faults.slow_init_ms = whole(name, optarg);
			break;
		case SLOW_EXIT:
			faults.slow_exit_ms = whole(name, optarg);
			break;
		case BAD_PROGRAM:
			faults.bad_program = true;
			break;
		case PARTIAL:
			faults.partial = true;
			break;
		case NAME:
			faults.name = optarg;
			break;
		case TIMEOUT:
			faults.timeout_ms = whole(name, optarg);
			break;
		case ERROR_AFTER:
			faults.error_after = when(name, optarg);
			break;
		case STALL:
			faults.stall = true;
			break;
		case LINGER:
			faults.linger = true;
			break;
		case REATTACH:
			faults.reattach = whole(name, optarg);
			break;
		case REATTACH_LOOP:
			faults.reattach = -1;
			break;
		case PRELOAD:
			faults.preload = whole(name, optarg);
			if (faults.preload > MAX_PRELOADED)
				reject(name, optarg);
			break;
		case EXIT_AFTER:
			faults.exit_after_ms = whole(name, optarg);
			break;
		case EXIT_CODE:
			faults.exit_code = (int)whole(name, optarg);
			break;
		case EXIT_SIGNAL:
			faults.exit_signal = (int)whole(name, optarg);
			break;
		case IGNORE:
			faults.ignore_signals = true;
			break;
		case HOLDER:
			faults.fork_holder = true;
			faults.in_session = optarg && !strcmp(optarg, "session");
			if (optarg && !faults.in_session)
				reject(name, optarg);
			break;
		case PIN:
			faults.pin = optarg;
			break;
		case DAEMONISE:
			faults.daemonise = true;
			break;
		case FLOOD:
			faults.flood = whole(name, optarg);
			break;
		case GARBAGE:
			faults.garbage = true;
			break;
		case CLOSE:
			faults.close_stdio = true;
			break;
		case HELP:
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc)
		reject("no option", argv[optind]);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void flood(long elapsed_ms)
{
	for (long left = faults.flood * elapsed_ms / 1000; left > 0; left -= 80)
		puts("flood flood flood flood flood flood flood flood flood flood flood flood flood f");
}

/* Until the next look at the world. */
static void tick(void)
{
	const struct timespec pause = { .tv_nsec = TICK_MS * 1000000L };
	long before = now_ms();

	nanosleep(&pause, NULL);
	flood(now_ms() - before);
}

/* Waits; false when it was asked to stop meanwhile. */
static bool wait_ms(long duration)
{
	long end = now_ms() + duration;

	while (!stop && now_ms() < end)
		tick();
	return !stop;
}

static void finish(int code)
{
	if (faults.exit_signal) {
		printf("ending by signal %d\n", faults.exit_signal);
		fflush(NULL);
		signal(faults.exit_signal, SIG_DFL);
		raise(faults.exit_signal);
	}
	printf("ending with code %d\n", code);
	exit(code);
}

/* Goes on in a child; the parent ends, once the child is where it should be. */
static void move_to_child(bool session)
{
	int ready[2];
	char byte = 0;
	pid_t child;

	fflush(NULL);
	SCX_BUG_ON(pipe(ready), "pipe");
	child = fork();
	SCX_BUG_ON(child < 0, "fork");
	if (child) {
		close(ready[1]);
		SCX_BUG_ON(read(ready[0], &byte, 1) != 1, "the child died");
		printf("going on as pid %d\n", child);
		finish(faults.exit_code);
	}
	if (session)
		setsid();
	SCX_BUG_ON(write(ready[1], &byte, 1) != 1, "write");
	close(ready[0]);
	close(ready[1]);
}

/* A task that becomes runnable all the time. It is made before there is any BPF, so that it inherits no link. */
static pid_t start_victim(void)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	SCX_BUG_ON(child < 0, "fork");
	if (!child) {
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			usleep(TICK_MS * 1000);
	}
	return child;
}

/* The skeleton leaves arrays out of its picture of the struct; BTF says where the name is. */
static void set_name(struct fault *skel, const char *name)
{
	const struct btf *btf = bpf_object__btf(skel->obj);
	const struct btf_type *ops = btf__type_by_id(btf, btf__find_by_name_kind(btf, "sched_ext_ops", BTF_KIND_STRUCT));

	for (__u32 i = 0; ops && i < btf_vlen(ops); i++) {
		const struct btf_member *member = btf_members(ops) + i;

		if (!strcmp(btf__name_by_offset(btf, member->name_off), "name")) {
			char *field = (char *)skel->struct_ops.fault_ops + btf_member_bit_offset(ops, i) / 8;

			snprintf(field, btf__resolve_size(btf, member->type), "%s", name);
			return;
		}
	}
	SCX_BUG("sched_ext_ops has no name");
}

static struct fault *prepare(long generation)
{
	struct fault *skel = SCX_OPS_OPEN(fault_ops, fault);

	if (!faults.bad_program)
		skel->struct_ops.fault_ops->tick = NULL;
	if (faults.partial)
		skel->struct_ops.fault_ops->flags |= SCX_OPS_SWITCH_PARTIAL;
	if (faults.timeout_ms)
		skel->struct_ops.fault_ops->timeout_ms = faults.timeout_ms;
	if (faults.name)
		set_name(skel, faults.name);
	if (applies(&faults.fail_init, generation))
		skel->rodata->init_error = (int)faults.fail_init.value;
	skel->rodata->init_ms = faults.slow_init_ms;
	skel->rodata->exit_ms = faults.slow_exit_ms;
	SCX_OPS_LOAD(skel, fault_ops, fault, uei);
	printf("loaded\n");
	return skel;
}

/* Is it time, `after` milliseconds from `since`, or has SIGUSR1 said so? */
static bool due(long since, long after)
{
	if (!hurry && now_ms() - since < after)
		return false;
	hurry = 0;
	return true;
}

/* One generation, from the attach to the end of it; false when that was the last one. */
static bool live(struct fault *skel, long generation, pid_t victim)
{
	static long first_attach = -1;
	struct bpf_link *link;
	long attached_at;
	bool ejected;

	if (!wait_ms(faults.attach_after_ms))
		return false;
	link = SCX_OPS_ATTACH(skel, fault_ops, fault);
	if (faults.pin)
		SCX_BUG_ON(bpf_link__pin(link, faults.pin), "pin");
	attached_at = now_ms();
	/* As bpf(2) sees it: the kernel says success here for an ops.init that failed as well. */
	printf("attached, generation %ld\n", generation);
	if (first_attach < 0)
		first_attach = attached_at;
	skel->bss->stalled_pid = victim;
	while (!stop && !UEI_EXITED(skel, uei)) {
		if (applies(&faults.error_after, generation) && due(attached_at, faults.error_after.value))
			skel->bss->error_now = true;
		if (faults.exit_after_ms >= 0 && due(first_attach, faults.exit_after_ms)) {
			if (!faults.fork_holder)
				finish(faults.exit_code);
			move_to_child(faults.in_session);
			faults.exit_after_ms = -1;
		}
		tick();
	}
	ejected = !stop;
	if (ejected)
		printf("ejected: %s\n", skel->data->uei.reason);
	while (ejected && faults.linger && !stop)
		tick();
	bpf_link__destroy(link);
	printf("EXIT: %s%s%s\n", skel->data->uei.reason, *skel->data->uei.msg ? ": " : "", skel->data->uei.msg);
	fault__destroy(skel);
	return ejected && !stop && (faults.reattach < 0 || generation <= faults.reattach);
}

int main(int argc, char **argv)
{
	struct fault *ahead[MAX_PRELOADED + 1];
	long generation = 0;
	pid_t victim = 0;

	parse(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGINT, faults.ignore_signals ? SIG_IGN : on_signal);
	signal(SIGTERM, faults.ignore_signals ? SIG_IGN : on_signal);
	signal(SIGUSR1, on_signal);
	if (faults.close_stdio) {
		close(0);
		close(1);
		close(2);
	}
	printf("started\n");
	if (faults.garbage)
		printf("garbage: \xff\xfe\xc3\x28\xf0\x9f :end of garbage\n");
	if (faults.die_before_attach.set) {
		const struct when *death = &faults.die_before_attach;

		wait_ms(death->value);
		finish(death->last < FOREVER_MS ? (int)death->first : 1);
	}
	if (faults.daemonise)
		move_to_child(true);
	if (faults.stall)
		victim = start_victim();
	for (long n = 0; n <= faults.preload; n++)
		ahead[n] = prepare(n + 1);
	while (live(generation <= faults.preload ? ahead[generation] : prepare(generation + 1), generation + 1, victim)) {
		generation++;
		printf("attaching again\n");
	}
	if (victim)
		kill(victim, SIGKILL);
	finish(faults.exit_code);
}
