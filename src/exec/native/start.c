/*
 * Starts a command as the only thing in a namespace of processes, with a /proc of its own, so that the kernel ends all of it at once:
 *
 *   start PARENT USER CORE MEMORY SECONDS PROCESSES GROUPS [FILE...] COMMAND [ARGUMENT...]
 *
 * PARENT     the process that starts this; all of it ends when that one does
 * USER       1: in a namespace of users as well, in which the caller is who it is; that takes no rights
 * CORE MEMORY SECONDS PROCESSES  bounds of the command, bytes and counts; -1 for none
 * GROUPS     how many control groups it enters; the FILEs are where
 *
 * With 2 for USER there is such a namespace already, and this becomes the command: PARENT is the descriptor by which it was run, the FILEs are descriptors, and all of them are closed.
 *
 * Ends as the command does: its exit code, 128 + n after signal n, 126 and 127 as shells mean them, 125 when it could not be started.
 * No C library: half of what a small program costs is loading that. Everything is a system call and the numbers below.
 */

typedef long word;

#if defined(__x86_64__)

enum { OPENAT = 257, CLOSE = 3, PIPE = 293, READ = 0, WRITE = 1, CLONE = 56, EXECVE = 59, EXIT = 231, WAIT4 = 61, GETUID = 102, GETGID = 104, GETPPID = 110, PRCTL = 157, MOUNT = 165, UNSHARE = 272, PRLIMIT = 302 };

static word call(word number, word a, word b, word c, word d, word e)
{
	register word r10 __asm__("r10") = d;
	register word r8 __asm__("r8") = e;
	word result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return result;
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall begin\n");

#elif defined(__aarch64__)

enum { OPENAT = 56, CLOSE = 57, PIPE = 59, READ = 63, WRITE = 64, CLONE = 220, EXECVE = 221, EXIT = 94, WAIT4 = 260, GETUID = 174, GETGID = 176, GETPPID = 173, PRCTL = 167, MOUNT = 40, UNSHARE = 97, PRLIMIT = 261 };

static word call(word number, word a, word b, word c, word d, word e)
{
	register word x8 __asm__("x8") = number;
	register word x0 __asm__("x0") = a;
	register word x1 __asm__("x1") = b;
	register word x2 __asm__("x2") = c;
	register word x3 __asm__("x3") = d;
	register word x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}

__asm__(".globl _start\n_start: mov x29, #0\nmov x0, sp\nbl begin\n");

#else
#error "no system calls are known for this processor"
#endif

enum { SIGNAL_CHILD = 17, SIGNAL_KILL = 9, DIES_WITH_PARENT = 1, CURRENT_FOLDER = -100, TO_WRITE = 1, NEVER_WAITS = 04000, CLOSED_ON_EXEC = 02000000 };
enum { NEW_MOUNTS = 0x00020000, NEW_USERS = 0x10000000, NEW_PROCESSES = 0x20000000 };
enum { NO_SETUID = 2, NO_DEVICES = 4, NO_PROGRAMS = 8, RECURSIVE = 0x4000, PRIVATE = 0x40000 };
enum { MEMORY = 9, CORE = 4, SECONDS = 0, PROCESSES = 6 };
enum { NOT_THERE = -2, TOO_LONG = -36, NOT_A_FOLDER = -20, NOT_A_PROGRAM = -8, NOT_ALLOWED = -13 };
enum { FAILED = 125, CANNOT_RUN = 126, NOT_FOUND = 127, LONGEST = 4096 };

static word length(const char *text)
{
	word n = 0;
	while (text[n]) n++;
	return n;
}

static void say(const char *text)
{
	call(WRITE, 2, (word)text, length(text), 0, 0);
}

static void end(word code)
{
	for (;;) call(EXIT, code, 0, 0, 0, 0);
}

static void fail(const char *what)
{
	say("cairn: ");
	say(what);
	say("\n");
	end(FAILED);
}

static word number(const char *text)
{
	word n = 0;
	if (*text == '-') return -1;
	while (*text) n = n * 10 + (*text++ - '0');
	return n;
}

static void put(const char *file, const char *text)
{
	word fd = call(OPENAT, CURRENT_FOLDER, (word)file, TO_WRITE | CLOSED_ON_EXEC, 0, 0);
	if (fd < 0 || call(WRITE, fd, (word)text, length(text), 0, 0) < 0) fail(file);
}

/* "ID ID 1": within as without. */
static void map(const char *file, word id)
{
	char text[64], digits[24];
	word n = 0, at = 0;
	do digits[n++] = (char)('0' + id % 10); while (id /= 10);
	for (int twice = 0; twice < 2; twice++) {
		for (word i = n; i > 0;) text[at++] = digits[--i];
		text[at++] = ' ';
	}
	text[at++] = '1';
	text[at] = 0;
	put(file, text);
}

static void bound(word resource, word value)
{
	word limit[2] = { value, value };
	/* Who may not have that much keeps what it has. */
	if (value >= 0) call(PRLIMIT, 0, resource, (word)limit, 0, 0);
}

static word fork_(void)
{
	return call(CLONE, SIGNAL_CHILD, 0, 0, 0, 0);
}

/* What waits for `child`, and for all that is left to it until then, ends as that does. */
static void end_with(word child)
{
	int status = 0;
	for (;;) {
		word ended = call(WAIT4, -1, (word)&status, 0, 0, 0);
		if (ended == child) end(status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff);
		if (ended < 0 && ended != -4) end(FAILED);
	}
}

/* As execvp(3) tries it: a script that does not say what runs it is one of sh. */
static word try_(const char *file, char **words, char **environment)
{
	word result = call(EXECVE, (word)file, (word)words, (word)environment, 0, 0);
	if (result != NOT_A_PROGRAM) return result;
	/* In front of the words stand others, which nobody needs any more. */
	words[-1] = "/bin/sh";
	words[0] = (char *)file;
	return call(EXECVE, (word) "/bin/sh", (word)(words - 1), (word)environment, 0, 0);
}

static int has_slash(const char *text)
{
	while (*text && *text != '/') text++;
	return *text == '/';
}

static const char *path_in(char **environment)
{
	for (; *environment; environment++) {
		const char *e = *environment;
		if (e[0] == 'P' && e[1] == 'A' && e[2] == 'T' && e[3] == 'H' && e[4] == '=') return e + 5;
	}
	return "/usr/bin:/bin";
}

static word search(char **words, char **environment)
{
	char file[LONGEST];
	const char *program = words[0], *path = path_in(environment);
	word found = NOT_THERE;
	if (has_slash(program)) return try_(program, words, environment);
	for (;;) {
		word n = 0;
		while (*path && *path != ':' && n < LONGEST - 2) file[n++] = *path++;
		if (n > 0) file[n++] = '/';
		for (word i = 0; n < LONGEST - 1 && program[i]; i++) file[n++] = program[i];
		file[n] = 0;
		word result = try_(file, words, environment);
		if (result != NOT_THERE && result != NOT_A_FOLDER && result != TOO_LONG) found = result;
		while (*path && *path != ':') path++;
		if (!*path++) return found;
	}
}

static void become(char **words, char **environment)
{
	const char *program = words[0];
	word result = search(words, environment);
	int missing = result == NOT_THERE || result == NOT_A_FOLDER;
	say("cairn: ");
	say(program);
	say(missing ? ": not found\n" : result == NOT_ALLOWED ? ": permission denied\n" : ": it cannot be run\n");
	end(missing ? NOT_FOUND : CANNOT_RUN);
}

static void bound_by(char **words)
{
	bound(CORE, number(words[3]));
	bound(MEMORY, number(words[4]));
	bound(SECONDS, number(words[5]));
	bound(PROCESSES, number(words[6]));
}

static void become_within(char **words, char **environment)
{
	word groups = number(words[7]);
	for (word i = 0; i < groups; i++) {
		word fd = number(words[8 + i]);
		if (call(WRITE, fd, (word) "0", 1, 0, 0) < 0) fail("a control group could not be entered");
		call(CLOSE, fd, 0, 0, 0, 0);
	}
	call(CLOSE, number(words[1]), 0, 0, 0, 0);
	bound_by(words);
	become(words + 8 + groups, environment);
}

__attribute__((used)) void begin(word *stack)
{
	word count = stack[0];
	char **words = (char **)(stack + 1), **environment = words + count + 1;
	if (count < 9) fail("start: not by itself");
	if (number(words[2]) == 2) become_within(words, environment);

	/* One that ended before this asked is not its parent any more. */
	call(PRCTL, DIES_WITH_PARENT, SIGNAL_KILL, 0, 0, 0);
	if (call(GETPPID, 0, 0, 0, 0, 0) != number(words[1])) end(FAILED);

	word as_user = number(words[2]), groups = number(words[7]);
	for (word i = 0; i < groups; i++) put(words[8 + i], "0");

	word user = call(GETUID, 0, 0, 0, 0, 0), group = call(GETGID, 0, 0, 0, 0, 0);
	if (call(UNSHARE, NEW_PROCESSES | NEW_MOUNTS | (as_user ? NEW_USERS : 0), 0, 0, 0, 0) < 0) fail("no namespace could be made");
	if (as_user) {
		put("/proc/self/setgroups", "deny");
		map("/proc/self/uid_map", user);
		map("/proc/self/gid_map", group);
		/* Other rights may have taken it. */
		call(PRCTL, DIES_WITH_PARENT, SIGNAL_KILL, 0, 0, 0);
	}

	/* Has an end as long as its maker lives. */
	int life[2];
	if (call(PIPE, (word)life, NEVER_WAITS | CLOSED_ON_EXEC, 0, 0, 0) < 0) fail("no pipe could be made");
	word first = fork_();
	if (first < 0) fail("no process could be started");
	if (first > 0) end_with(first);

	/* The first process in there. Signals mean other things to it than to any other, so that it is not the command itself; and its parent, which may be gone by now, has no number there. */
	char nothing;
	call(PRCTL, DIES_WITH_PARENT, SIGNAL_KILL, 0, 0, 0);
	call(CLOSE, life[1], 0, 0, 0, 0);
	if (call(READ, life[0], (word)&nothing, 1, 0, 0) == 0) end(FAILED);
	call(CLOSE, life[0], 0, 0, 0, 0);
	if (call(MOUNT, (word) "none", (word) "/", 0, RECURSIVE | PRIVATE, 0) < 0) fail("its mounts could not be kept apart");
	if (call(MOUNT, (word) "proc", (word) "/proc", (word) "proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS, 0) < 0) fail("/proc could not be mounted");
	bound_by(words);
	word command = fork_();
	if (command < 0) fail("no process could be started");
	if (command == 0) become(words + 8 + groups, environment);
	end_with(command);
}
