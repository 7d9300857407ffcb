/* Lets halod's writes and syncs of some files fail with EIO. Preloaded; which files, the file says that HALOD_SOAK_FAULTS
 * names: 4096 bytes, of which the last is zero, with a line for each fault:
 *
 *   write PATH    writes fail
 *   torn PATH     half is written, then they fail
 *   sync PATH     syncs fail
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *faults;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HALOD_SOAK_FAULTS");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        faults = mapped;
    close(fd);
}

static int has(const char *fault, int fd) {
    if (!faults || !faults[0])
        return 0;
    int before = errno;
    char link[32], path[PATH_MAX], line[PATH_MAX + 16];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0)
        return 0;
    path[length] = 0;
    snprintf(line, sizeof line, "%s %s\n", fault, path);
    return strstr(faults, line) != NULL;
}

static ssize_t fail(void) {
    errno = EIO;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    if (has("write", fd))
        return fail();
    if (has("torn", fd)) {
        syscall(SYS_write, fd, bytes, count / 2);
        return fail();
    }
    return syscall(SYS_write, fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return has("write", fd) || has("torn", fd) ? fail() : syscall(SYS_writev, fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    return has("write", fd) || has("torn", fd) ? fail() : syscall(SYS_pwrite64, fd, bytes, count, at);
}

int fsync(int fd) {
    return has("sync", fd) ? (int)fail() : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return has("sync", fd) ? (int)fail() : (int)syscall(SYS_fdatasync, fd);
}
