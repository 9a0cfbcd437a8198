/* Writes down every change that a process makes to the files below a folder, in the order that they happen.
 *
 * Loaded with LD_PRELOAD; POWER_ROOT is the folder, POWER_LOG the file to append to. A record is: op (1 byte), inode
 * (8), offset or length (8), length of a path (4), length of a second path or of data (4), then both; little-endian.
 * ops: C file made or cut to nothing, W write, T set length, F file or folder synced, R rename, U unlink, M mkdir.
 * SQLite's shared memory (-shm, mapped) is not seen: it is made anew after a crash.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char root[PATH_MAX];
static size_t root_length;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("POWER_ROOT"), *log = getenv("POWER_LOG");
    if (folder && log && realpath(folder, root)) {
        root_length = strlen(root);
        log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

static int below(const char *path) {
    return log_fd >= 0 && strncmp(path, root, root_length) == 0 && path[root_length] == '/';
}

static void note(char op, uint64_t inode, uint64_t offset, const char *path, const void *more, uint32_t more_length) {
    unsigned char head[25];
    uint32_t path_length = path ? strlen(path) - root_length - 1 : 0;
    head[0] = op;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &path_length, 4);
    memcpy(head + 21, &more_length, 4);
    struct iovec parts[3] = {{head, 25}, {path ? (void *)(path + root_length + 1) : NULL, path_length},
                             {(void *)more, more_length}};
    if (writev(log_fd, parts, 3) != (ssize_t)(25 + path_length + more_length)) abort();
}

/* The path of an open file if it is below the root, and its inode; deleted files too. */
static int watched(int fd, char *path, uint64_t *inode) {
    char link[64];
    struct stat found;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (strcmp(path, root) != 0 && !below(path)) return 0;
    if (log_fd < 0 || fstat(fd, &found) != 0) return 0;
    *inode = found.st_ino;
    return 1;
}

/* The whole path of a name, its folder resolved; the name itself need not exist. */
static int resolve(int folder, const char *name, char *out) {
    char whole[PATH_MAX], parent[PATH_MAX];
    if (name[0] == '/') snprintf(whole, sizeof whole, "%s", name);
    else {
        char base[PATH_MAX] = "", link[64];
        if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
        else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length <= 0) return 0;
            base[length] = 0;
        }
        if (snprintf(whole, sizeof whole, "%s/%s", base, name) >= (int)sizeof whole) return 0;
    }
    char *slash = strrchr(whole, '/');
    *slash = 0;
    if (!realpath(slash == whole ? "/" : whole, parent)) return 0;
    return snprintf(out, PATH_MAX, "%s/%s", parent, slash + 1) < PATH_MAX && below(out);
}

static int do_open(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    uint64_t inode;
    int changes = flags & (O_CREAT | O_TRUNC);
    if (!changes || log_fd < 0) return REAL(openat)(folder, name, flags, mode);
    pthread_mutex_lock(&guard);
    int was = faccessat(folder, name, F_OK, 0) == 0;
    int fd = REAL(openat)(folder, name, flags, mode), kept = errno;
    if (fd >= 0 && (!was || (flags & O_TRUNC)) && watched(fd, path, &inode)) note('C', inode, was, path, NULL, 0);
    pthread_mutex_unlock(&guard);
    errno = kept;
    return fd;
}

#define MODE va_list rest; va_start(rest, flags); mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; va_end(rest)
int open(const char *name, int flags, ...) { MODE; return do_open(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE; return do_open(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE; if (log_fd < 0) return REAL(openat)(folder, name, flags, mode); return do_open(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE; return do_open(folder, name, flags, mode); }

static ssize_t do_write(int fd, const void *data, size_t size, off_t offset, int placed) {
    char path[PATH_MAX];
    uint64_t inode;
    pthread_mutex_lock(&guard);
    int seen = watched(fd, path, &inode);
    if (seen && !placed) {
        offset = lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    }
    ssize_t done = placed ? REAL(pwrite)(fd, data, size, offset) : REAL(write)(fd, data, size);
    int kept = errno;
    if (done > 0 && seen) note('W', inode, offset, NULL, data, done);
    pthread_mutex_unlock(&guard);
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *data, size_t size) { return do_write(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return do_write(fd, data, size, offset, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return do_write(fd, data, size, offset, 1); }

static int on_file(char op, int fd, uint64_t value, int (*act)(int, uint64_t)) {
    char path[PATH_MAX];
    uint64_t inode;
    pthread_mutex_lock(&guard);
    int done = act(fd, value), kept = errno;
    if (done == 0 && watched(fd, path, &inode)) note(op, inode, value, strcmp(path, root) ? path : NULL, NULL, 0);
    pthread_mutex_unlock(&guard);
    errno = kept;
    return done;
}

static int cut(int fd, uint64_t length) { return REAL(ftruncate)(fd, length); }
static int sync_all(int fd, uint64_t none) { (void)none; return REAL(fsync)(fd); }
static int sync_data(int fd, uint64_t none) { (void)none; return REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t length) { return on_file('T', fd, length, cut); }
int ftruncate64(int fd, off64_t length) { return on_file('T', fd, length, cut); }
int fsync(int fd) { return on_file('F', fd, 0, sync_all); }
int fdatasync(int fd) { return on_file('F', fd, 0, sync_data); }

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    char here[PATH_MAX], there[PATH_MAX];
    pthread_mutex_lock(&guard);
    int seen = resolve(from_folder, from, here) && resolve(to_folder, to, there);
    int done = REAL(renameat)(from_folder, from, to_folder, to), kept = errno;
    if (done == 0 && seen) note('R', 0, 0, here, there + root_length + 1, strlen(there) - root_length - 1);
    pthread_mutex_unlock(&guard);
    errno = kept;
    return done;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    pthread_mutex_lock(&guard);
    int seen = resolve(folder, name, path);
    int done = REAL(unlinkat)(folder, name, flags), kept = errno;
    if (done == 0 && seen) note('U', 0, 0, path, NULL, 0);
    pthread_mutex_unlock(&guard);
    errno = kept;
    return done;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    struct stat found;
    pthread_mutex_lock(&guard);
    int done = REAL(mkdirat)(folder, name, mode), kept = errno;
    if (done == 0 && resolve(folder, name, path) && stat(path, &found) == 0) note('M', found.st_ino, 0, path, NULL, 0);
    pthread_mutex_unlock(&guard);
    errno = kept;
    return done;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
