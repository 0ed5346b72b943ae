/**
 * Views of a mount: the upper 11 bits of its node ids and of st_ino say through which one an inode is seen. Some are the same
 * always, so that they need no record; the others stand for commits, and are numbered as they are looked up.
 */
export const View = {
  /** The volume as it is. */
  live: 0,
  /** `.cairn` and what stands directly in it. */
  folder: 1,
  /** `.cairn/versions` and all below it. */
  versions: 2,
  firstCommit: 8,
  /** Above are inodes of the live volume that another state replaced. */
  last: 1023,
} as const
