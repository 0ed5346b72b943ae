/** Bits of `st_mode`; the same on Linux and macOS. */
export const S_IFMT = 0o170000
export const S_IFIFO = 0o010000
export const S_IFCHR = 0o020000
export const S_IFDIR = 0o040000
export const S_IFBLK = 0o060000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
export const S_IFSOCK = 0o140000
export const S_ISUID = 0o4000
export const S_ISGID = 0o2000
export const S_ISVTX = 0o1000
export const S_IXGRP = 0o010
/** What chmod may set. */
export const PERMISSIONS = 0o7777

/** `d_type` of a directory entry is the type part of the mode. */
export const DT_DIR = S_IFDIR >> 12
export const DT_LNK = S_IFLNK >> 12

export function typeOf(mode: number): number {
  return (mode & S_IFMT) >>> 12
}

export function isDirectory(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR
}

export function isRegular(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG
}

export function isSymlink(mode: number): boolean {
  return (mode & S_IFMT) === S_IFLNK
}

/** The kinds of files that content, names and links tell apart. */
export function kindOf(mode: number): 'file' | 'directory' | 'symlink' | 'other' {
  return isRegular(mode) ? 'file' : isDirectory(mode) ? 'directory' : isSymlink(mode) ? 'symlink' : 'other'
}
