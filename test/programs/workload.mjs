// A deterministic workload over an engine in process: the same seed gives the same operations. Used by the crash tests, in a child
// that is killed, and by the parent, which computes the state after each operation.

/** A small generator of numbers, the same everywhere. */
export function generator(seed) {
  let x = (seed * 2654435761 + 1) >>> 0
  return below => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    return Math.floor((x / 4294967296) * below)
  }
}

function content(next) {
  const sizes = [0, 10, 200, 300, 1500, 3000, 40_000, 65_536, 70_000, 200_000]
  const size = sizes[next(sizes.length)]
  const seed = next(250)
  return { size, seed }
}

export function fill({ size, seed }) {
  const bytes = Buffer.alloc(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + seed * 7 + (i >>> 8)) & 255
  return bytes
}

/** The operations of a seed: plain data. */
export function operations(seed, count) {
  const next = generator(seed)
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const name = () => names[next(names.length)]
  const list = []
  for (let i = 0; i < count; i++) {
    const kind = next(25)
    if (kind < 7) list.push({ op: 'write', name: name(), content: content(next) })
    else if (kind < 10) list.push({ op: 'patch', name: name(), at: next(100_000), content: content(next) })
    else if (kind < 12) list.push({ op: 'truncate', name: name(), size: next(120_000) })
    else if (kind < 14) list.push({ op: 'rename', from: name(), to: name() })
    else if (kind < 16) list.push({ op: 'unlink', name: name() })
    else if (kind < 17) list.push({ op: 'transaction', writes: [0, 1, 2].map(() => ({ name: name(), content: content(next) })) })
    else if (kind < 18) list.push({ op: 'flush' })
    else if (kind < 19) list.push({ op: 'checkpoint', name: `c${i}` })
    else if (kind < 20) list.push({ op: 'fork', name: `fork${i}` })
    else {
      const saved = list.filter(step => step.op === 'checkpoint')
      list.push(saved.length === 0 ? { op: 'flush' } : { op: 'restore', name: saved[next(saved.length)].name })
    }
  }
  return list
}

/** A model to go on with while the other stays as it is. */
export function copyModel(model) {
  return Object.assign(new Map(model), { saved: new Map(model.saved) })
}

/** What an operation does to a model: a Map of names to bytes, with the states of its checkpoints in `saved`. */
export function applyToModel(model, step) {
  switch (step.op) {
    case 'write':
      model.set(step.name, fill(step.content))
      break
    case 'patch': {
      const old = model.get(step.name)
      if (old === undefined) break
      const patch = fill(step.content)
      if (patch.length === 0) break
      const bytes = Buffer.alloc(Math.max(old.length, step.at + patch.length))
      old.copy(bytes)
      patch.copy(bytes, step.at)
      model.set(step.name, bytes)
      break
    }
    case 'truncate': {
      const old = model.get(step.name)
      if (old === undefined) break
      const bytes = Buffer.alloc(step.size)
      old.copy(bytes)
      model.set(step.name, bytes)
      break
    }
    case 'rename': {
      const old = model.get(step.from)
      if (old === undefined || step.from === step.to) break
      model.delete(step.from)
      model.set(step.to, old)
      break
    }
    case 'unlink':
      model.delete(step.name)
      break
    case 'transaction':
      for (const { name, content: bytes } of step.writes) model.set(name, fill(bytes))
      break
    case 'checkpoint':
      model.saved ??= new Map()
      model.saved.set(step.name, new Map(model))
      break
    case 'restore': {
      const saved = model.saved?.get(step.name)
      if (saved === undefined) break
      model.clear()
      for (const [name, bytes] of saved) model.set(name, bytes)
      break
    }
  }
}

/** The same on a volume. `make` makes a filesystem shaped as node:fs over a session. */
export function applyToVolume(engine, volume, fs, make, step) {
  switch (step.op) {
    case 'write':
      fs.writeFileSync(`/${step.name}`, fill(step.content))
      break
    case 'patch': {
      if (!fs.existsSync(`/${step.name}`)) break
      const fd = fs.openSync(`/${step.name}`, 'r+')
      fs.writeSync(fd, fill(step.content), 0, step.content.size, step.at)
      fs.closeSync(fd)
      break
    }
    case 'truncate':
      if (fs.existsSync(`/${step.name}`)) fs.truncateSync(`/${step.name}`, step.size)
      break
    case 'rename':
      if (fs.existsSync(`/${step.from}`)) fs.renameSync(`/${step.from}`, `/${step.to}`)
      break
    case 'unlink':
      fs.rmSync(`/${step.name}`, { force: true })
      break
    case 'transaction': {
      const session = volume.begin()
      const tx = make(session)
      for (const { name, content: bytes } of step.writes) tx.writeFileSync(`/${name}`, fill(bytes))
      const result = session.commitTransaction()
      if (result < 0) throw Object.assign(new Error(`commit failed: ${result}`), { code: result === -28 ? 'ENOSPC' : 'EIO' })
      break
    }
    case 'flush':
      volume.flush()
      break
    case 'checkpoint':
      volume.checkpoint(step.name)
      break
    case 'restore':
      volume.become(volume.treeOf(volume.history.resolve(step.name)), { kind: 'restore' })
      break
    case 'fork':
      engine.fork('w', undefined, step.name)
      break
  }
}

/** All files of a volume's root, as a Map like the model's. */
export function contents(fs) {
  return new Map(
    fs
      .readdirSync('/')
      .sort()
      .map(name => [name, fs.readFileSync(`/${name}`)]),
  )
}

export function sameContents(a, b) {
  if (a.size !== b.size) return false
  for (const [name, bytes] of a) if (!b.get(name)?.equals(bytes)) return false
  return true
}
