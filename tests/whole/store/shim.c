/* Stands between a process and the disk. For files whose name contains ".db" or ends in "says":
 * STORE_RECORD=FILE   appends every write, truncation and sync, so that a test can rebuild what a power failure leaves;
 * STORE_FAULT=FOLDER  while FOLDER/full exists writes fail with ENOSPC, while FOLDER/readonly exists with EROFS, and while
 *                     FOLDER/slow exists a sync takes 300 ms more. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int record = -2;

struct entry {
    uint32_t what; /* 0 write, 1 truncate, 2 sync, 3 remove */
    uint32_t file; /* 0 database, 1 log, 2 rollback journal, 3 says */
    uint64_t offset, length;
};

static ssize_t raw_write(int fd, const void *bytes, size_t length) { return syscall(SYS_write, fd, bytes, length); }

/* Which file a path is: -1 for one that does not matter. */
static int named(const char *path) {
    size_t length = strlen(path);
    /* Shared memory is no file to keep. */
    if (strstr(path, "-shm")) return -1;
    if (strstr(path, ".db-wal")) return 1;
    if (strstr(path, ".db-journal")) return 2;
    if (strstr(path, ".db")) return 0;
    return length > 5 && !strcmp(path + length - 5, "/says") ? 3 : -1;
}

/* Which file a descriptor is. */
static int which(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return -1;
    path[length] = 0;
    return named(path);
}

static void note(uint32_t what, int file, uint64_t offset, const void *bytes, uint64_t length) {
    if (record == -2) {
        const char *path = getenv("STORE_RECORD");
        record = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    }
    if (record < 0) return;
    struct entry entry = {what, (uint32_t)file, offset, length};
    raw_write(record, &entry, sizeof entry);
    if (bytes) raw_write(record, bytes, length);
}

static int has(const char *name) {
    const char *folder = getenv("STORE_FAULT");
    char path[4096];
    if (!folder) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static int fault(int file) {
    if (file > 1) return 0;
    if (has("full")) return ENOSPC;
    return has("readonly") ? EROFS : 0;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    int file = which(fd);
    if (file < 0) return syscall(SYS_pwrite64, fd, bytes, length, offset);
    int error = fault(file);
    if (error) { errno = error; return -1; }
    pthread_mutex_lock(&lock);
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (written > 0) note(0, file, offset, bytes, written);
    pthread_mutex_unlock(&lock);
    return written;
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return pwrite(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
    int file = which(fd);
    if (file < 0) return raw_write(fd, bytes, length);
    int error = fault(file);
    if (error) { errno = error; return -1; }
    pthread_mutex_lock(&lock);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t written = raw_write(fd, bytes, length);
    if (written > 0) note(0, file, offset, bytes, written);
    pthread_mutex_unlock(&lock);
    return written;
}

int ftruncate(int fd, off_t length) {
    int file = which(fd);
    if (file >= 0) {
        int error = fault(file);
        if (error) { errno = error; return -1; }
    }
    pthread_mutex_lock(&lock);
    int outcome = syscall(SYS_ftruncate, fd, length);
    if (!outcome && file >= 0) note(1, file, length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return outcome;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

int unlink(const char *path) {
    int file = named(path);
    pthread_mutex_lock(&lock);
    int outcome = syscall(SYS_unlink, path);
    if (!outcome && file >= 0) note(3, file, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return outcome;
}

static int sync_with(long number, int fd) {
    int file = which(fd);
    if (file >= 0 && has("slow")) usleep(300000);
    pthread_mutex_lock(&lock);
    /* What is rebuilt does not depend on this host's disk: the recording stands for it. */
    int outcome = getenv("STORE_RECORD") ? 0 : syscall(number, fd);
    if (!outcome && file >= 0) note(2, file, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return outcome;
}
int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }
