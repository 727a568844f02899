/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls that are left: memory, threads, time, and files that Landlock leaves. Those of a newer kernel than this list
 * fail with ENOSYS, which the C library takes for an older kernel; all others with EPERM.
 */
#define _GNU_SOURCE
#include "common/sandbox.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#if defined(ARCH) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

enum { NUMBERS_KNOWN = 434, PROGRAM_MAX = 512 };

static const int calls[] = {
	/* files */
	__NR_read, __NR_write, __NR_readv, __NR_writev, __NR_pread64, __NR_pwrite64, __NR_preadv, __NR_pwritev, __NR_openat,
	__NR_close, __NR_lseek, __NR_fstat, __NR_statx, __NR_statfs, __NR_fstatfs, __NR_faccessat, __NR_readlinkat,
	__NR_getdents64, __NR_getcwd, __NR_mkdirat, __NR_unlinkat, __NR_renameat2, __NR_ftruncate, __NR_fallocate,
	__NR_fsync, __NR_fdatasync, __NR_fadvise64, __NR_readahead, __NR_copy_file_range, __NR_sendfile, __NR_flock,
	__NR_fcntl, __NR_dup, __NR_dup3, __NR_pipe2, __NR_ppoll, __NR_pselect6, __NR_eventfd2, __NR_memfd_create, __NR_umask,
	/* memory */
	__NR_mmap, __NR_munmap, __NR_mremap, __NR_mprotect, __NR_madvise, __NR_brk, __NR_msync, __NR_mincore, __NR_mlock,
	__NR_munlock, __NR_membarrier, __NR_mbind, __NR_get_mempolicy, __NR_set_mempolicy,
	/* threads */
	__NR_futex, __NR_set_robust_list, __NR_get_robust_list, __NR_set_tid_address, __NR_rseq, __NR_sched_yield,
	__NR_sched_getaffinity, __NR_sched_setaffinity, __NR_sched_getparam, __NR_sched_getscheduler,
	__NR_sched_get_priority_max, __NR_sched_get_priority_min, __NR_getcpu, __NR_exit, __NR_exit_group,
	/* time */
	__NR_clock_gettime, __NR_clock_getres, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday, __NR_times,
	__NR_setitimer, __NR_getitimer, __NR_timer_create, __NR_timer_settime, __NR_timer_gettime, __NR_timer_delete,
	/* signals of its own */
	__NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_rt_sigpending, __NR_rt_sigtimedwait,
	__NR_rt_sigsuspend, __NR_sigaltstack, __NR_restart_syscall,
	/* what it is told */
	__NR_getpid, __NR_gettid, __NR_getppid, __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid, __NR_getrlimit,
	__NR_setrlimit, __NR_getrusage, __NR_getrandom, __NR_uname, __NR_sysinfo, __NR_getpriority,
#ifdef __NR_newfstatat
	__NR_newfstatat,
#endif
#ifdef __NR_faccessat2
	__NR_faccessat2,
#endif
#ifdef __NR_renameat
	__NR_renameat,
#endif
#ifdef __x86_64__
	__NR_open, __NR_stat, __NR_lstat, __NR_access, __NR_readlink, __NR_mkdir, __NR_rmdir, __NR_unlink, __NR_rename,
	__NR_poll, __NR_select, __NR_dup2, __NR_pipe, __NR_getdents, __NR_time, __NR_alarm, __NR_arch_prctl,
#endif
};

/* Calls of which one argument decides. */
enum test { IS, HAS };

struct rule {
	int call, argument;
	enum test test;
	uint32_t value;
};

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short n;
};

static void add(struct program *p, struct sock_filter instruction)
{
	if (p->n < PROGRAM_MAX) {
		p->code[p->n] = instruction;
	}
	p->n++;
}

#define LOAD(field) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field)))
#define RETURN(what) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what))
#define IF(op, value, yes, no) ((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, value, yes, no))

/* Another kind of system calls of the same kernel (32 bits, x32) has other numbers. */
static void check_kind(struct program *p)
{
	add(p, LOAD(arch));
	add(p, IF(BPF_JEQ, ARCH, 1, 0));
	add(p, RETURN(SECCOMP_RET_KILL_PROCESS));
	add(p, LOAD(nr));
	add(p, IF(BPF_JGE, 0x40000000, 0, 1));
	add(p, RETURN(SECCOMP_RET_KILL_PROCESS));
}

/* The lower half of the argument: the kernel takes these as int. */
static void allow_some(struct program *p, const struct rule *r)
{
	add(p, IF(BPF_JEQ, (uint32_t)r->call, 0, 4));
	add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)r->argument)));
	add(p, IF(r->test == IS ? BPF_JEQ : BPF_JSET, r->value, 0, 1));
	add(p, RETURN(SECCOMP_RET_ALLOW));
	add(p, LOAD(nr)); /* for the next rule */
}

static void build(struct program *p)
{
	const uint32_t self = (uint32_t)getpid();
	const struct rule rules[] = {
		{__NR_clone, 0, HAS, CLONE_THREAD}, {__NR_kill, 0, IS, self}, {__NR_tgkill, 0, IS, self}, {__NR_prlimit64, 0, IS, 0},
		{__NR_ioctl, 1, IS, TCGETS}, {__NR_ioctl, 1, IS, FIONREAD}, {__NR_ioctl, 1, IS, TIOCGWINSZ},
		{__NR_prctl, 0, IS, PR_SET_NAME}, {__NR_prctl, 0, IS, PR_GET_NAME}, {__NR_prctl, 0, IS, 0x53564d41 /* PR_SET_VMA */},
		{__NR_prctl, 0, IS, PR_SET_THP_DISABLE}, {__NR_prctl, 0, IS, PR_GET_DUMPABLE},
	};

	check_kind(p);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		add(p, IF(BPF_JEQ, (uint32_t)calls[i], 0, 1));
		add(p, RETURN(SECCOMP_RET_ALLOW));
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		allow_some(p, &rules[i]);
	}
	add(p, IF(BPF_JGT, NUMBERS_KNOWN, 0, 1));
	add(p, RETURN(SECCOMP_RET_ERRNO | ENOSYS));
	add(p, RETURN(SECCOMP_RET_ERRNO | EPERM));
}

bool qb_sandbox_calls(char *why, size_t why_len)
{
	struct program p = {.n = 0};
	struct sock_fprog program = {.filter = p.code};
	long rc;

	build(&p);
	program.len = p.n;
	rc = p.n <= PROGRAM_MAX ? syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) : -1;
	if (rc && (errno == ENOSYS || errno == EINVAL)) {
		why ? snprintf(why, why_len, "this kernel lacks seccomp filters: a worker can make any system call") : 0;
		return true;
	}
	if (rc && why) {
		snprintf(why, why_len, "seccomp: %s", strerror(errno));
	}
	return rc == 0;
}

#else

/* Sanitizers trace their own process, and unknown processors number their calls otherwise. */
bool qb_sandbox_calls(char *why, size_t why_len)
{
	why ? snprintf(why, why_len, "this build has no list of system calls: a worker can make any") : 0;
	return true;
}

#endif
