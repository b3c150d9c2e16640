#pragma once

// Starts a process that dies with the thread that started it. `words` holds, each with a zero behind it, the program's path
// and its arguments (`arguments` in all), then its environment (`variables`). `net` is a network namespace, or -1.
// Returns the process id, or -errno.
int faults_spawn(const char *words, int arguments, int variables, const char *folder, int in, int out, int err, int net);

// A pipe that children do not inherit: its ends for reading and for writing. 0 or -errno; pipe2(2).
int faults_pipe(int *ends);

// A file that can be read once the process has ended, or -errno; pidfd_open(2).
int faults_watch(int pid);

// From here on this process and its children have mounts of their own, which vanish with the last of them. 0 or -errno.
int faults_own_mounts(void);

// A new network namespace as a file, or -errno; it vanishes with the file and its last process.
int faults_new_network(void);

// Binds the image to a free loop device, whose path goes to `path` (of `room` bytes); the device is let go when the
// returned file is closed and nothing is mounted from it. -errno on failure.
int faults_attach(const char *image, const char *folder, char *path, int room);

// The power cut: ext4 stops here and now, without its journal written out. 0 or -errno.
int faults_cut_power(const char *mounted);

// mount(2) and umount(2): 0 or -errno.
int faults_mount(const char *what, const char *where, const char *type, const char *data);
int faults_bind(const char *what, const char *where);
int faults_unmount(const char *where);
