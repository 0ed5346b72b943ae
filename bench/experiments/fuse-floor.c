// What `find` through a mount takes at least: a server that has a tree of 102,060 files in memory, and does nothing but answer.
//   cc -O2 -o /tmp/floor bench/experiments/fuse-floor.c && mkdir /tmp/at && /tmp/floor /tmp/at [SPIN_US] &      (as root)
//   cd /tmp/at && time find . -size +1 > /dev/null; cd / && umount /tmp/at        (it prints how many requests of each kind there were)
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LEVELS = 4, INODES = 200000, OPCODES = 64, BUFFER = 1 << 21 };
static const int children_at[LEVELS + 1] = {7, 9, 9, 9, 20};
static struct { unsigned long first; unsigned count; } directories[INODES];
static unsigned long next_inode = 2, requests[OPCODES];
static char in[BUFFER], out[BUFFER];

static void grow(unsigned long inode, int level) {
  directories[inode].first = next_inode;
  directories[inode].count = children_at[level];
  next_inode += children_at[level];
  for (int i = 0; level < LEVELS && i < children_at[level]; i++) grow(directories[inode].first + i, level + 1);
}

static void put_attr(struct fuse_attr *attr, unsigned long inode) {
  int is_directory = directories[inode].count > 0;
  memset(attr, 0, sizeof *attr);
  attr->ino = inode;
  attr->size = 1024;
  attr->blocks = 8;
  attr->atime = attr->mtime = attr->ctime = 1700000000;
  attr->mode = is_directory ? S_IFDIR | 0755 : S_IFREG | 0644;
  attr->nlink = is_directory ? 2 : 1;
  attr->blksize = 4096;
}

static size_t list(unsigned long inode, const struct fuse_read_in *asked, int plus, char *to) {
  size_t used = 0, entry_bytes = plus ? sizeof(struct fuse_entry_out) : 0;
  for (unsigned long i = asked->offset; i < directories[inode].count; i++) {
    char name[40];
    unsigned long child = directories[inode].first + i;
    int length = sprintf(name, "controller-%lx.ts", child);
    size_t bytes = entry_bytes + ((FUSE_NAME_OFFSET + length + 7) & ~7);
    if (used + bytes > asked->size) break;
    memset(to + used, 0, bytes);
    if (plus) {
      struct fuse_entry_out *entry = (void *)(to + used);
      entry->nodeid = child;
      entry->entry_valid = entry->attr_valid = 3600;
      put_attr(&entry->attr, child);
    }
    struct fuse_dirent *dirent = (void *)(to + used + entry_bytes);
    dirent->ino = child;
    dirent->off = i + 1;
    dirent->namelen = length;
    dirent->type = directories[child].count > 0 ? 4 : 8;
    memcpy(dirent->name, name, length);
    used += bytes;
  }
  return used;
}

static size_t init(const struct fuse_init_in *asked, struct fuse_init_out *reply) {
  memset(reply, 0, sizeof *reply);
  reply->major = 7;
  reply->minor = 31;
  reply->max_readahead = asked->max_readahead;
  reply->flags = asked->flags & (FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_NO_OPENDIR_SUPPORT | FUSE_MAX_PAGES);
  reply->max_write = 1 << 20;
  reply->max_pages = 256;
  reply->time_gran = 1;
  return sizeof *reply;
}

static size_t answer(const struct fuse_in_header *asked, char *body, int *error) {
  const void *argument = asked + 1;
  struct fuse_attr_out *attr = (void *)body;
  switch (asked->opcode) {
    case FUSE_INIT: return init(argument, (void *)body);
    case FUSE_READDIR: return list(asked->nodeid, argument, 0, body);
    case FUSE_READDIRPLUS: return list(asked->nodeid, argument, 1, body);
    case FUSE_ACCESS: return 0;
    case FUSE_STATFS:
      memset(body, 0, sizeof(struct fuse_statfs_out));
      return sizeof(struct fuse_statfs_out);
    case FUSE_GETATTR:
      memset(attr, 0, sizeof *attr);
      attr->attr_valid = 3600;
      put_attr(&attr->attr, asked->nodeid);
      return sizeof *attr;
    default: *error = -ENOSYS; return 0;
  }
}

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

/** Bytes of the next request; looks again for so long before it sleeps. -1 at the end. */
static ssize_t take(int fd, double spin_us) {
  for (double until = now_us() + spin_us;;) {
    ssize_t n = read(fd, in, sizeof in);
    if (n >= 0) return n;
    if (errno != EAGAIN && errno != EINTR && errno != ENOENT) return -1;
    struct pollfd wanted = {fd, POLLIN, 0};
    if (now_us() >= until) poll(&wanted, 1, -1);
  }
}

int main(int count, char **words) {
  char options[100];
  int fd = open("/dev/fuse", O_RDWR | O_NONBLOCK);
  sprintf(options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
  grow(1, 0);
  if (count < 2 || mount("floor", words[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0) return perror("mount"), 1;
  const struct fuse_in_header *asked = (void *)in;
  struct fuse_out_header *reply = (void *)out;
  while (take(fd, count > 2 ? atof(words[2]) : 0) >= 0 && asked->opcode != FUSE_DESTROY) {
    requests[asked->opcode % OPCODES]++;
    if (asked->opcode == FUSE_FORGET || asked->opcode == FUSE_BATCH_FORGET || asked->opcode == FUSE_INTERRUPT) continue;
    int error = 0;
    size_t bytes = answer(asked, (char *)(reply + 1), &error);
    *reply = (struct fuse_out_header){.len = sizeof *reply + bytes, .error = error, .unique = asked->unique};
    if (write(fd, out, reply->len) < 0 && errno != ENOENT) perror("write");
  }
  for (int i = 0; i < OPCODES; i++) if (requests[i] > 0) fprintf(stderr, "request %d: %lu\n", i, requests[i]);
}
