/** Where things lie in the namespace that `KeptTree` keeps, and in a sandbox. */

/** Where a sandboxed command finds its workspace. */
export const WORKSPACE = '/workspace'
/** What becomes the root of the sandbox. */
export const TREE = '/tree'
/** Those of /dev that a sandbox has, as bubblewrap makes it, by the numbers that Linux gives them. */
export const DEVICES: ReadonlyArray<readonly [name: string, major: number, minor: number]> = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
]
