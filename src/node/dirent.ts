/** d_type values, as in readdir(3). */
const DT = { fifo: 1, character: 2, directory: 4, block: 6, file: 8, link: 10, socket: 12 } as const

/** As `fs.Dirent`. */
export class Dirent<Name extends string | Buffer = string> {
  readonly name: Name
  readonly parentPath: string
  /** Former name of `parentPath`. */
  readonly path: string
  readonly #type: number

  constructor(name: Name, parentPath: string, type: number) {
    this.name = name
    this.parentPath = parentPath
    this.path = parentPath
    this.#type = type
  }

  isFile(): boolean {
    return this.#type === DT.file
  }
  isDirectory(): boolean {
    return this.#type === DT.directory
  }
  isSymbolicLink(): boolean {
    return this.#type === DT.link
  }
  isFIFO(): boolean {
    return this.#type === DT.fifo
  }
  isSocket(): boolean {
    return this.#type === DT.socket
  }
  isCharacterDevice(): boolean {
    return this.#type === DT.character
  }
  isBlockDevice(): boolean {
    return this.#type === DT.block
  }
}

export const DT_DIRECTORY = DT.directory
