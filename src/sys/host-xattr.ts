/** Extended attributes of host files, never following a symlink. Linux. */
import { cFunction, cString, orErrno } from './ffi.js'
import { limits } from './limits.js'

type Bytes = Uint8Array
type Path = string | Uint8Array

const cGet = cFunction<[Bytes, Bytes, Bytes, number]>('intptr_t lgetxattr(void *path, void *name, void *value, size_t size)')
const cSet = cFunction<[Bytes, Bytes, Bytes, number, number]>('int lsetxattr(void *path, void *name, void *value, size_t size, int flags)')
const cList = cFunction<[Bytes, Bytes, number]>('intptr_t llistxattr(void *path, void *list, size_t size)')

/** The value, or the negated errno (`-ENODATA`, `-EOPNOTSUPP`). */
export function getxattr(path: Path, name: Path): Buffer | number {
  const value = Buffer.allocUnsafe(limits.xattrValueBytes)
  const length = orErrno(cGet(cString(path), cString(name), value, value.length))
  return length < 0 ? length : Buffer.from(value.subarray(0, length))
}

/** `flags`: 1 fails where the name exists, 2 where it does not. */
export function setxattr(path: Path, name: Path, value: Uint8Array, flags = 0): number {
  // An empty buffer may have no address.
  const from = value.length === 0 ? Buffer.alloc(1) : value
  return orErrno(cSet(cString(path), cString(name), from, value.length, flags))
}

/** The names as bytes, or the negated errno. */
export function listxattr(path: Path): Buffer[] | number {
  const list = Buffer.allocUnsafe(limits.xattrListBytes)
  const length = orErrno(cList(cString(path), list, list.length))
  if (length < 0) return length
  const names: Buffer[] = []
  for (let at = 0; at < length; ) {
    const end = list.indexOf(0, at)
    names.push(Buffer.from(list.subarray(at, end)))
    at = end + 1
  }
  return names
}
