/* SPDX-License-Identifier: Apache-2.0
 *
 * A process in the sandbox tries everything that it must not do, and what it needs to compute.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/sandbox.h"
#include "tests/unit/lacks.h"

static char top[] = "/tmp/qb-sandbox-XXXXXX";
static char path[8][200];
enum { SCRATCH, INPUTS, INPUT, OTHER, SECRET, MADE, MOVED, LINK };
static pid_t victim; /* a process of the same user */

static bool is_refusal(int error)
{
	return error == EPERM || error == EACCES || error == EROFS;
}

static bool fails(long rc)
{
	return rc < 0 && (is_refusal(errno) || errno == ENOSYS || errno == EXDEV);
}

static bool opens(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

static bool refuses(const char *name, int flags)
{
	return !opens(name, flags) && (is_refusal(errno) || errno == ENOENT);
}

/* Each is true where the action is refused. */
#define FORBIDDEN(X) \
	X(socket_of_tcp, fails(socket(AF_INET, SOCK_STREAM, 0))) \
	X(socket_of_udp, fails(socket(AF_INET6, SOCK_DGRAM, 0))) \
	X(socket_of_unix, fails(socket(AF_UNIX, SOCK_STREAM, 0))) \
	X(socket_of_netlink, fails(socket(AF_NETLINK, SOCK_RAW, 0))) \
	X(pair_of_sockets, fails(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}))) \
	X(program, fails(execl("/bin/true", "true", (char *)NULL))) \
	X(program_by_descriptor, fails(syscall(__NR_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0))) \
	X(fork, fails(fork())) \
	X(clone_of_a_process, fails(syscall(__NR_clone, SIGCHLD, NULL, NULL, NULL, NULL))) \
	X(clone3, fails(syscall(435, NULL, 0))) \
	X(session_of_its_own, fails(setsid())) \
	X(trace_of_another, fails(ptrace(PTRACE_ATTACH, victim, NULL, NULL))) \
	X(trace_by_the_parent, fails(ptrace(PTRACE_TRACEME, 0, NULL, NULL))) \
	X(memory_of_another, fails(process_vm_readv(victim, &(struct iovec){top, 1}, 1, &(struct iovec){top, 1}, 1, 0))) \
	X(signal_to_another, fails(kill(victim, SIGTERM))) \
	X(signal_to_all, fails(kill(-1, 0))) \
	X(signal_to_the_parent, fails(kill(getppid(), 0))) \
	X(descriptor_of_a_process, fails(syscall(434, victim, 0))) \
	X(limits_of_another, fails(prlimit(victim, RLIMIT_CORE, NULL, NULL))) \
	X(database, refuses(path[SECRET], O_RDONLY)) \
	X(database_to_write, refuses(path[SECRET], O_WRONLY)) \
	X(folder_of_others, refuses(path[OTHER], O_RDONLY | O_DIRECTORY)) \
	X(file_beside_the_folders, refuses(path[MADE], O_WRONLY | O_CREAT)) \
	X(input_to_write, refuses(path[INPUT], O_WRONLY)) \
	X(input_to_cut, refuses(path[INPUT], O_WRONLY | O_TRUNC)) \
	X(input_to_remove, fails(unlink(path[INPUT]))) \
	X(input_to_move, fails(rename(path[INPUT], path[MOVED]))) \
	X(mode_of_an_input, fails(chmod(path[INPUT], 0777))) \
	X(owner_of_an_input, fails(chown(path[INPUT], 0, 0))) \
	X(link_to_an_input, fails(link(path[INPUT], path[LINK]))) \
	X(link_to_the_database, fails(symlink(path[SECRET], path[LINK]))) \
	X(passwords, refuses("/etc/shadow", O_RDONLY)) \
	X(users, refuses("/etc/passwd", O_RDONLY)) \
	X(environment_of_another, refuses("/proc/1/environ", O_RDONLY)) \
	X(memory_of_the_machine, refuses("/dev/mem", O_RDONLY)) \
	X(namespaces, fails(unshare(CLONE_NEWUSER))) \
	X(mount, fails(syscall(__NR_mount, "none", "/tmp", "tmpfs", 0, NULL))) \
	X(root_folder, fails(chroot("/tmp"))) \
	X(keys, fails(syscall(__NR_keyctl, 0, 0, 0, 0, 0))) \
	X(bpf, fails(syscall(__NR_bpf, 0, NULL, 0))) \
	X(io_uring, fails(syscall(425, 1, NULL))) \
	X(userfaultfd, fails(syscall(__NR_userfaultfd, 0))) \
	X(performance_counters, fails(syscall(__NR_perf_event_open, &(struct perf_event_attr){0}, 0, -1, -1, 0))) \
	X(module, fails(syscall(__NR_init_module, NULL, 0, ""))) \
	X(user, fails(setuid(getuid()))) \
	X(clock, fails(clock_settime(CLOCK_REALTIME, &(struct timespec){0}))) \
	X(name_of_the_machine, fails(sethostname("x", 1))) \
	X(new_privileges, fails(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0))) \
	X(death_signal, fails(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0))) \
	X(input_of_a_terminal, fails(ioctl(0, 0x5412 /* TIOCSTI */, "x")))

static void *touch(void *arg)
{
	*(int *)arg = 7;
	return NULL;
}

static bool runs_a_thread(void)
{
	pthread_t t;
	int value = 0;

	return pthread_create(&t, NULL, touch, &value) == 0 && pthread_join(t, NULL) == 0 && value == 7;
}

/* oneDNN writes code. */
static bool runs_written_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool handles_its_own_signal(void)
{
	return signal(SIGUSR1, SIG_IGN) != SIG_ERR && raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0;
}

static bool writes_and_removes(void)
{
	char name[300], other[300];
	int fd;
	bool ok;

	snprintf(name, sizeof(name), "%s/a", path[SCRATCH]);
	snprintf(other, sizeof(other), "%s/b", path[SCRATCH]);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ok = fd >= 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0 && fsync(fd) == 0;
	close(fd);
	return ok && rename(name, other) == 0 && unlink(other) == 0 && mkdir(name, 0700) == 0 && rmdir(name) == 0;
}

#define ALLOWED(X) \
	X(input, opens(path[INPUT], O_RDONLY)) \
	X(folder_of_inputs, opens(path[INPUTS], O_RDONLY | O_DIRECTORY)) \
	X(scratch, writes_and_removes()) \
	X(processor, opens("/proc/cpuinfo", O_RDONLY)) \
	X(processors, sysconf(_SC_NPROCESSORS_ONLN) > 0) \
	X(itself, opens("/proc/self/maps", O_RDONLY)) \
	X(nothing, opens("/dev/null", O_RDWR)) \
	X(thread, runs_a_thread()) \
	X(code, runs_written_code()) \
	X(signal, handles_its_own_signal()) \
	X(time, clock_gettime(CLOCK_MONOTONIC, &(struct timespec){0}) == 0 && alarm(100) == 0) \
	X(limit_of_its_own, setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0) \
	X(memory, mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)

#define X(name, expression) static bool try_##name(void) { return expression; }
FORBIDDEN(X)
#undef X
#define X(name, expression) static bool may_##name(void) { return expression; }
ALLOWED(X)
#undef X

struct action {
	const char *name;
	bool (*holds)(void);
};

static const struct action forbidden[] = {
#define X(name, expression) {#name, try_##name},
	FORBIDDEN(X)
#undef X
};
static const struct action allowed[] = {
#define X(name, expression) {#name, may_##name},
	ALLOWED(X)
#undef X
};

/* Another machine: what its kernel answers to the calls that the sandbox needs (0: as here), and who runs the worker. */
struct machine {
	int landlock, namespaces, seccomp;
	bool user; /* not root */
};

enum { NOBODY = 65534 };

static bool pretend(const struct machine *m)
{
	const struct {
		int call, error;
	} calls[] = {{__NR_landlock_create_ruleset, m->landlock}, {__NR_unshare, m->namespaces}, {__NR_seccomp, m->seccomp}};
	struct sock_filter code[10] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
	struct sock_fprog program = {.len = 1, .filter = code};

	for (int i = 0; i < 3; i++) {
		if (calls[i].error) {
			code[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].call, 0, 1);
			code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)calls[i].error);
		}
	}
	code[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (m->user && geteuid() == 0 && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))) {
		return false;
	}
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* that of a program which began as this user */
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		(program.len == 2 || syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}

/* Whether it holds of a child in the sandbox, that then goes on. */
static bool holds(const struct machine *m, const struct action *a)
{
	const char *readable[] = {path[INPUTS], NULL}, *writable[] = {path[SCRATCH], "/nonexistent", NULL};
	const struct qb_sandbox s = {.readable = readable, .writable = writable};
	char why[300];
	int status;
	pid_t child = fork();

	if (child == 0) {
		_exit(!pretend(m) || !qb_sandbox_enter(&s, why, sizeof(why)) || *why ? 2 : !a->holds());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void all_hold(const struct machine *m, const struct action *a, size_t n)
{
	int wrong = 0;

	for (size_t i = 0; i < n; i++) {
		if (!holds(m, &a[i])) {
			print_error("%s\n", a[i].name);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void the_sandbox_holds(struct machine m)
{
	for (int user = 0; user < 2; user++) {
		m.user = user;
		all_hold(&m, forbidden, sizeof(forbidden) / sizeof(forbidden[0]));
		all_hold(&m, allowed, sizeof(allowed) / sizeof(allowed[0]));
	}
	assert_int_equal(kill(victim, 0), 0);
}

static void sandbox__all_that_this_kernel_has__refuses_every_forbidden_action(void **state)
{
	(void)state;
	the_sandbox_holds((struct machine){0});
}

static void sandbox__kernel_without_namespaces__refuses_every_forbidden_action(void **state)
{
	(void)state;
	if (!qb_sandbox_landlock()) {
		lacks("landlock", "this kernel keeps no process to folders");
	}
	the_sandbox_holds((struct machine){.namespaces = EPERM});
}

/* Whether an ordinary user may have them, too. */
static bool has_namespaces(void)
{
	const struct machine user = {.user = true};
	int status;
	pid_t child = fork();

	if (child == 0) {
		_exit(!pretend(&user) || !qb_sandbox_root_works());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return qb_sandbox_root_works() && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void sandbox__kernel_without_landlock__refuses_every_forbidden_action(void **state)
{
	(void)state;
	if (!has_namespaces()) {
		lacks("namespaces", "a process can have no root folder of its own");
	}
	the_sandbox_holds((struct machine){.landlock = ENOSYS});
}

/* The list is worth something only where the actions work outside. */
static void no_sandbox__the_same_actions__work(void **state)
{
	(void)state;
	assert_true(opens(path[SECRET], O_RDWR) && opens(path[INPUT], O_WRONLY) && opens("/etc/passwd", O_RDONLY));
	assert_false(try_socket_of_tcp() || try_pair_of_sockets());
	assert_true(may_thread() && may_scratch());
}

/* Whether a process enters on that machine, and what it is told. */
static bool enters(const struct machine *m, char why[300])
{
	const struct qb_sandbox s = {.readable = NULL};
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		bool ok = pretend(m) && qb_sandbox_enter(&s, why, 300);

		_exit(write(ends[1], why, 300) == 300 ? !ok : 2);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], why, 300), 300);
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static void sandbox__kernel_that_lacks_all__says_so(void **state)
{
	const struct machine m = {.landlock = ENOSYS, .namespaces = EPERM, .seccomp = ENOSYS};
	char why[300] = "";

	(void)state;
	assert_true(enters(&m, why));
	assert_non_null(strstr(why, "lacks Landlock, and a root folder of its own (Operation not permitted)"));
	assert_non_null(strstr(why, "lacks seccomp"));
}

static void sandbox__seccomp_fails_without_landlock__says_that_it_fails(void **state)
{
	const struct machine m = {.landlock = ENOSYS, .namespaces = EPERM, .seccomp = EACCES};
	char why[300] = "";

	(void)state;
	assert_false(enters(&m, why));
	assert_string_equal(why, "seccomp: Permission denied");
}

/* A folder is called by names with links in them: relative, absolute, and back out of a link. */
static void root__folder_behind_links__is_reached_by_its_name(void **state)
{
	char link[300], back[300], file[300];
	const char *readable[] = {link, back, "/nonexistent", NULL};
	const struct qb_sandbox s = {.readable = readable};
	int status;
	pid_t child;

	(void)state;
	if (!qb_sandbox_root_works()) {
		lacks("namespaces", "a process can have no root folder of its own");
	}
	snprintf(link, sizeof(link), "%s/to-inputs", path[SCRATCH]);
	snprintf(back, sizeof(back), "%s/to-inputs/../other", path[SCRATCH]);
	snprintf(file, sizeof(file), "%s/to-inputs/x", path[SCRATCH]);
	assert_int_equal(symlink("../scratch/../inputs", link), 0);
	child = fork();
	if (child == 0) {
		char secret[400];

		snprintf(secret, sizeof(secret), "%s/quantbench.db", back);
		_exit(chdir(top) || qb_sandbox_root(&s) != QB_SANDBOX_HOLDS || !opens(file, O_RDONLY) || !opens("inputs/x", O_RDONLY) ||
			!opens(secret, O_RDONLY) || opens(secret, O_RDWR) || opens("/etc/passwd", O_RDONLY));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(unlink(link), 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int make_files(void **state)
{
	static const char *const names[] = {"scratch", "inputs", "inputs/x", "other", "other/quantbench.db", "made", "scratch/moved", "scratch/link"};

	(void)state;
	if (!mkdtemp(top)) {
		return 1;
	}
	for (int i = 0; i < 8; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%s", top, names[i]);
		if (i == SCRATCH || i == INPUTS || i == OTHER) {
			mkdir(path[i], 0700);
		} else if (i == INPUT || i == SECRET) {
			close(open(path[i], O_WRONLY | O_CREAT, 0600));
		}
		if (geteuid() == 0 && lchown(path[i], NOBODY, NOBODY) && errno != ENOENT) {
			return 1;
		}
	}
	if (chmod(top, 0755)) {
		return 1;
	}
	victim = fork();
	if (victim == 0) {
		pause();
		_exit(0);
	}
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	for (int i = 7; i >= 0; i--) {
		remove(path[i]);
	}
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_sandbox__the_same_actions__work),
		cmocka_unit_test(sandbox__all_that_this_kernel_has__refuses_every_forbidden_action),
		cmocka_unit_test(sandbox__kernel_without_namespaces__refuses_every_forbidden_action),
		cmocka_unit_test(sandbox__kernel_without_landlock__refuses_every_forbidden_action),
		cmocka_unit_test(sandbox__kernel_that_lacks_all__says_so),
		cmocka_unit_test(sandbox__seccomp_fails_without_landlock__says_that_it_fails),
		cmocka_unit_test(root__folder_behind_links__is_reached_by_its_name),
	};

	if (!qb_sandbox_landlock() && !qb_sandbox_root_works()) {
		puts("SKIP: lacks landlock: this kernel keeps no process to folders");
		return 77;
	}
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	puts("SKIP: lacks landlock: sanitizers trace their own process");
	return 77;
#endif
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
