import type { Attr } from '../codec/index.js'
import type { Session } from '../volume/session.js'
import { fallocate, lseek } from './allocate.js'
import { access, checkSymlink, getattr, open, setattr } from './attributes.js'
import { read, replaceContent, touch, write } from './content.js'
import { Context, type FileSystemOptions } from './context.js'
import { createWith, link, mkdir, mknod, symlink } from './create.js'
import type { ChangeListener, Cred, FileSystemApi, SetAttr } from './filesystem.js'
import { find, listed, lookup, pathOf, readTarget, resolve, resolveParent } from './lookup.js'
import { collectOrphans, forget, release } from './orphans.js'
import { restricted } from './permission.js'
import { readdir, type Visit } from './readdir.js'
import { rmdir, unlink } from './remove.js'
import { rename } from './rename.js'
import { getxattr, listxattr, removexattr, setxattr } from './xattr.js'

/**
 * POSIX semantics over a session. One for all front ends of a session: open counts and cached names live here. Operations
 * that change something are one batch each; one that throws (damaged bytes) leaves none behind.
 */
export class FileSystem implements FileSystemApi {
  readonly session: Session
  readonly attr: Attr
  readonly #c: Context

  constructor(session: Session, options: FileSystemOptions = {}) {
    this.session = session
    this.#c = new Context(session, options)
    this.attr = this.#c.attr
  }

  get listener(): ChangeListener | undefined {
    return this.#c.listener
  }

  set listener(listener: ChangeListener | undefined) {
    this.#c.listener = listener
  }

  /** See `FileSystemOptions`; may change while in use, as mounts come and go. */
  get keepUnlinked(): boolean | ((ino: number) => boolean) {
    return this.#c.keepUnlinked
  }

  set keepUnlinked(keep: boolean | ((ino: number) => boolean)) {
    this.#c.keepUnlinked = keep
  }

  get text(): string {
    return this.#c.text
  }

  get trailingSlash(): boolean {
    return this.#c.trailingSlash
  }

  get value(): Uint8Array {
    return this.#c.value
  }

  get names(): string[] {
    return this.#c.names
  }

  /** Opens of an inode that were not released. */
  holds(ino: number): number {
    return this.#c.holds.get(ino) ?? 0
  }

  get pathEpoch(): number {
    this.#c.refresh()
    return this.#c.cache.epoch
  }

  openInodes(): number[] {
    return [...this.#c.holds.keys()]
  }

  lookup(dir: number, name: string, cred?: Cred): number {
    return lookup(this.#c, dir, name, cred)
  }

  find(dir: number, name: string): number {
    return find(this.#c, dir, name)
  }

  getattr(ino: number): number {
    return getattr(this.#c, ino)
  }

  setattr(ino: number, valid: number, set: SetAttr, cred?: Cred, handle = 0): number {
    try {
      return setattr(this.#c, ino, valid, set, cred, handle)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  access(ino: number, mask: number, cred?: Cred): number {
    return access(this.#c, ino, mask, cred)
  }

  mknod(dir: number, name: string, mode: number, rdev: number, cred?: Cred): number {
    try {
      return mknod(this.#c, dir, name, mode, rdev, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  createWith(dir: number, name: string, mode: number, from: Uint8Array, at: number, length: number, cred?: Cred): number {
    try {
      return createWith(this.#c, dir, name, mode, from, at, length, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  replaceContent(ino: number, from: Uint8Array, at: number, length: number, cred?: Cred): number {
    try {
      return replaceContent(this.#c, ino, from, at, length, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  mkdir(dir: number, name: string, mode: number, cred?: Cred): number {
    try {
      return mkdir(this.#c, dir, name, mode, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  symlink(dir: number, name: string, target: string, cred?: Cred): number {
    try {
      return symlink(this.#c, dir, name, target, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  link(ino: number, dir: number, name: string, cred?: Cred): number {
    try {
      return link(this.#c, ino, dir, name, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  unlink(dir: number, name: string, cred?: Cred): number {
    try {
      return unlink(this.#c, dir, name, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  rmdir(dir: number, name: string, cred?: Cred): number {
    try {
      return rmdir(this.#c, dir, name, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  rename(dir: number, name: string, toDir: number, toName: string, flags: number, cred?: Cred): number {
    try {
      return rename(this.#c, dir, name, toDir, toName, flags, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  open(ino: number, flags: number, cred?: Cred, handle = 0): number {
    try {
      return open(this.#c, ino, flags, cred, handle)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  release(ino: number, handle = 0): void {
    try {
      release(this.#c, ino, handle)
    } catch (error) {
      this.#abandon(error)
    }
  }

  forget(ino: number): void {
    try {
      forget(this.#c, ino)
    } catch (error) {
      this.#abandon(error)
    }
  }

  collectOrphans(): number {
    try {
      return collectOrphans(this.#c)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  touch(ino: number): number {
    return touch(this.#c, ino)
  }

  read(ino: number, offset: number, into: Uint8Array, at: number, length: number, isTouched = false): number {
    return read(this.#c, ino, offset, into, at, length, isTouched)
  }

  write(ino: number, offset: number, from: Uint8Array, at: number, length: number, append = false, killPriv = false, handle = 0): number {
    try {
      return write(this.#c, ino, offset, from, at, length, append, killPriv, handle)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  fallocate(ino: number, mode: number, offset: number, length: number, handle = 0): number {
    try {
      return fallocate(this.#c, ino, mode, offset, length, handle)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  lseek(ino: number, offset: number, whence: number): number {
    return lseek(this.#c, ino, offset, whence)
  }

  readlink(ino: number): number {
    const refused = checkSymlink(this.#c, ino)
    return refused < 0 ? refused : readTarget(this.#c)
  }

  readdir(dir: number, high: number, low: number, visit: Visit): number {
    return readdir(this.#c, dir, high, low, visit)
  }

  listed(path: string, cred?: Cred): readonly string[] | undefined {
    return restricted(cred) ? undefined : listed(this.#c, path)
  }

  getxattr(ino: number, name: string): number {
    return getxattr(this.#c, ino, name)
  }

  setxattr(ino: number, name: string, value: Uint8Array, flags: number, cred?: Cred): number {
    try {
      return setxattr(this.#c, ino, name, value, flags, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  listxattr(ino: number): number {
    return listxattr(this.#c, ino)
  }

  removexattr(ino: number, name: string, cred?: Cred): number {
    try {
      return removexattr(this.#c, ino, name, cred)
    } catch (error) {
      return this.#abandon(error)
    }
  }

  resolve(path: string, follow: boolean, cred?: Cred): number {
    return resolve(this.#c, path, follow, cred)
  }

  resolveParent(path: string, cred?: Cred, follow = false): number {
    return resolveParent(this.#c, path, follow, cred)
  }

  pathOf(ino: number): number {
    return pathOf(this.#c, ino)
  }

  /** An operation that reads damage has validated nothing yet: whatever it added is dropped. */
  #abandon(error: unknown): never {
    this.session.discard()
    throw error
  }
}
