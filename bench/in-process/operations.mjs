import { rates } from '../lib.mjs'

const KIB = Buffer.alloc(1024, 0x61)

/** Files of 1 KiB, 100,000 in one transaction; more in several of 100,000. */
export async function build(volume, { directories, files }) {
  return rates(1, files.length, async () => {
    for (let from = 0; from < files.length; from += 100_000) {
      await volume.transaction(tx => {
        if (from === 0) for (const directory of directories) tx.fs.mkdirSync(directory)
        for (let i = from; i < Math.min(files.length, from + 100_000); i++) tx.fs.writeFileSync(files[i], KIB)
      })
    }
  })
}

/** Reads of all kinds, warm. */
export async function readOperations(report, fs, { directories, files }, runs) {
  const sample = Array.from({ length: 200_000 }, (_, i) => files[(i * 7919) % files.length])
  for (let warm = 0; warm < 2; warm++) for (const file of files) fs.statSync(file)
  const inOrder = files.slice(0, 200_000)
  const statAll = list => () => {
    for (const file of list) fs.statSync(file)
  }
  report.add('stat, synchronous, random order', await rates(runs, sample.length, statAll(sample)), '/s', '≥ 400,000/s')
  report.add('stat, synchronous, directory by directory', await rates(runs, inOrder.length, statAll(inOrder)), '/s', '')
  const promised = await rates(
    runs,
    sample.length,
    each(sample, file => fs.promises.stat(file)),
  )
  report.add('stat, promise, random order', promised, '/s', '≥ 250,000/s')
  const leaves = directories.filter(directory => directory.split('/').length === 5).slice(0, 5000)
  const list = () => {
    for (let i = 0; i < 100_000; i++) fs.readdirSync(leaves[i % leaves.length])
  }
  list()
  report.add('readdir of 20', await rates(runs, 100_000, list), '/s', '≥ 400,000/s')
  const listed = Array.from({ length: 100_000 }, (_, i) => leaves[i % leaves.length])
  report.add(
    'readdir of 20, promise',
    await rates(
      runs,
      listed.length,
      each(listed, directory => fs.promises.readdir(directory)),
    ),
    '/s',
    '',
  )
  for (const [what, count] of [
    ['10,000 files', 10_000],
    ['all files', files.length],
  ]) {
    const read = () => {
      for (let i = 0; i < 100_000; i++) fs.readFileSync(files[(i * 7919) % count])
    }
    read()
    report.add(`read 1 KiB by path, random among ${what}`, await rates(runs, 100_000, read), '/s', '≥ 200,000/s')
    const some = Array.from({ length: 100_000 }, (_, i) => files[(i * 7919) % count])
    report.add(
      '… promise',
      await rates(
        runs,
        some.length,
        each(some, file => fs.promises.readFile(file)),
      ),
      '/s',
      '',
    )
  }
}

/** One after the other, each awaited. */
function each(list, operation) {
  return async () => {
    for (const one of list) await operation(one)
  }
}

export async function readLarge(report, fs, runs) {
  fs.writeFileSync('/big', Buffer.alloc(16 << 20, 7))
  const into = Buffer.alloc(1 << 20)
  const handle = fs.openSync('/big', 'r')
  const reads = await rates(runs, 400 * 1.048576e-3, () => {
    for (let i = 0; i < 400; i++) fs.readSync(handle, into, 0, 1 << 20, (i % 16) << 20)
  })
  report.add('read 1 MiB, warm', reads, 'GB/s', '≥ 3 GB/s')
  fs.closeSync(handle)
  const file = await fs.promises.open('/big', 'r')
  const promised = await rates(runs, 400 * 1.048576e-3, async () => {
    for (let i = 0; i < 400; i++) await file.read(into, 0, 1 << 20, (i % 16) << 20)
  })
  report.add('… promise', promised, 'GB/s', '')
  await file.close()
}

export async function createOperations(report, fs, runs) {
  fs.mkdirSync('/acknowledged')
  let serial = 0
  const create = await rates(runs, 20_000, () => {
    for (let i = 0; i < 20_000; i++) fs.writeFileSync(`/acknowledged/f${serial++}`, KIB)
  })
  report.add('create 1 KiB, acknowledged each', create, '/s', '≥ 60,000/s')
  const promised = await rates(runs, 20_000, async () => {
    for (let i = 0; i < 20_000; i++) await fs.promises.writeFile(`/acknowledged/f${serial++}`, KIB)
  })
  report.add('… promise', promised, '/s', '')
}
