const alphabet = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~', 'latin1')
/** Bytes in one line of a binary patch. */
const LINE_BYTES = 52

/** Lines as git writes binary content: a letter for the length, then base 85 of four bytes each. */
export function base85Lines(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += LINE_BYTES) lines.push(lineOf(bytes.subarray(at, at + LINE_BYTES)))
  return lines.join('')
}

function lineOf(bytes: Uint8Array): string {
  const groups = Math.ceil(bytes.length / 4)
  const line = Buffer.alloc(1 + 5 * groups + 1)
  line[0] = bytes.length <= 26 ? 64 + bytes.length : 96 + bytes.length - 26
  for (let g = 0; g < groups; g++) {
    let value = 0
    for (let i = 0; i < 4; i++) value = value * 256 + (bytes[4 * g + i] ?? 0)
    for (let i = 5; i > 0; i--) {
      line[5 * g + i] = alphabet[value % 85]
      value = Math.floor(value / 85)
    }
  }
  line[line.length - 1] = 10
  return line.toString('latin1')
}
