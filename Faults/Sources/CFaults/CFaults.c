#define _GNU_SOURCE
#include "CFaults.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

#define EXT4_SHUTDOWN _IOR('X', 125, __u32)
#define EXT4_WITHOUT_LOG_FLUSH 2u

// Between fork and exec of a process with threads: system calls only.
static void become(char *const *argv, char *const *envp, const char *folder, int in, int out, int err, int net, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (net >= 0 && setns(net, CLONE_NEWNET) != 0) _exit(125);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || chdir(folder) != 0) _exit(125);
    execve(argv[0], argv, envp);
    _exit(127);
}

int faults_spawn(const char *words, int arguments, int variables, const char *folder, int in, int out, int err, int net) {
    const char **list = calloc((size_t)(arguments + variables + 2), sizeof *list);
    if (!list) return -ENOMEM;
    const char **at = list;
    for (int i = 0; i < arguments + variables; i++, words += strlen(words) + 1) {
        if (i == arguments) at++;
        *at++ = words;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) become((char *const *)list, (char *const *)(list + arguments + 1), folder, in, out, err, net, parent);
    int number = errno;
    free(list);
    return pid < 0 ? -number : pid;
}

int faults_pipe(int *ends) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno; }

int faults_watch(int pid) {
    int file = (int)syscall(SYS_pidfd_open, pid, 0);
    return file < 0 ? -errno : file;
}

static int put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    int number = write(file, text, strlen(text)) < 0 ? -errno : 0;
    close(file);
    return number;
}

// Who is not root becomes it in a user namespace of its own, where networks and mounts of its own are allowed.
static int become_root(void) {
    char users[64], groups[64];
    snprintf(users, sizeof users, "0 %d 1", (int)geteuid());
    snprintf(groups, sizeof groups, "0 %d 1", (int)getegid());
    // A network of its own at once: it could not come back to the one it was in.
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return -errno;
    int number = put("/proc/self/setgroups", "deny");
    if (number == 0) number = put("/proc/self/uid_map", users);
    return number == 0 ? put("/proc/self/gid_map", groups) : number;
}

int faults_own_mounts(void) {
    if (geteuid() != 0) {
        int number = become_root();
        if (number < 0) return number;
    }
    if (unshare(CLONE_NEWNS) != 0) return -errno;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 ? 0 : -errno;
}

int faults_new_network(void) {
    // Of this thread alone, for a moment.
    int before = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (before < 0) return -errno;
    int made = -1, number = 0;
    if (unshare(CLONE_NEWNET) != 0) {
        number = errno;
    } else {
        made = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        if (made < 0) number = errno;
        if (setns(before, CLONE_NEWNET) != 0) abort();
    }
    close(before);
    return made < 0 ? -number : made;
}

// The device's own file, or one made for it where /dev does not show it.
static int open_loop(int index, const char *folder, char *path, int room) {
    snprintf(path, (size_t)room, "/dev/loop%d", index);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file >= 0 || errno != ENOENT) return file;
    snprintf(path, (size_t)room, "%s/loop%d", folder, index);
    if (mknod(path, S_IFBLK | 0600, makedev(7, (unsigned)index)) != 0 && errno != EEXIST) return -1;
    return open(path, O_RDWR | O_CLOEXEC);
}

int faults_attach(const char *image, const char *folder, char *path, int room) {
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) return -errno;
    int backing = open(image, O_RDWR | O_CLOEXEC), file = -1, number = errno;
    // Another process may take the free device first: then the next one.
    for (int attempt = 0; backing >= 0 && attempt < 64; attempt++) {
        int index = ioctl(control, LOOP_CTL_GET_FREE);
        if (index < 0 || (file = open_loop(index, folder, path, room)) < 0) {
            number = errno;
            break;
        }
        struct loop_config config = {.fd = (__u32)backing, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
        if (ioctl(file, LOOP_CONFIGURE, &config) == 0) break;
        number = errno;
        close(file);
        file = -1;
        if (number != EBUSY) break;
    }
    if (backing >= 0) close(backing);
    close(control);
    return file < 0 ? -number : file;
}

int faults_cut_power(const char *mounted) {
    int file = open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return -errno;
    __u32 how = EXT4_WITHOUT_LOG_FLUSH;
    int number = ioctl(file, EXT4_SHUTDOWN, &how) == 0 ? 0 : -errno;
    close(file);
    return number;
}

int faults_mount(const char *what, const char *where, const char *type, const char *data) {
    return mount(what, where, type, MS_NOATIME, data) == 0 ? 0 : -errno;
}

int faults_bind(const char *what, const char *where) { return mount(what, where, NULL, MS_BIND, NULL) == 0 ? 0 : -errno; }

int faults_unmount(const char *where) { return umount2(where, 0) == 0 ? 0 : -errno; }
