/** Where things lie in the namespace that `KeptTree` keeps, and in a sandbox. */

/** Where a sandboxed command finds its workspace. */
export const WORKSPACE = '/workspace'
/** What becomes the root of the sandbox. */
export const TREE = '/tree'
/** Those of /dev that a sandbox has, as bubblewrap makes it. */
export const DEVICES = ['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom', '/dev/tty']
